"""Responses and alerts of devices: built, protected with the device's own keys, and handed to the WAN."""

from collections.abc import Mapping
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ec

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.gbcs.alerts import alert_content, build_alert, protect_alert
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.responses import build_response, protect_response
from emulator.gbcs.usecases import UseCase, alert_use_case
from emulator.pki.certificates import Usage
from emulator.premises import behaviours, faulty, han
from emulator.premises.context import Context
from emulator.premises.credentials import agreement_key, own_key
from emulator.premises.state import DeviceState

Keys = tuple[ec.EllipticCurvePrivateKey, ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey]
"""The device's digital-signing and key-agreement keys, and the recipient's public key-agreement key."""

UNRELIABLE_CLOCK = 0x02
"""Clock-status octet of gas register reads while the clock is not reliable (gbcs.md 5, proven)."""


def send_response(
    context: Context,
    device: DeviceState,
    command: GbcsMessage,
    use_case: UseCase,
    content: bytes,
    now_ms: int,
    originator_counter: int | None = None,
) -> None:
    """Answer ``command``; ``originator_counter`` is given when data was encrypted for an unknown remote party."""
    signs = use_case.critical or use_case.signed_answer
    keys = _keys(context, device, command.originator, signs)
    if keys is None:
        return
    status = UNRELIABLE_CLOCK if use_case.date_time_status == 0 and not device.clock_reliable else None
    message = build_response(
        command,
        use_case,
        content,
        now_ms + device.clock_offset_ms,
        originator_counter=originator_counter,
        time_status=status,
    )
    signing, agreement, recipient = keys
    code = f"{use_case.code:04X}"
    message = replace(message, counter=faulty.counter(context, device, message.counter, code, now_ms))
    message = faulty.named(context, device, message, code, now_ms)
    protected = protect_response(
        message, use_case, device_private_ds=signing, device_private_ka=agreement, recipient_public_ka=recipient
    )
    protected = faulty.protected(context, device, protected, code, now_ms)
    if context.faults.find("device.response_lost", device.eui, now_ms, code) is not None:
        context.note(device, f"answers {use_case.name} ({code}), and the answer is lost, by fault", gbcs=protected.encode().hex())
        return
    if context.by_hand is not None:
        context.by_hand.append(protected.encode())
        context.note(device, f"answers {use_case.name} ({code}) to who stands before it")
        return
    _send_up(context, device, protected.encode(), code, f"answers {use_case.name} ({code})", now_ms)


def send_alert(
    context: Context,
    device: DeviceState,
    alert_code: int,
    now_ms: int,
    values: Mapping[str, object] | None = None,
    time_ms: int | None = None,
    row: str = "",
    recipient: int | None = None,
) -> None:
    """Send an alert to ``recipient``, by default the party that the table names for it.

    ``time_ms`` is what the alert says instead of the device's clock, ``row`` names the use case where the alert code is one of
    several messages. A device that does not know the alert, was told not to report it, or trusts nobody in the recipient's role,
    keeps silent.
    """
    if not behaviours.reports(device, alert_code):
        context.note(device, f"was told not to report {alert_code:04X}")
        return
    use_case = alert_use_case(alert_code, device.device_type, row)
    role = RemotePartyRole.SUPPLIER if use_case is None or use_case.recipient is None else use_case.recipient
    recipient = device.credentials.get(role) if recipient is None else recipient
    if use_case is None or recipient is None:
        context.note(device, f"has nobody to send alert {alert_code:04X} to")
        return
    keys = _keys(context, device, recipient, use_case.critical)
    if keys is None:
        return
    device.alert_counter += 1
    faulty.drift(context, device, now_ms)
    code = f"{alert_code:04X}"
    counter = faulty.counter(context, device, device.alert_counter, code, now_ms)
    content = alert_content(
        use_case,
        counter=counter,
        alert_code=alert_code,
        time_ms=now_ms + device.clock_offset_ms if time_ms is None else time_ms,
        values=values,
    )
    message = build_alert(use_case, device=Eui64(device.eui), recipient=Eui64(recipient), counter=counter, content=content)
    signing, agreement, public = keys
    message = faulty.named(context, device, message, code, now_ms)
    protected = protect_alert(
        message, use_case, device_private_ds=signing, device_private_ka=agreement, recipient_public_ka=public
    )
    protected = faulty.protected(context, device, protected, code, now_ms)
    if context.faults.find("device.alert_lost", device.eui, now_ms, code) is not None:
        context.note(device, f"sends alert {code}, which is lost, by fault", gbcs=protected.encode().hex())
        return
    _send_up(context, device, protected.encode(), code, f"sends alert {code} to {format_eui(recipient)}", now_ms)


def _keys(context: Context, device: DeviceState, recipient: int, signs: bool) -> Keys | None:
    """The keys that protect a message; one that is signed needs none of its recipient."""
    signing, agreement = own_key(context, device, Usage.DIGITAL_SIGNATURE), own_key(context, device, Usage.KEY_AGREEMENT)
    public = agreement_key(context, device, recipient)
    if public is None and signs and agreement is not None:
        public = agreement.public_key()  # stands in for what a signature does not use
    if signing is None or agreement is None or public is None:
        missing = "its own keys" if public is not None else f"a certificate of {format_eui(recipient)}"
        context.note(device, f"cannot protect a message without {missing}")
        return None
    return signing, agreement, public


def _send_up(context: Context, device: DeviceState, octets: bytes, code: str, summary: str, now_ms: int) -> None:
    if context.faults.find("device.silent", device.eui, now_ms) is not None:
        context.note(device, f"would send, but is silent by fault: {summary}", gbcs=octets.hex())
        return
    if context.rows.silent(device.eui):
        context.note(device, f"sends nothing any more: {summary}", gbcs=octets.hex())
        return
    if not han.is_up(context, device):
        context.note(device, f"cannot reach the hub: {summary}", gbcs=octets.hex())
        return
    hub = context.hub_of(device)
    for entry in hub.device_log:
        if entry.device == device.eui:
            entry.last_communication_ms = now_ms
    context.note(device, summary)
    for at_ms in faulty.arrivals_ms(context, device, han.reaches_hub_ms(context, device, now_ms), code, now_ms):
        context.agenda.schedule(at_ms, "csp.upstream", hub.eui, octets)
