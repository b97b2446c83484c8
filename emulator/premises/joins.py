"""Joining of devices with one another: CS03 and CS04 in their methods, and the device's own log CS07 (duis.md 7.6)."""

from collections.abc import Mapping

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.shapes import encode_shape
from emulator.pki.certificates import read_certificate
from emulator.premises.context import Context
from emulator.premises.sending import send_alert
from emulator.premises.state import DeviceState

READ_JOINED = 0x0013
"""Message code of CS07."""

SUCCESS, WRONG_METHOD, BAD_CERTIFICATE = 0, 2, 11
"""Codes of CS03 that the test messages show: 2 a GSME told to join a PPMID by method B, 11 method C without certificate. The
other codes up to 13 are not established and not used."""

UNREADABLE = 1
"""Code of CS07 for a log that cannot be read (test message CS07)."""

NOT_JOINED = 1
"""Code of CS04 for a device that is not in the log (test message CS04AC)."""

TYPE_CODES: Mapping[DeviceType, int] = {
    DeviceType.GSME: 0,
    DeviceType.ESME: 1,
    DeviceType.CHF: 2,
    DeviceType.GPF: 3,
    DeviceType.HCALCS: 4,
    DeviceType.PPMID: 5,
    DeviceType.IHD: 6,
}
"""Device types in ASN.1 (gbcs.md 8, proven); 6 is any type 2 device."""

TYPES: Mapping[int, DeviceType] = {code: kind for kind, code in TYPE_CODES.items()}

LOG_CHANGED = 0x8071
"""The device log of the gas proxy changed (GCS62)."""

METHOD_C = 3
PAIRS: Mapping[int, frozenset[tuple[DeviceType, DeviceType]]] = {
    0: frozenset(((DeviceType.ESME, DeviceType.HCALCS), (DeviceType.ESME, DeviceType.PPMID), (DeviceType.ESME, DeviceType.IHD))),
    1: frozenset(((DeviceType.HCALCS, DeviceType.ESME), (DeviceType.PPMID, DeviceType.ESME))),
    2: frozenset(((DeviceType.GSME, DeviceType.GPF),)),
    METHOD_C: frozenset(((DeviceType.GSME, DeviceType.PPMID), (DeviceType.PPMID, DeviceType.GSME))),
}
"""Which device may join which by methods A1, A2, B, C: as the test messages show; an ESME with PPMID or type 2 is inferred."""

Payload = Mapping[str, object]


def join(context: Context, device: DeviceState, message: GbcsMessage, payload: Payload, now_ms: int) -> bytes:
    """CS03: enter the other device into the log, when method and types go together."""
    method, other, code = payload["method"], payload["other_device"], payload["other_device_type"]
    assert isinstance(method, int)
    assert isinstance(other, int)
    assert isinstance(code, int)
    other_type = TYPES.get(code)
    if other_type is None or (device.device_type, other_type) not in PAIRS.get(method, frozenset()):
        return _code(WRONG_METHOD)
    if method == METHOD_C and not _certificate_of(other, payload.get("certificate")):
        return _code(BAD_CERTIFICATE)
    device.joined_to[other] = other_type
    _enter_at_proxy(context, device, other, now_ms)
    context.note(device, f"is joined with {other_type} {other:016X}")
    return _code(SUCCESS)


def unjoin(context: Context, device: DeviceState, message: GbcsMessage, payload: Payload, now_ms: int) -> bytes:
    """CS04: take the other device out of the log."""
    other = payload["other_device"]
    assert isinstance(other, int)
    gone = device.joined_to.pop(other, None)
    proxy = context.state.devices.get(other)
    if proxy is not None and proxy.device_type is DeviceType.GPF and proxy.joined_to.pop(device.eui, None) is not None:
        report(context, proxy, now_ms)
    return _code(NOT_JOINED if gone is None else SUCCESS)


def read_joined(device: DeviceState, *, broken: bool) -> bytes:
    """CS07: the log; a device that cannot read it answers a code alone (test message CS07)."""
    if broken:
        return encode_shape("joined_devices", {"code": UNREADABLE, "devices": None})
    devices = [{"device": eui, "device_type": type_code(kind)} for eui, kind in device.joined_to.items()]
    return encode_shape("joined_devices", {"code": SUCCESS, "devices": devices or None})


def restore_log(context: Context, device: DeviceState, message: GbcsMessage, payload: Payload, now_ms: int) -> bytes:
    """GCS59: replace the log of a GPF; every entry is answered by a code of its own."""
    listed, before = payload["devices"], device.joined_to
    assert isinstance(listed, list)
    device.joined_to = {entry["device"]: TYPES.get(entry["device_type"], DeviceType.IHD) for entry in listed}
    if device.joined_to != before:
        report(context, device, now_ms)
    answers = [{**entry, "code": SUCCESS} for entry in listed]
    return encode_shape("restore_log_result", {"devices": answers})


def _enter_at_proxy(context: Context, device: DeviceState, other: int, now_ms: int) -> None:
    """A gas meter that joins the gas proxy (method B) is entered into the proxy's log, which the proxy reports."""
    proxy = context.state.devices.get(other)
    if proxy is None or proxy.device_type is not DeviceType.GPF or proxy.joined_to.get(device.eui) is device.device_type:
        return
    proxy.joined_to[device.eui] = device.device_type
    report(context, proxy, now_ms)


def report(context: Context, proxy: DeviceState, now_ms: int) -> None:
    """GCS62 to the DCC: the whole log of the gas proxy (duis.md 7.6: the DCC keeps it for 8.12.2)."""
    devices = [{"device": eui, "device_type": type_code(kind)} for eui, kind in proxy.joined_to.items()]
    context.log_event(proxy, LOG_CHANGED, now_ms)
    send_alert(context, proxy, LOG_CHANGED, now_ms, {"devices": devices})


def type_code(kind: DeviceType) -> int:
    """The ASN.1 code of a device type."""
    return TYPE_CODES.get(kind, TYPE_CODES[DeviceType.IHD])


def _certificate_of(other: int, certificate: object) -> bool:
    if not isinstance(certificate, bytes):
        return False
    try:
        return read_certificate(certificate).eui == other
    except Malformed:
        return False


def _code(code: int) -> bytes:
    return encode_shape("code", {"code": code})
