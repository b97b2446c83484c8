"""8.13: a user brings back what a device answered to a Command that was delivered locally (reference duis/duis.md 1.4, 1.6)."""

import base64

from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, format_eui
from emulator.domain.tables import LOCAL_DELIVERY_VARIANTS
from emulator.dsp.context import Context
from emulator.dsp.gate import Case
from emulator.dsp.upstream import asked_for, returned
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.protect import verify_mac, verify_signature
from emulator.pki.certificates import read_certificate


def take_back(context: Context, case: Case) -> Refusal | None:
    """8.13: the Response is that of a device to a Command which this user got for local delivery, and counts like any other."""
    body = case.request.body

    def refuse(check: str, detail: str) -> Refusal:
        return Refusal(context.codes.code(check, "8.13"), detail, where=check)

    try:
        octets = base64.b64decode("".join(body.required("DeviceGBCSResponse").split()), validate=True)
        message = decode_message(octets)
    except ValueError as error:
        return refuse("local_response_unreadable", f"DeviceGBCSResponse cannot be read: {error}")
    if message.cra is not Cra.RESPONSE:
        return refuse("local_response_unreadable", f"DeviceGBCSResponse is not a Response: {message.cra.name}")
    transaction = asked_for(context, message)
    of_user = transaction is not None and transaction.user == case.sender.eui
    if transaction is None or not of_user or transaction.request.command_variant not in LOCAL_DELIVERY_VARIANTS:
        detail = f"{case.sender.name} got no Command for local delivery that {format_eui(message.originator)} answers with this"
        return refuse("local_response_unknown", detail)
    original, known = body.value("OriginalRequestID"), str(transaction.request.request_id)
    if original is not None and original.lower() != known.lower():
        return refuse("local_response_other_request", f"the answer is to {known}, not to {original}")
    if transaction.device not in context.state.inventory:
        return refuse("local_response_unknown", f"{format_eui(transaction.device)} has left the inventory")
    if not _authentic(context, message):
        return refuse("local_response_unreadable", f"the answer is not by {format_eui(message.originator)}, or was altered")
    try:
        returned(context, transaction, message, octets)
    except Malformed as error:
        return refuse("local_response_unreadable", str(error))
    return None


def _authentic(context: Context, message: GbcsMessage) -> bool:
    """Whether it is the device's, as far as the DCC can tell: a MAC for somebody else is for them to verify."""
    if message.signature:
        certificate = context.keys.party_certificate(message.originator, "DS")
        return certificate is not None and verify_signature(message, read_certificate(certificate).public_key)
    if message.recipient != ACCESS_CONTROL_BROKER:
        return True
    device_key = context.keys.device_key_agreement(message.originator)
    return device_key is not None and verify_mac(message, context.keys.acb_key_agreement(), device_key)
