"""Alerts: built and protected by the device."""

from collections.abc import Mapping

from emulator.domain.errors import Broken
from emulator.domain.identifiers import Eui64
from emulator.gbcs import times
from emulator.gbcs.dlms import Data, DataNotification, Tag, invoke_id, number, octets, structure
from emulator.gbcs.expressions import Environment
from emulator.gbcs.functions import octets_of
from emulator.gbcs.gbz import GbzAlert
from emulator.gbcs.message import Cra, GbcsMessage, Supplementary
from emulator.gbcs.protect import PrivateKey, PublicKey, add_mac, sign
from emulator.gbcs.shapes import encode_shape
from emulator.gbcs.usecases import Format, UseCase


def alert_content(
    use_case: UseCase, *, counter: int, alert_code: int, time_ms: int, values: Mapping[str, object] | None = None
) -> bytes:
    """The payload of an Alert; ``values`` are what the row needs beside code and time.

    00CE and 00CF ``hash`` (32 octets); 00CA ``originator_counter``, ``code``, ``version`` (4 octets); 0128 ``device`` (EUI),
    ``version``, ``code``; 012B ``version``, ``code``; 0018 ``han_id`` (8 octets), ``devices`` (list of ``{"device": EUI,
    "link_key_hash": 16 octets}``); 00B2 ``devices`` (list of ``{"device": EUI, "device_type": code}``); 00CB and 0124
    ``outcome``, as :data:`emulator.gbcs.shapes.SHAPES` has it; the others what ``alert_elements`` of their rows name.
    :class:`Malformed` names a value that is missing or cannot be written.
    """
    given = values or {}
    env = Environment(given, counter, Eui64(0), Eui64(0), time_ms, time_ms)
    if use_case.format is Format.ASN1:
        if use_case.alert is None:
            raise Broken(f"{use_case.name} has no alert payload")
        fields = {name: value(env) for name, value in use_case.alert.values}
        return encode_shape(use_case.alert.shape, {**fields, "alert_code": alert_code, "time_ms": time_ms})
    extra = [element(env) for element in use_case.alert_elements]
    if use_case.format is Format.GBZ:
        octets_ = b"".join(octets_of(value) for value in extra)
        return GbzAlert(alert_code, times.utc_time(time_ms), octets_).encode()
    elements = (number(Tag.UINT16, alert_code), octets(times.cosem(time_ms)), *(_data(value) for value in extra))
    return DataNotification(invoke_id(counter), structure(*elements)).encode()


def _data(value: object) -> Data:
    if not isinstance(value, Data):
        raise Broken(f"a row gives {value!r} where a DLMS value belongs")
    return value


def build_alert(
    use_case: UseCase,
    *,
    device: Eui64,
    recipient: Eui64,
    counter: int,
    content: bytes,
    supplementary: Supplementary | None = None,
) -> GbcsMessage:
    """The Alert without protection; ``counter`` is the device's own and grows with every alert."""
    return GbcsMessage(Cra.ALERT, counter, device, recipient, use_case.code, content, supplementary)


def protect_alert(
    message: GbcsMessage,
    use_case: UseCase,
    *,
    device_private_ds: PrivateKey,
    device_private_ka: PrivateKey,
    recipient_public_ka: PublicKey,
) -> GbcsMessage:
    """Sign a critical Alert, give any other one the MAC of device x recipient."""
    if use_case.critical:
        return sign(message, device_private_ds)
    return add_mac(message, device_private_ka, recipient_public_ka)
