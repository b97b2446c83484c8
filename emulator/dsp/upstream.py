"""What comes up from the homes: Responses, device alerts, and alerts addressed to the DCC that become DCC Alerts.

Devices are peers: whatever they send is read before anything is changed, and what cannot be read is noted and dropped.
"""

from collections.abc import Callable, Mapping

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui
from emulator.domain.vocabulary import DeviceType, FirmwareTransferCode
from emulator.dsp import credentials, dated, dual_band, lifecycle, restoring
from emulator.dsp.context import Context
from emulator.dsp.inventory import REPORTED, recorded
from emulator.dsp.jobs import advance_job, job_of, job_reported
from emulator.dsp.registration import responsible_suppliers
from emulator.dsp.state import InventoryEntry, Job, Transaction, TransactionState
from emulator.dsp.transactions import answer_with, close, names
from emulator.dsp.versions import version_activated, version_read
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import element
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.results import read_result

FIRMWARE_TRANSFER = 0x0128
PPMID_ACTIVATION = 0x012B
DEVICE_LOG_CHANGED = 0x0018
"""Message codes (ota.md section 4; gbcs.md section 8)."""

FIRMWARE_VERIFIED = 0x8F72
FIRMWARE_NOT_VERIFIED = 0x8F1C
"""Alert codes of the receipt of an image (ota.md section 4)."""

Result = Mapping[str, object]


def receive(context: Context, octets: bytes) -> None:
    """Take one GBCS message from a hub."""
    try:
        message = decode_message(octets)
    except Malformed as error:
        context.journal("dropped", f"a message that cannot be read: {error}", data={"gbcs": octets.hex()})
        return
    device = context.state.inventory.get(message.originator)
    if device is None:
        _drop(context, message.originator, f"message of {format_eui(message.originator)}, which is not in the inventory", octets)
        return
    result = _result(message)
    lifecycle.heard_from(context, device)
    try:
        if message.cra is Cra.RESPONSE:
            _response(context, device, message, octets, result)
        elif message.cra is Cra.ALERT:
            _alert(context, device, message, octets, result)
        else:
            _drop(context, device.eui, f"a Command, {message.message_code:04X}, from a device", octets)
    except Malformed as error:
        _drop(context, device.eui, f"{message.message_code:04X} says what it should not: {error}", octets)


def _result(message: GbcsMessage) -> Result:
    try:
        return read_result(message)
    except Malformed as error:
        # What only the recipient can read (encrypted or new to us) is passed on all the same.
        return {"unreadable": str(error)}


def _drop(context: Context, device: int, why: str, octets: bytes) -> None:
    context.journal("dropped", why, device=device, data={"gbcs": octets.hex()})


def _number(result: Result, name: str) -> int:
    value = result.get(name)
    if not isinstance(value, int):
        raise Malformed(f"{name} is not a number", where="GBCS content", expected=f"a number, not {value!r}")
    return value


def _text(result: Result, name: str) -> str:
    value = result.get(name)
    if not isinstance(value, str):
        raise Malformed(f"{name} is missing", where="GBCS content", expected=f"octets, not {value!r}")
    return value


def _time(result: Result) -> str:
    """When an alert was made, as DUIS writes it."""
    try:
        return format_datetime(_number(result, "time_ms"))
    except OverflowError:
        raise Malformed("the time is beyond the year 9999", where="GBCS content") from None


# Responses


def _response(context: Context, device: InventoryEntry, message: GbcsMessage, octets: bytes, result: Result) -> None:
    transaction = asked_for(context, message)
    if transaction is None:
        _drop(context, device.eui, f"Response {message.message_code:04X} that nobody waits for", octets)
        return
    late = transaction.state is TransactionState.FAILED and context.settings.late_responses == "deliver"
    # What a device that was reached locally answers later, such as the outcome of an activation, comes over the WAN.
    if transaction.state not in (TransactionState.SENT, TransactionState.HANDED_OUT) and not late:
        _drop(context, device.eui, f"Response {message.message_code:04X} to a request that is {transaction.state}", octets)
        return
    close(context, transaction, TransactionState.ANSWERED)
    context.journal(
        "gbcs.response",
        f"{message.message_code:04X} from {device.device_type} {format_eui(device.eui)}",
        request_id=str(transaction.request.request_id),
        device=device.eui,
        data={"gbcs": octets.hex()},
    )
    answer_with(context, transaction, octets)
    _follow(context, transaction, device, result)


def asked_for(context: Context, message: GbcsMessage) -> Transaction | None:
    """The transaction whose Command a Response answers."""
    key = context.state.commands.get((message.originator, message.message_code, message.recipient, message.counter))
    return None if key is None else context.state.transactions[key]


def returned(context: Context, transaction: Transaction, message: GbcsMessage, octets: bytes) -> None:
    """The Response to a Command that was delivered locally came back by 8.13: it counts as one that came over the WAN, but for
    the message to the user, who has it. Raise :class:`Malformed` where it says what it should not."""
    device, result = context.state.inventory[transaction.device], _result(message)
    lifecycle.heard_from(context, device)
    done = transaction.state is TransactionState.ANSWERED
    summary = f"{message.message_code:04X} from {device.device_type} {format_eui(device.eui)}, returned by its user"
    context.journal(
        "gbcs.response",
        f"{summary}; it was known" if done else summary,
        request_id=str(transaction.request.request_id),
        device=device.eui,
        data={"gbcs": octets.hex()},
    )
    if done:
        return
    close(context, transaction, TransactionState.ANSWERED)
    if context.settings.forward_local_response:
        answer_with(context, transaction, octets)
    _follow(context, transaction, device, result)


def _follow(context: Context, transaction: Transaction, device: InventoryEntry, result: Result) -> None:
    """What the Response changes at the DSP."""
    transaction.succeeded = bool(result.get("ok", True))
    outcome = _OUTCOMES.get(transaction.request.service_reference_variant)
    if outcome is not None:
        outcome(context, transaction, device, result)
    if dated.is_dated_by_device(transaction):
        executed = isinstance(result.get("outcome"), Mapping) or "activate_image_code" in result
        dated.accepted(context, transaction, executed)


def _version_read(context: Context, transaction: Transaction, device: InventoryEntry, result: Result) -> None:
    if result.get("ok"):
        with recorded(context, device.eui, *names(transaction)):
            version_read(context, device, _text(result, "firmware_version"))


def _activation_answered(context: Context, transaction: Transaction, device: InventoryEntry, result: Result) -> None:
    if "activate_image_code" in result:
        _activated(context, device, result, transaction, "response")


def _activated(context: Context, device: InventoryEntry, result: Result, transaction: Transaction | None, by: str) -> None:
    """CS06 was executed, says a ``response`` or ``alert``: the job whose image it named is activated, or keeps its state and the
    reason (ota.md 11.2)."""
    code = _number(result, "activate_image_code")
    image_hash = (transaction.asked.value("FirmwareHash") or "").lower() if transaction is not None else ""
    named = job_of(context, device.eui, image_hash=image_hash) if image_hash else None
    if code == 0:
        version = _text(result, "firmware_version")
        job = named or job_of(context, device.eui, file_version=version)
        if job is not None:
            advance_job(context, job, "activated", f"runs {version}")
        with recorded(context, device.eui, *(names(transaction) if transaction is not None else ())):
            version_activated(context, device, version, by=by)
        return
    job = named or job_of(context, device.eui)
    if job is not None:
        job.reason = f"activation refused with code {code}"
        context.journal("job", f"{format_eui(device.eui)}: {job.reason}", device=device.eui, data={"state": job.state})


_OUTCOMES: Mapping[str, Callable[[Context, Transaction, InventoryEntry, Result], None]] = {
    "6.15.1": credentials.answered,
    "6.15.2": credentials.device_certificate_answered,
    "6.21": credentials.answered,
    "6.23": credentials.answered,
    "11.2": _version_read,
    "11.3": _activation_answered,
    "8.1.1": lifecycle.clock_synchronised,
    "8.7.1": lifecycle.joined,
    "8.7.2": lifecycle.joined,
    "8.8.1": lifecycle.unjoined,
    "8.8.2": lifecycle.unjoined,
    "8.11": lifecycle.device_log_answered,
    "8.12.1": restoring.hub_restored,
    "8.12.2": restoring.gpf_restored,
}
"""What a Response changes at the DSP, by Service Reference Variant; all others only go to the user."""


# Alerts


def _alert(context: Context, device: InventoryEntry, message: GbcsMessage, octets: bytes, result: Result) -> None:
    code = result.get("alert_code")
    context.journal(
        "gbcs.alert",
        f"{message.message_code:04X}"
        + (f" {code:04X}" if isinstance(code, int) else "")
        + f" from {device.device_type} {format_eui(device.eui)}",
        device=device.eui,
        data={"gbcs": octets.hex()},
    )
    if device.status in lifecycle.OUT_OF_SERVICE:
        _drop(context, device.eui, f"unsolicited alert of a device that is {device.status} (F43)", octets)
    elif message.recipient == ACCESS_CONTROL_BROKER:
        convert = _FOR_DCC.get(message.message_code)
        if convert is not None:
            convert(context, device, result)
    elif message.message_code in credentials.DATED_ALERTS and credentials.executed(context, device, message, octets, result):
        pass
    elif message.recipient not in context.state.users:
        _drop(context, device.eui, f"alert for {format_eui(message.recipient)}, who is not a user", octets)
    elif message.message_code in dated.OUTCOMES:
        transaction = dated.report(context, device, message, octets, result, _number(result, "alert_code"))
        if message.message_code == dated.OUTCOME_OF_FIRMWARE:
            _activated(context, device, result, transaction, "alert")
    else:
        if code in (FIRMWARE_VERIFIED, FIRMWARE_NOT_VERIFIED):
            job = _receipt(context, device, code == FIRMWARE_VERIFIED, result)
            _copy_for_agent(context, device, job, message, octets)
        context.device_alert(message.recipient, device.eui, message.counter, _number(result, "alert_code"), octets)


def _receipt(context: Context, device: InventoryEntry, good: bool, result: Result) -> Job | None:
    """A device checked the image with this hash."""
    image_hash, event = result.get("hash"), "verified" if good else "verify_failed"
    job = job_reported(context, device.eui, event, image_hash=image_hash) if isinstance(image_hash, str) else None
    if job is not None:
        advance_job(context, job, event)
    return job


def _copy_for_agent(context: Context, device: InventoryEntry, job: Job | None, message: GbcsMessage, octets: bytes) -> None:
    """The agent that sent the image gets a copy of its receipt where the policy says so; the device addressed the supplier."""
    if job is None or not context.settings.rsa_alert_copy:
        return
    request = context.state.firmware_requests[job.request]
    if request.by_agent and request.user != message.recipient:
        code = _number(read_result(message), "alert_code")
        context.device_alert(request.user, device.eui, message.counter, code, octets)


# Alerts for the DCC


def _firmware_transfer(context: Context, hub: InventoryEntry, result: Result) -> None:
    """CCS08 becomes CommsHubAlert (duis.md 6.4; ota.md C5)."""
    eui, version, time = Eui64(_number(result, "device")), _text(result, "firmware_version"), _time(result)
    alert_code, number = _number(result, "alert_code"), _number(result, "transfer_code")
    if number not in list(FirmwareTransferCode):
        raise Malformed(f"transfer code {number}", where="CCS08", expected="0 to 3")
    code, device = FirmwareTransferCode(number), context.state.inventory.get(eui)
    if device is None or device.hub != hub.eui or device.status in lifecycle.OUT_OF_SERVICE:
        context.journal("dropped", f"report on {format_eui(eui)}, which left the hub or service (F43)", device=hub.eui)
        return
    succeeded = code is FirmwareTransferCode.FileTransferSuccess
    event = "transferred" if succeeded else "transfer_failed"
    job = job_reported(context, device.eui, event, file_version=version)
    request = context.state.firmware_requests[job.request] if job is not None else None
    body = element(
        "CommsHubAlert",
        element("CommsHubDeviceID", format_eui(hub.eui)),
        element("AlertCode", f"{alert_code:04X}"),
        element("TimeStamp", time),
        element(
            "FirmwareTransferAlert",
            element("UpdateFirmwareRequestID", request.request_id) if request else None,
            element("OtherDeviceID", format_eui(device.eui)),
            element("FirmwareVersion", version),
            element("TransferResponseCode", code.name),
        ),
    )
    users = set(responsible_suppliers(context, device, context.now_ms))
    if request is not None and context.settings.comms_hub_alert_to_requester:
        users.add(request.user)
    context.dcc_alert(users, "comms_hub_firmware_transfer", body, device=device.eui)
    if job is not None:
        advance_job(context, job, event, "" if succeeded else code.name)


def _ppmid_activation(context: Context, device: InventoryEntry, result: Result) -> None:
    """CS09 becomes PPMIDAlert for the responsible suppliers (duis.md 6.4; ota.md C7; access.md 9)."""
    version, time = _text(result, "firmware_version"), _time(result)
    alert_code, succeeded = _number(result, "alert_code"), _number(result, "activate_code") == 0
    if device.device_type is not DeviceType.PPMID:
        raise Malformed(f"CS09 of a {device.device_type}", where="CS09", expected="a PPMID")
    body = element(
        "PPMIDAlert",
        element("DeviceID", format_eui(device.eui)),
        element("DeviceAlertCode", f"{alert_code:04X}"),
        element("Timestamp", time),
        element(
            "PPMIDFirmwareUpgradeAlert",
            element("FirmwareVersion", version),
            element("ActivateImageResultCode", "ActivationSuccess" if succeeded else "ActivationFailure"),
        ),
    )
    context.dcc_alert(responsible_suppliers(context, device, context.now_ms), "ppmid_alert", body, device=device.eui)
    job: Job | None = job_of(context, device.eui, file_version=version if succeeded else "")
    if job is not None:
        advance_job(context, job, "activated" if succeeded else "activate_failed")
    if succeeded:
        # What a request for a list of devices brought follows from that request's record and from the device: see audit.py.
        with recorded(context, device.eui, unless=REPORTED if job is not None else ()):
            version_activated(context, device, version, by="alert")


_FOR_DCC: Mapping[int, Callable[[Context, InventoryEntry, Result], None]] = {
    FIRMWARE_TRANSFER: _firmware_transfer,
    PPMID_ACTIVATION: _ppmid_activation,
    DEVICE_LOG_CHANGED: lifecycle.device_log_changed,
    **dict.fromkeys(dual_band.EVENTS, dual_band.report),
}
"""What an alert addressed to the DCC becomes, by message code; others are kept in the journal."""
