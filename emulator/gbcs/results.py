"""Readable values of Responses and Alerts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.gbcs import times
from emulator.gbcs.asn1 import Integer, Time, decode_element
from emulator.gbcs.dlms import Data, Tag, decode_access_response, decode_notification, read_data
from emulator.gbcs.gbz import (
    DEFAULT_RESPONSE,
    FAILURE,
    NOT_FOUND,
    READ_ATTRIBUTES_RESPONSE,
    alert_component,
    decode_alert,
    decode_components,
    decode_records,
)
from emulator.gbcs.message import Cra, GbcsMessage
from emulator.gbcs.octets import Reader, encode_length
from emulator.gbcs.protect import PrivateKey, PublicKey, shared_secret, unseal
from emulator.gbcs.protected import is_protected_result, read_protected_result, unsealing_key
from emulator.gbcs.shapes import decode_shape
from emulator.gbcs.templates import apply, show
from emulator.gbcs.usecases import DlmsItem, Format, GbzItem, UseCase, rows_of
from emulator.gbcs.zcl_replies import CLUSTER_COMMAND, read_reply


@dataclass(frozen=True, slots=True)
class ReaderKeys:
    """What the reader of encrypted data holds: its own key-agreement key and the device's certificate."""

    private_ka: PrivateKey
    device_public_ka: PublicKey


def read_result(message: GbcsMessage, keys: ReaderKeys | None = None) -> Mapping[str, object]:
    """What a Response or Alert says, in plain values.

    Always: ``message_code``, ``use_case`` ("" when the table does not know the code) and ``ok``: everything succeeded. DLMS
    Responses have ``results`` (one code per access), GBZ Responses ``statuses``, of which "not found" beside what was found is no
    failure (a log that is asked for by places). Alerts have ``alert_code`` and ``time_ms``. Then
    the names of the row: ``firmware_version`` ("0002012F"), ``activate_image_code``, ``hash`` (lower-case text), ``device``
    (an EUI) … Octets without a form of their own are hexadecimal text. Encrypted values need ``keys``; ``encrypted`` says
    whether any stayed unread. :class:`Malformed` for octets that cannot be read.
    """
    format_ = _format(message)
    use_case = _row(message, format_)
    values: dict[str, object] = {
        "message_code": message.message_code, "use_case": use_case.name if use_case else "", "ok": True, "encrypted": False,
    }  # fmt: skip
    _READERS[format_, message.cra](message, use_case, keys, values)
    if use_case is not None and message.cra is Cra.RESPONSE:
        values["ok"] = values["ok"] and not any(values.get(name) for name in use_case.success_codes)
    return values


def _format(message: GbcsMessage) -> Format:
    first = message.content[:2]
    if first[:1] in (b"\xd9", b"\xda", b"\x0f"):
        return Format.DLMS
    return Format.GBZ if first == b"\x01\x09" else Format.ASN1


def _row(message: GbcsMessage, format_: Format) -> UseCase | None:
    return next((row for row in rows_of(message.message_code) if row.format is format_), None)


def _read_command(message: GbcsMessage, use_case: UseCase | None, keys: ReaderKeys | None, values: dict[str, object]) -> None:
    raise Malformed("a Command has no result", expected="a Response or Alert")


def _read_dlms_response(
    message: GbcsMessage, use_case: UseCase | None, keys: ReaderKeys | None, values: dict[str, object]
) -> None:
    response = decode_access_response(message.content)
    values["results"] = [item.code for item in response.items]
    values["ok"] = all(item.code == 0 for item in response.items)
    items = use_case.request if use_case else ()
    for item, result in zip(items, response.items, strict=False):
        if result.code or not isinstance(item, DlmsItem):
            continue
        if item.protected:
            _read_protected(message, item, result.data, keys, values)
        for template in () if item.protected else item.result:
            apply(template, result.data, values)


def _read_protected(message: GbcsMessage, item: DlmsItem, data: Data, keys: ReaderKeys | None, values: dict[str, object]) -> None:
    if keys is None:
        values["encrypted"] = True
        return
    for template, value in zip(item.result, read_protected_result(data, _key(message, keys), message.originator), strict=False):
        apply(template, value, values)


def _key(message: GbcsMessage, keys: ReaderKeys) -> bytes:
    return unsealing_key(message, shared_secret(keys.private_ka, keys.device_public_ka))


def _read_gbz_response(
    message: GbcsMessage, use_case: UseCase | None, keys: ReaderKeys | None, values: dict[str, object]
) -> None:
    statuses: list[int] = []
    names = {
        (item.cluster, attribute): name
        for item in (use_case.request if use_case else ())
        if isinstance(item, GbzItem)
        for attribute, name in zip(item.attributes, item.result, strict=True)
    }
    components = decode_components(message.content)
    for component in components:
        payload = component.payload
        if component.encrypted and keys is None:
            values["encrypted"] = True
            continue
        if component.encrypted and keys is not None:
            payload = unseal(payload, _key(message, keys), message.originator)
        if component.frame_control & CLUSTER_COMMAND:
            read_reply(component, payload, values)
            continue
        if component.command not in (READ_ATTRIBUTES_RESPONSE, DEFAULT_RESPONSE):
            continue
        if component.command == DEFAULT_RESPONSE:
            statuses.append(payload[1] if len(payload) == 2 else FAILURE)
            continue
        for record in decode_records(payload):
            statuses.append(record.status)
            name = names.get((component.cluster, record.attribute))
            if record.value is not None and name is not None:
                show(name, record.value.value, values)
    values["statuses"] = statuses
    brought = any(component.frame_control & CLUSTER_COMMAND for component in components)
    values["ok"] = not any(status for status in statuses if not (brought and status == NOT_FOUND))


def _read_asn1_response(
    message: GbcsMessage, use_case: UseCase | None, keys: ReaderKeys | None, values: dict[str, object]
) -> None:
    if use_case is not None and use_case.response_shape:
        _show_shape(use_case.response_shape, message, values)


def _show_shape(shape: str, message: GbcsMessage, values: dict[str, object]) -> None:
    for name, value in decode_shape(shape, message.content).items():
        values[name] = value.hex().upper() if isinstance(value, bytes) else value


def _read_dlms_alert(message: GbcsMessage, use_case: UseCase | None, keys: ReaderKeys | None, values: dict[str, object]) -> None:
    elements = decode_notification(message.content).value.items
    if len(elements) < 2:
        raise Malformed("the alert has no code and time", expected="a structure of two or more")
    values["alert_code"], values["time_ms"] = elements[0].number, times.read_cosem(elements[1].octets)
    rest = elements[2:]
    if is_protected_result(Data(Tag.STRUCTURE, rest)):
        if keys is None:
            values["encrypted"] = True
            return
        rest = read_protected_result(Data(Tag.STRUCTURE, rest), _key(message, keys), message.originator)
    for template, element in zip(use_case.alert_result if use_case else (), rest, strict=False):
        apply(template, element, values)


def _read_gbz_alert(message: GbcsMessage, use_case: UseCase | None, keys: ReaderKeys | None, values: dict[str, object]) -> None:
    alert = decode_alert(message.content)
    values["alert_code"], values["time_ms"] = alert.alert_code, times.read_utc_time(alert.time)
    extra = alert.extra
    component = alert_component(extra)
    if component is not None:
        if component.encrypted and keys is None:
            values["encrypted"] = True
            return
        extra = component.payload
        if component.encrypted and keys is not None:
            extra = unseal(extra, _key(message, keys), message.originator)
        extra = bytes((Tag.OCTET_STRING,)) + encode_length(len(extra)) + extra
    reader = Reader(extra)
    for template in use_case.alert_result if use_case else ():
        apply(template, _alert_content(reader), values)


def _alert_content(reader: Reader) -> Data:
    """A DLMS octet string (receipt of firmware), its length and octets without a tag (dated commands), or octets alone.

    Source: gbcs.md 7; octets alone as in the test message MIIWA-ZigBee.
    """
    first = reader.data[reader.position : reader.position + 1]
    if first == bytes((Tag.OCTET_STRING,)):
        return read_data(reader)
    if first and first[0] == reader.left - 1:
        reader.octet("length")
    return Data(Tag.OCTET_STRING, reader.take(reader.left, "content of the alert"))


def _read_asn1_alert(message: GbcsMessage, use_case: UseCase | None, keys: ReaderKeys | None, values: dict[str, object]) -> None:
    if use_case is not None and use_case.alert is not None:
        _show_shape(use_case.alert.shape, message, values)
        return
    first = decode_element(message.content).children[:2]
    if len(first) == 2:
        values["alert_code"], values["time_ms"] = _CODE.decode(first[0]), _TIME.decode(first[1])


_CODE, _TIME = Integer(0, 0xFFFF), Time()

_Read = Callable[[GbcsMessage, UseCase | None, ReaderKeys | None, dict[str, object]], None]
_READERS: Mapping[tuple[Format, Cra], _Read] = {
    (Format.DLMS, Cra.RESPONSE): _read_dlms_response,
    (Format.GBZ, Cra.RESPONSE): _read_gbz_response,
    (Format.ASN1, Cra.RESPONSE): _read_asn1_response,
    (Format.DLMS, Cra.ALERT): _read_dlms_alert,
    (Format.GBZ, Cra.ALERT): _read_gbz_alert,
    (Format.ASN1, Cra.ALERT): _read_asn1_alert,
    **{(format_, Cra.COMMAND): _read_command for format_ in Format},
}
