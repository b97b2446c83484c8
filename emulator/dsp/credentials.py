"""What becomes of replaced certificates at the DSP: the inventory follows the devices, and those whom it concerns are told.

Source: duis.md 1.8 and section 4 (N26, N27, N42), access.md 5. A device says in its Response, or at a date in an alert, which
certificates it replaced; the DSP believes that and nothing else.
"""

import base64
import hashlib
from collections.abc import Mapping

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.dsp.context import Context
from emulator.dsp.credential_checks import decoded, offered
from emulator.dsp.dated import ACTIVATE_FIRMWARE, CREDENTIAL_UPDATES, end
from emulator.dsp.inventory import recorded
from emulator.dsp.registration import SUPPLIERS
from emulator.dsp.state import InventoryEntry, Transaction, TransactionState
from emulator.dsp.transactions import answer, close, command_failure, names, release
from emulator.duis.messages import element
from emulator.gbcs.message import GbcsMessage
from emulator.pki.certificates import read_certificate

CHANGE_OF_SUPPLIER = "6.23"

DATED_ALERTS = (0x00CB, 0x0124)
"""Message codes of the outcome at a date (message_codes.csv)."""

_COMMANDS: Mapping[int, int] = {2: 0x0102, 3: 0x0103, 4: 0x0104, 7: 0x0107, 10: 0x0125, 11: 0x0126}
"""Message code of the Command by the mode that its outcome names (gbcs.md 8)."""

_ROLE_NAMES: Mapping[int, str] = {
    RemotePartyRole.SUPPLIER: "Supplier",
    RemotePartyRole.NETWORK_OPERATOR: "NetworkOperator",
    RemotePartyRole.ACCESS_CONTROL_BROKER: "ACB",
    RemotePartyRole.LOAD_CONTROLLER: "LoadController",
}
"""Roles in the words of DUIS."""

_CERTIFICATE_TYPES = {("0780", None): "DigitalSigning", ("0308", None): "KeyAgreement", ("0308", 1): "KeyAgreementTopUp"}
"""Words of DUIS by key usage and cell usage."""

Result = Mapping[str, object]


def answered(context: Context, transaction: Transaction, device: InventoryEntry, result: Result) -> None:
    """CS02b or CS02g was answered: what was replaced at once is in the answer; what is dated is reported at its date."""
    if "unreadable" in result:
        return
    outcome = result.get("outcome")
    if isinstance(outcome, Mapping):
        _follow(context, transaction, device, outcome)


def executed(context: Context, device: InventoryEntry, message: GbcsMessage, octets: bytes, result: Result) -> bool:
    """A dated replacement was carried out: a ResponseMessage for its request (duis.md 1.8, certain). False when nobody waits."""
    outcome = result.get("outcome")
    if not isinstance(outcome, Mapping):
        raise Malformed("an alert about certificates without an outcome", where="GBCS content")
    code, counter, mode = result["alert_code"], outcome["counter"], outcome["mode"]
    assert isinstance(mode, int)
    key = context.state.commands.get((device.eui, _COMMANDS.get(mode, 0), message.recipient, counter))
    transaction = None if key is None else context.state.transactions[key]
    if transaction is None:
        return False
    if transaction.state is TransactionState.SENT:  # the Response that took the date was lost on its way
        close(context, transaction, TransactionState.ANSWERED)
    else:
        end(context, transaction, TransactionState.ANSWERED)
    payload = element(
        "FutureDatedDeviceAlertMessage",
        element("FutureDatedAlertCode", f"{code:04X}"),
        element("GBCSPayload", base64.b64encode(octets).decode()),
        element("InstructionNumber", "1"),
        element("TotalCommandInstructions", "1"),
    )
    answer(context, transaction, context.codes.code("done"), payload)
    _follow(context, transaction, device, outcome)
    return True


def device_certificate_answered(context: Context, transaction: Transaction, device: InventoryEntry, result: Result) -> None:
    """CS02d was answered: where the device took its new certificate, it is the one that the DSP uses from now on."""
    if not result.get("ok"):
        return
    record = read_certificate(decoded(transaction.asked.required("DeviceCertificate")))
    context.state.device_certificates[device.eui, str(record.usage)] = record.der
    context.keys.take_device_certificate(record.der)
    context.journal("credentials", f"{format_eui(device.eui)} uses another {record.usage} certificate", device=device.eui)


def refused_when_due(context: Context, transaction: Transaction) -> None:
    """A 6.23 that was held did not pass the checks of the change of supplier party at its time: N26 (medium)."""
    if transaction.request.service_reference_variant != CHANGE_OF_SUPPLIER:
        return
    request_id, _ = names(transaction)
    body = element("ChangeOfSupplier", element("ChangeOfSupplierServiceRequestID", request_id))
    context.dcc_alert([transaction.user], "change_of_supplier_refused", body, device=transaction.device, request_id=request_id)


def _follow(context: Context, transaction: Transaction, device: InventoryEntry, outcome: Result) -> None:
    """What the device says that it replaced."""
    replaced = outcome["replaced"]
    assert isinstance(replaced, list)
    owners = {each.record.eui for each in offered(transaction.asked)}
    # A device can only have put in place what it was given.
    done = [each for each in replaced if each["result"] == 0 and each["party_after"] in owners]
    losing = device.supplier
    with recorded(context, device.eui, *names(transaction)):
        for each in done:
            target, party = each["target"], Eui64(each["party_after"])
            if target["usage"].hex() != "0780":
                continue
            if target["role"] == RemotePartyRole.SUPPLIER:
                device.supplier = party
            elif target["role"] == RemotePartyRole.NETWORK_OPERATOR:
                device.network_operator = party
    if losing is not None and device.supplier != losing:
        _supplier_lost(context, transaction, device, losing)
    for role in dict.fromkeys(each["target"]["role"] for each in done):
        _tell_updated(context, transaction, device, role, [each for each in done if each["target"]["role"] == role], outcome)


def _supplier_lost(context: Context, transaction: Transaction, device: InventoryEntry, losing: Eui64) -> None:
    """The losing supplier hears N27, and nothing that it asked for ahead is carried out any more (access.md 5; N10 low)."""
    meter_mpxn = transaction.asked.value("ImportMPxN") or device.import_mpxn
    change = element(
        "DeviceChangeOfSupplier",
        element("DeviceID", format_eui(device.eui)),
        element("DeviceType", device.device_type),
        element(
            "MPxNs",
            element("ImportMPxN", meter_mpxn),
            element("SecondaryImportMPAN", device.secondary_import_mpan) if device.secondary_import_mpan else None,
            element("ExportMPAN", device.export_mpan) if device.export_mpan else None,
        ),
    )
    if losing in context.state.users and meter_mpxn:
        body = element("ChangeOfSupplier", change)
        context.dcc_alert([losing], "change_of_supplier_completed", body, device=device.eui)
    for held in context.lookup.held(device.eui):
        if held.user == losing and held.role in SUPPLIERS:
            release(context, held, TransactionState.CANCELLED)
            command_failure(context, held, "held_request_dropped_change_of_supplier")
    for dated in _dated_by(context, device, losing):
        end(context, dated, TransactionState.CANCELLED)
        command_failure(context, dated, "held_request_dropped_change_of_supplier")


def _dated_by(context: Context, device: InventoryEntry, user: Eui64) -> list[Transaction]:
    """The requests of a user that the device held for their dates, and holds no longer."""
    forgotten = (ACTIVATE_FIRMWARE, *CREDENTIAL_UPDATES)
    found = context.lookup.dated(device.eui)
    return [transaction for transaction in found if transaction.user == user and transaction.message_code in forgotten]


def _tell_updated(
    context: Context,
    transaction: Transaction,
    device: InventoryEntry,
    role: int,
    done: list[Mapping[str, object]],
    outcome: Result,
) -> None:
    """SecurityCredentialsUpdated to the parties concerned; to who asked only where the setting says so (N42, medium)."""
    concerned = {device.supplier, device.network_operator, *(each["party_after"] for each in done)}
    if not context.settings.credentials_alert_to_requester:
        concerned.discard(transaction.user)
    users = [user for user in context.state.users if user in concerned]
    hashes = {each.kind: hashlib.sha1(each.record.der, usedforsecurity=False).digest() for each in offered(transaction.asked)}
    kinds = [_CERTIFICATE_TYPES.get(_usage(each), "") for each in done]
    if not users or role not in _ROLE_NAMES or not all(kind in hashes for kind in kinds):
        return
    floors = outcome["floors"]
    assert isinstance(floors, list)
    floor = next((each for each in floors if each["role"] == role), None)
    body = element(
        "SecurityCredentialsUpdated",
        element("DeviceID", format_eui(device.eui)),
        element("RemotePartyRole", _ROLE_NAMES[role]),
        None
        if floor is None
        else element(
            "RemotePartySeqNumberChange",
            element("RemotePartyFloorSeqNumber", str(floor["floor"])),
            *(element("RemotePartyPrepaymentTopUpFloorSeqNumber", str(each["floor"])) for each in floor["top_up_floors"] or ()),
        ),
        *(
            element(
                "Certificates",
                element("CertificateType", kind),
                element("CertificateHash", base64.b64encode(hashes[kind]).decode()),
            )
            for kind in kinds
        ),
    )
    context.dcc_alert(users, "security_credentials_updated", body, device=device.eui, request_id=names(transaction)[0])


def _usage(replaced: Mapping[str, object]) -> tuple[str, int | None]:
    target = replaced["target"]
    assert isinstance(target, Mapping)
    return target["usage"].hex(), target["cell"]
