"""A device's own keys and certificates (gbcs.md 8): CS02c makes a key pair, CS02d brings its certificate, CS02e reads one.

A new key pair is used from the moment its certificate is there; the Response to CS02d is the first message under it (our
decision: it proves that the device has the key).
"""

from collections.abc import Callable, Mapping

from emulator.domain.errors import Malformed
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.shapes import encode_shape
from emulator.pki.certificates import Usage, read_certificate
from emulator.pki.csr import make_signing_request
from emulator.premises.context import Context
from emulator.premises.credentials import USAGES, changed_credentials, keep, own_certificate
from emulator.premises.state import DeviceState, OwnKey

UNKNOWN_USAGE = 1
"""Code of CS02c and CS02e for a key usage that the device does not have. The reference has the ranges of these codes and of those
below (gbcs.md 8), not their meanings: which number says what is our reading (low)."""

NO_CERTIFICATE = 2
"""Code of CS02e."""

TAKEN, UNREADABLE, OTHER_DEVICE, NO_KEY_WAITS, OTHER_KEY = 0, 1, 2, 4, 5
"""Codes of CS02d."""

EVENTS: Mapping[tuple[Usage, bool], int] = {
    (Usage.DIGITAL_SIGNATURE, False): 0x8F4C,
    (Usage.DIGITAL_SIGNATURE, True): 0x8F4D,
    (Usage.KEY_AGREEMENT, False): 0x8F4E,
    (Usage.KEY_AGREEMENT, True): 0x8F4F,
}
"""Events by usage and success (gbcs.md appendix); whether they are also alerts is not known, so they are logged only."""

Payload = Mapping[str, object]


def by_usage(context: Context, device: DeviceState, message: GbcsMessage, payload: Payload, now_ms: int) -> bytes:
    """CS02c and CS02e: both name a key usage; the message code tells them apart."""
    bits = payload["usage"]
    usage = USAGES.get(bits) if isinstance(bits, bytes) else None
    if message.message_code == MAKE_KEY:
        return _make(context, device, usage)
    return _read(context, device, usage)


MAKE_KEY = 0x000A
"""Message code of CS02c."""


def _make(context: Context, device: DeviceState, usage: Usage | None) -> bytes:
    if usage is None:
        return encode_shape("certification_request_result", {"code": UNKNOWN_USAGE})
    own = changed_credentials(device).own.setdefault(str(usage), OwnKey())
    own.made += 1
    own.waiting = True
    context.note(device, f"makes a new key pair for {usage}")
    request = make_signing_request(device.eui, usage, context.keys.generated_key(device.eui, usage, own.made))
    return encode_shape("certification_request_result", {"certification_request": request})


def renew(context: Context, device: DeviceState, number: int, issue: Callable[[bytes], bytes]) -> list[tuple[str, bytes]]:
    """Make the ``number``-th key pairs of every usage, with the certificates that ``issue`` gives for their signing requests."""
    found = []
    for usage in USAGES.values():
        der = issue(make_signing_request(device.eui, usage, context.keys.generated_key(device.eui, usage, number)))
        changed_credentials(device).own[str(usage)] = OwnKey(number, waiting=False, number=number, certificate=keep(context, der))
        found.append((str(usage), der))
    context.note(device, "has new key pairs and certificates of its own")
    return found


def _read(context: Context, device: DeviceState, usage: Usage | None) -> bytes:
    der = None if usage is None else own_certificate(context, device, usage)
    if der is None:
        return encode_shape("certificate_result", {"code": UNKNOWN_USAGE if usage is None else NO_CERTIFICATE})
    return encode_shape("certificate_result", {"certificate": der})


def take_certificate(context: Context, device: DeviceState, message: GbcsMessage, payload: Payload, now_ms: int) -> bytes:
    """CS02d: the certificate of the key pair that waits for one."""
    der = payload["certificate"]
    assert isinstance(der, bytes)
    code, usage = _judge(context, device, der)
    if code == TAKEN:
        own = changed_credentials(device).own[str(usage)]
        own.number, own.waiting, own.certificate = own.made, False, keep(context, der)
        context.note(device, f"uses its new key pair for {usage}")
    if usage is not None:
        context.log_event(device, EVENTS[usage, code == TAKEN], now_ms)
    return encode_shape("code", {"code": code})


def _judge(context: Context, device: DeviceState, der: bytes) -> tuple[int, Usage | None]:
    try:
        record = read_certificate(der)
    except Malformed:
        return UNREADABLE, None
    if record.role is not None or record.eui != device.eui:
        return OTHER_DEVICE, record.usage
    changed = device.changed_credentials
    own = None if changed is None else changed.own.get(str(record.usage))
    if own is None or not own.waiting:
        return NO_KEY_WAITS, record.usage
    if record.public_key != context.keys.generated_key(device.eui, record.usage, own.made).public_key():
        return OTHER_KEY, record.usage
    return TAKEN, record.usage
