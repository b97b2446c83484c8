"""The ASN.1 payloads by name, as the rows of the use-case table refer to them.

Source: gbcs.md section 8 and firmware_examples.md; parsing proven on the test messages. Names of fields are ours.
"""

from collections.abc import Mapping

from emulator.gbcs.asn1 import (
    Certificate,
    Eui,
    Field,
    Integer,
    Named,
    Octets,
    OrNull,
    Sequence,
    SequenceOf,
    Shape,
    Time,
    decode_element,
)

_ALERT = (Field("alert_code", Integer(0, 0xFFFF)), Field("time_ms", Time()))
_VERSION = Field("firmware_version", Octets(4))
_ACTIVATION = Sequence((Field("activate_image_code", Integer(0, 255)), _VERSION))
_LOGGED_DEVICE = Sequence((Field("device", Eui()), Field("device_type", Integer(0, 255))))
_CODE = Named("code", Integer(0, 255))

SHAPES: Mapping[str, Shape] = {
    "null": OrNull(),
    "activate_firmware": Sequence(
        (Field("hash", Octets(32)), Field("counter", Integer()), Field("execution_time_ms", Time(), optional=True))
    ),
    "activate_firmware_result": OrNull(_ACTIVATION),
    "activate_firmware_alert": Sequence(
        (*_ALERT, Field("originator_counter", Integer()), Field("outcome", _ACTIVATION, inline=True))
    ),
    "firmware_version": Sequence((_VERSION, Field("read_code", Integer(0, 255)))),
    "firmware_transfer_alert": Sequence(
        (*_ALERT, Field("device", Eui()), _VERSION, Field("transfer_code", Integer(0, 255)))
    ),
    "firmware_activation_alert": Sequence((*_ALERT, _VERSION, Field("activate_code", Integer(0, 255)))),
    "set_clock": Sequence((Field("from_ms", Time()), Field("to_ms", Time()))),
    "set_clock_result": Sequence((Field("device_time_ms", Time()), Field("time_status", Integer(0, 2)))),
    "join": Sequence(
        (
            Field("method", Integer(0, 3)),
            Field("other_device", Eui()),
            Field("other_device_type", Integer(0, 255)),
            Field("certificate", Certificate(), optional=True),
        )
    ),
    "unjoin": Named("other_device", Eui()),
    "code": _CODE,
    "joined_devices": Sequence((Field("code", Integer(0, 255)), Field("devices", SequenceOf(_LOGGED_DEVICE), optional=True))),
    "restore_log": Sequence((Field("devices", SequenceOf(_LOGGED_DEVICE)),)),
    "restore_log_result": Sequence(
        (Field("devices", SequenceOf(Sequence((Field("entry", _LOGGED_DEVICE, inline=True), Field("code", Integer(0, 255)))))),)
    ),
    "log_backup_alert": Sequence((*_ALERT, Field("devices", SequenceOf(_LOGGED_DEVICE)))),
}  # fmt: skip


def encode_shape(name: str, values: Mapping[str, object]) -> bytes:
    """The payload of this shape; :class:`Malformed` names a value that is missing or of another kind."""
    return SHAPES[name].encode(values)


def decode_shape(name: str, content: bytes) -> dict[str, object]:
    """The values of a payload of this shape; :class:`Malformed` when it is none."""
    values = SHAPES[name].decode(decode_element(content))
    return values if isinstance(values, dict) else {}
