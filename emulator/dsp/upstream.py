"""What comes up from the homes: Responses, device alerts, and alerts addressed to the DCC that become DCC Alerts."""

import base64
from collections.abc import Mapping

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui
from emulator.domain.vocabulary import DeviceType, FirmwareTransferCode
from emulator.dsp import commands, firmware, lifecycle
from emulator.dsp.context import Context
from emulator.dsp.gate import CANCELLATION_YEAR_MS
from emulator.dsp.inventory import suspend_or_restore
from emulator.dsp.registration import responsible_suppliers
from emulator.dsp.state import InventoryEntry, Transaction, TransactionState
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import element
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.results import read_result

FUTURE_DATED_ACTIVATION = 0x00CA
FIRMWARE_TRANSFER = 0x0128
PPMID_ACTIVATION = 0x012B
DEVICE_LOG_CHANGED = 0x0018
FIRMWARE_VERIFIED = 0x8F72
FIRMWARE_NOT_VERIFIED = 0x8F1C
FUTURE_DATED_DONE = 0x8F66


def receive(context: Context, octets: bytes) -> None:
    """Take one GBCS message from a hub."""
    message = decode_message(octets)
    device = context.state.inventory.get(message.originator)
    if device is None:
        context.journal(
            "dropped", f"message of {format_eui(message.originator)}, which is not in the inventory", data={"gbcs": octets.hex()}
        )
        return
    lifecycle.heard_from(context, device)
    try:
        result = read_result(message)
    except Malformed as error:
        # What only the recipient can read (encrypted or new to us) is passed on all the same.
        result = {"unreadable": str(error)}
    if message.cra is Cra.RESPONSE:
        _response(context, device, message, octets, result)
    else:
        _alert(context, device, message, octets, result)


def _number(result: Mapping[str, object], name: str) -> int:
    value = result.get(name)
    if not isinstance(value, int):
        raise Malformed(f"{name} is not a number in {dict(result)}", where="GBCS alert")
    return value


def _response(
    context: Context, device: InventoryEntry, message: GbcsMessage, octets: bytes, result: Mapping[str, object]
) -> None:
    key = context.state.awaiting_response.get((device.eui, message.message_code, message.recipient, message.counter))
    if key is None:
        summary = f"Response {message.message_code:04X} that nobody waits for"
        context.journal("dropped", summary, device=device.eui, data={"gbcs": octets.hex()})
        return
    transaction = context.state.transactions[key]
    commands.close(context, transaction, TransactionState.ANSWERED)
    request = transaction.request
    context.journal(
        "gbcs.response",
        f"{message.message_code:04X} from {device.device_type} {format_eui(device.eui)}",
        request_id=str(request.request_id),
        device=device.eui,
        data={"gbcs": octets.hex()},
    )
    references = (request.service_reference, request.service_reference_variant)
    payload = element("GBCSPayload", base64.b64encode(octets).decode())
    context.respond(transaction.user, device.eui, request.request_id, references, context.codes.code("done"), payload)
    outcome = _OUTCOMES.get(request.service_reference_variant)
    if outcome is not None:
        outcome(context, transaction, device, result)


def _version_read(context: Context, transaction: Transaction, device: InventoryEntry, result: Mapping[str, object]) -> None:
    version = result.get("firmware_version")
    if result.get("ok") and isinstance(version, str):
        firmware.version_proved(context, device, version, by_activation=False)
        suspend_or_restore(context, device)


def _activation_answered(
    context: Context, transaction: Transaction, device: InventoryEntry, result: Mapping[str, object]
) -> None:
    if "activate_image_code" in result:
        _activated(context, device, result)
        return
    # NULL: the device took the date, or the cancellation, and whatever it held before is replaced (gbcs.md 4).
    for key, other in list(context.state.dated.items()):
        if key[0] == device.eui:
            context.state.transactions[other].state = TransactionState.CANCELLED
            del context.state.dated[key]
    if transaction.due_ms is not None and transaction.due_ms < CANCELLATION_YEAR_MS:
        transaction.state = TransactionState.ACCEPTED_BY_DEVICE
        context.state.dated[(device.eui, transaction.counter)] = transaction.key


def _activated(context: Context, device: InventoryEntry, result: Mapping[str, object]) -> None:
    job = firmware.latest_job(context, device.eui)
    code, version = result["activate_image_code"], result.get("firmware_version")
    if code == 0 and isinstance(version, str):
        if job is not None and context.state.firmware_requests[job.request].firmware_version == version:
            firmware.advance_job(context, job, "activated", f"runs {version}")
        firmware.version_proved(context, device, version, by_activation=True)
        suspend_or_restore(context, device)
    elif job is not None:
        job.reason = f"activation refused with code {code}"


_OUTCOMES = {
    "11.2": _version_read,
    "11.3": _activation_answered,
    "8.1.1": lifecycle.clock_synchronised,
    "8.7.1": lifecycle.joined,
    "8.7.2": lifecycle.joined,
    "8.8.1": lifecycle.unjoined,
    "8.8.2": lifecycle.unjoined,
    "8.11": lifecycle.device_log_answered,
}
"""What a Response changes at the DSP, by Service Reference Variant; all others only go to the user."""


def _alert(context: Context, device: InventoryEntry, message: GbcsMessage, octets: bytes, result: Mapping[str, object]) -> None:
    code = result.get("alert_code")
    context.journal(
        "gbcs.alert",
        f"{message.message_code:04X}"
        + (f" {code:04X}" if isinstance(code, int) else "")
        + f" from {device.device_type} {format_eui(device.eui)}",
        device=device.eui,
        data={"gbcs": octets.hex()},
    )
    if message.recipient == ACCESS_CONTROL_BROKER:
        convert = _FOR_DCC.get(message.message_code)
        if convert is not None:
            convert(context, device, result)
        return
    if message.recipient not in context.state.users:
        context.journal("dropped", f"alert for {format_eui(message.recipient)}, who is not a user", device=device.eui)
        return
    if message.message_code == FUTURE_DATED_ACTIVATION and _future_dated(context, device, message, octets, result):
        return
    job = firmware.latest_job(context, device.eui)
    if job is not None and code in (FIRMWARE_VERIFIED, FIRMWARE_NOT_VERIFIED):
        firmware.advance_job(context, job, "verified" if code == FIRMWARE_VERIFIED else "verify_failed")
    if isinstance(code, int):
        context.device_alert(message.recipient, device.eui, message.counter, code, octets)


def _future_dated(
    context: Context, device: InventoryEntry, message: GbcsMessage, octets: bytes, result: Mapping[str, object]
) -> bool:
    """A dated command was executed: a ResponseMessage for the request it belongs to (duis.md 1.8, certain)."""
    counter = result.get("originator_counter")
    key = context.state.dated.pop((device.eui, counter), None) if isinstance(counter, int) else None
    if key is None:
        return False
    transaction = context.state.transactions[key]
    transaction.state = TransactionState.ANSWERED
    request = transaction.request
    code = result["alert_code"]
    payload = element(
        "FutureDatedDeviceAlertMessage",
        element("FutureDatedAlertCode", f"{code:04X}"),
        element("GBCSPayload", base64.b64encode(octets).decode()),
        element("InstructionNumber", "1"),
        element("TotalCommandInstructions", "1"),
    )
    references = (request.service_reference, request.service_reference_variant)
    context.respond(transaction.user, device.eui, request.request_id, references, context.codes.code("done"), payload)
    _activated(context, device, result)
    return True


def _firmware_transfer(context: Context, hub: InventoryEntry, result: Mapping[str, object]) -> None:
    """CCS08 becomes CommsHubAlert (duis.md 6.4; ota.md C5)."""
    device = context.state.inventory.get(Eui64(_number(result, "device")))
    if device is None:
        return
    code = FirmwareTransferCode(_number(result, "transfer_code"))
    job = firmware.latest_job(context, device.eui)
    request = context.state.firmware_requests[job.request] if job is not None else None
    body = element(
        "CommsHubAlert",
        element("CommsHubDeviceID", format_eui(hub.eui)),
        element("AlertCode", f"{result['alert_code']:04X}"),
        element("TimeStamp", format_datetime(_number(result, "time_ms"))),
        element(
            "FirmwareTransferAlert",
            element("UpdateFirmwareRequestID", request.request_id) if request else None,
            element("OtherDeviceID", format_eui(device.eui)),
            element("FirmwareVersion", str(result["firmware_version"])),
            element("TransferResponseCode", code.name),
        ),
    )
    users = set(responsible_suppliers(context.state, device, context.now_ms))
    if request is not None and context.settings.comms_hub_alert_to_requester:
        users.add(request.user)
    context.dcc_alert(sorted(users), "comms_hub_firmware_transfer", body, device=device.eui)
    if job is None:
        return
    succeeded = code is FirmwareTransferCode.FileTransferSuccess
    advanced = firmware.advance_job(
        context, job, "transferred" if succeeded else "transfer_failed", "" if succeeded else code.name
    )
    if advanced and device.device_type is DeviceType.PPMID and succeeded:
        context.agenda.schedule(context.now_ms + context.settings.ppmid_silence_ms, "dsp.silence", job.key, job.state)


def _ppmid_activation(context: Context, device: InventoryEntry, result: Mapping[str, object]) -> None:
    """CS09 becomes PPMIDAlert (duis.md 6.4; ota.md C7)."""
    succeeded, version = result["activate_code"] == 0, str(result["firmware_version"])
    body = element(
        "PPMIDAlert",
        element("DeviceID", format_eui(device.eui)),
        element("DeviceAlertCode", f"{result['alert_code']:04X}"),
        element("Timestamp", format_datetime(_number(result, "time_ms"))),
        element(
            "PPMIDFirmwareUpgradeAlert",
            element("FirmwareVersion", version),
            element("ActivateImageResultCode", "ActivationSuccess" if succeeded else "ActivationFailure"),
        ),
    )
    job = firmware.latest_job(context, device.eui)
    users = set(responsible_suppliers(context.state, device, context.now_ms))
    if job is not None:
        users.add(context.state.firmware_requests[job.request].user)
    context.dcc_alert(sorted(users), "ppmid_alert", body, device=device.eui)
    if job is not None:
        firmware.advance_job(context, job, "activated" if succeeded else "activate_failed")
    if succeeded:
        firmware.version_proved(context, device, version, by_activation=True)
        suspend_or_restore(context, device)


_FOR_DCC = {
    FIRMWARE_TRANSFER: _firmware_transfer,
    PPMID_ACTIVATION: _ppmid_activation,
    DEVICE_LOG_CHANGED: lifecycle.device_log_changed,
}
"""What an alert addressed to the DCC becomes, by message code; others are kept in the journal."""
