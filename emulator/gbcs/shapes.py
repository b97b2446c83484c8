"""The ASN.1 payloads by name, as the rows of the use-case table refer to them.

Source: gbcs.md section 8, firmware_examples.md and the test messages of CS02; parsing proven on the test messages. Names of
fields are ours.
"""

from collections.abc import Mapping

from emulator.gbcs.asn1 import (
    BitString,
    Certificate,
    Choice,
    Enumerated,
    Eui,
    Field,
    Integer,
    Named,
    Octets,
    OrNull,
    Sequence,
    SequenceOf,
    Shape,
    Tagged,
    Time,
    decode_element,
)

_ALERT = (Field("alert_code", Integer(0, 0xFFFF)), Field("time_ms", Time()))
_VERSION = Field("firmware_version", Octets(4))
_ACTIVATION = Sequence((Field("activate_image_code", Integer(0, 255)), _VERSION))
_LOGGED_DEVICE = Sequence((Field("device", Eui()), Field("device_type", Integer(0, 255))))
_CODE = Named("code", Integer(0, 255))

_ROLE = Field("role", Integer(0, 255))
_USAGE = Field("usage", BitString())
_CELL = Field("cell", Integer(0, 255), optional=True)
_TOP_UP_FLOORS = SequenceOf(Sequence((Field("kind", Integer(0, 255)), Field("floor", Integer()))))
_FLOORS = SequenceOf(Sequence((_ROLE, Field("floor", Integer()), Field("top_up_floors", _TOP_UP_FLOORS, optional=True))))
_TARGET = Sequence((_ROLE, _USAGE, _CELL))
_CONTROL = Sequence(
    (
        Field("mode", Integer(0, 255)),
        Field("time_checks_off", Tagged(1, Integer(0, 255)), optional=True),
        Field("signer", Tagged(2, Sequence((_ROLE, _USAGE))), optional=True),
        Field("counter", Tagged(3, Integer())),
        Field("floor", Tagged(4, Integer()), optional=True),
        Field("top_up_floors", Tagged(5, _TOP_UP_FLOORS), optional=True),
        Field("other_floors", Tagged(6, _FLOORS), optional=True),
    )
)
_REPLACED = Sequence(
    (
        Field("target", _TARGET), Field("result", Enumerated()), Field("party_before", Eui()), Field("key_before", Octets(8)),
        Field("party_after", Eui()), Field("key_after", Octets(8)),
    )
)  # fmt: skip
_CREDENTIALS_OUTCOME = Sequence(
    (
        Field("counter", Integer()), Field("mode", Integer(0, 255)), Field("floors", _FLOORS),
        Field("replaced", SequenceOf(_REPLACED)),
    )
)  # fmt: skip
_HELD = Sequence((_USAGE, _CELL, Field("party", Eui()), Field("key", Octets(8))))

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
    "update_credentials": Sequence(
        (
            Field("control", _CONTROL, inline=True),
            Field("replacements", SequenceOf(Sequence((Field("certificate", Certificate()), Field("target", _TARGET))))),
            Field("path", SequenceOf(Certificate())),
            Field("execution_time_ms", Time(), optional=True),
        )
    ),
    "update_credentials_result": Sequence(
        (Field("accepted", OrNull()), Field("outcome", _CREDENTIALS_OUTCOME, optional=True))
    ),
    "update_credentials_alert": Sequence((*_ALERT, Field("outcome", _CREDENTIALS_OUTCOME))),
    "retrieve_credentials": Sequence((Field("asking", _TARGET), Field("roles", SequenceOf(Integer(0, 255))))),
    "retrieve_credentials_result": Named("parties", SequenceOf(Sequence(
        (
            _ROLE, Field("status", Enumerated()), Field("counter", Integer(), optional=True),
            Field("credentials", SequenceOf(_HELD), optional=True),
        )
    ))),
    "key_usage": Sequence((_USAGE,)),
    "certificate": Named("certificate", Certificate()),
    "certification_request_result": Choice((Named("certification_request", Certificate()), _CODE)),
    "certificate_result": Choice((Named("certificate", Certificate()), _CODE)),
    "log_backup_alert": Sequence((*_ALERT, Field("devices", SequenceOf(_LOGGED_DEVICE)))),
}  # fmt: skip


def encode_shape(name: str, values: Mapping[str, object]) -> bytes:
    """The payload of this shape; :class:`Malformed` names a value that is missing or of another kind."""
    return SHAPES[name].encode(values)


def decode_shape(name: str, content: bytes) -> dict[str, object]:
    """The values of a payload of this shape; :class:`Malformed` when it is none."""
    values = SHAPES[name].decode(decode_element(content))
    return values if isinstance(values, dict) else {}
