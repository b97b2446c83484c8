"""8.12: a replaced hub's device logs go onto the one in its place (source: reference duis/duis.md 7.6 and section 4; gbcs.md 8).

The DCC keeps copies of the logs, as hubs report them. A hub that has reported nothing since the world began reported when it was
installed; that copy is what its log is now.
"""

from collections.abc import Mapping

from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.vocabulary import DeviceStatus, DeviceType
from emulator.dsp.context import Context
from emulator.dsp.gate import Case
from emulator.dsp.inventory import date_of, recorded, set_status
from emulator.dsp.jobs import hub_lost
from emulator.dsp.registration import METERS, other_parties, responsible_suppliers
from emulator.dsp.state import DeviceLogCopy, InventoryEntry, Transaction
from emulator.dsp.transactions import names
from emulator.duis.messages import Element, element

RESTORES: Mapping[str, tuple[str, DeviceType]] = {
    "8.12.1": ("OldCHFID", DeviceType.CHF),
    "8.12.2": ("OldGPFID", DeviceType.GPF),
}
"""Element that names what was replaced, and its type, by Service Reference Variant."""

_CHECKS: Mapping[DeviceType, tuple[str, str, str]] = {
    DeviceType.CHF: ("restore_hub_unknown", "restore_hub_status", "restore_hub_log"),
    DeviceType.GPF: ("restore_gpf_unknown", "restore_gpf_status", "restore_gpf_log"),
}
"""Checks by that type."""


def check(context: Context, case: Case) -> Refusal | None:
    """What 8.12.x asks of the replaced device (duis.md 3.4, low)."""
    field, kind = RESTORES[case.row.srv]
    unknown, status, log = _CHECKS[kind]
    eui = parse_eui(case.request.body.required(field))
    old = context.state.inventory.get(eui)

    def refuse(check: str, detail: str) -> Refusal:
        return Refusal(context.codes.code(check, "8.12"), detail, where=check)

    if old is None or old.device_type is not kind:
        return refuse(unknown, f"{field} {format_eui(eui)} is no {kind} of the inventory")
    if old.status in (DeviceStatus.PENDING, DeviceStatus.WHITELISTED) or eui == case.target.eui:
        return refuse(status, f"{format_eui(eui)} is {old.status}" if eui != case.target.eui else "it cannot replace itself")
    at_hand = log_of(context, eui) if kind is DeviceType.CHF else context.csp.premises.joined_with(eui)
    return None if at_hand else refuse(log, f"no device log of {format_eui(eui)} is at hand")


def parameters(context: Context, case: Case) -> dict[str, object]:
    """What the Command says and the request does not: the log."""
    field, kind = RESTORES[case.row.srv]
    old = parse_eui(case.request.body.required(field))
    if kind is DeviceType.GPF:
        listed = context.csp.premises.joined_with(old)
        return {"devices": [{"device": format_eui(Eui64(eui)), "device_type": code} for eui, code in listed]}
    log = log_of(context, old)
    if log is None:
        return {}
    devices = [{"device": format_eui(eui), "link_key_hash": key_hash} for eui, key_hash in log.devices]
    return {"han_id": log.han_id, "devices": devices}


def log_of(context: Context, hub: Eui64) -> DeviceLogCopy | None:
    """The copy of a hub's device log; None when there is no such hub."""
    known = context.state.device_logs.get(hub)
    if known is not None:
        return known
    found = context.csp.premises.device_log(hub)
    if found is None:
        return None
    han_id, devices = found
    return DeviceLogCopy(han_id.hex(), tuple((Eui64(eui), key_hash.hex()) for eui, key_hash in devices))


def keep_log(context: Context, hub: Eui64, result: Mapping[str, object]) -> None:
    """A hub reported its device log (8F12): the copy is this. Raise :class:`Malformed` where it cannot be read."""
    han_id, devices = result.get("han_id"), result.get("devices")
    if not isinstance(han_id, str) or not isinstance(devices, list | tuple):
        raise Malformed("a device log without its HAN", where="GBCS content")
    listed = tuple((Eui64(each["device"]), str(each["link_key_hash"])) for each in devices if isinstance(each, dict))
    context.state.device_logs[hub] = DeviceLogCopy(han_id, listed)


def hub_restored(context: Context, transaction: Transaction, hub: InventoryEntry, result: Mapping[str, object]) -> None:
    """8.12.1 was answered: the devices of the log are on this hub now, and the other suppliers hear N30."""
    old = context.state.inventory.get(parse_eui(transaction.asked.required("OldCHFID")))
    log = None if old is None else log_of(context, old.eui)
    if not result.get("ok") or old is None or log is None:
        return
    request_id, variant = names(transaction)
    for eui, _ in log.devices:
        entry = context.state.inventory.get(eui)
        if entry is not None and entry.hub == old.eui:
            hub_lost(context, entry, old.eui)
            with recorded(context, eui, request_id, variant), context.lookup.changing(entry):
                entry.hub = hub.eui
    _tell(context, transaction, "hub_log_restored", "CHFDeviceLog", old, hub)


def gpf_restored(context: Context, transaction: Transaction, gpf: InventoryEntry, result: Mapping[str, object]) -> None:
    """8.12.2 was answered: this Gas Proxy Function knows whom the replaced one knew, and the other suppliers hear N31."""
    old = context.state.inventory.get(parse_eui(transaction.asked.required("OldGPFID")))
    if not result.get("ok") or old is None:
        return
    request_id, variant = names(transaction)
    for eui in old.joined_to:
        other = context.state.inventory.get(eui)
        if other is None:
            continue
        with recorded(context, gpf.eui, request_id, variant), recorded(context, eui, request_id, variant):
            other.joined_to = tuple(dict.fromkeys(gpf.eui if each == old.eui else each for each in other.joined_to))
            gpf.joined_to = tuple(dict.fromkeys((*gpf.joined_to, eui)))
            meter_ready = other.device_type in METERS and other.status is DeviceStatus.COMMISSIONED
            if meter_ready and gpf.status is DeviceStatus.INSTALLED_NOT_COMMISSIONED:
                set_status(context, gpf, DeviceStatus.COMMISSIONED)
    with recorded(context, old.eui, request_id, variant):
        old.joined_to = ()
    _tell(context, transaction, "gpf_log_restored", "GPFDeviceLog", old, gpf)


def _tell(context: Context, transaction: Transaction, purpose: str, name: str, old: InventoryEntry, new: InventoryEntry) -> None:
    """DeviceLogRestored (N30, N31; medium)."""
    named: list[Element] = []
    for kind in (DeviceType.CHF, DeviceType.GPF):
        for age, entry in (("Old", old), ("New", new)):
            found = next((each for each in context.lookup.on_hub(entry.hub) if each.device_type is kind), None)
            if found is None:
                return
            named.append(element(f"{age}{kind}DeviceID", format_eui(found.eui)))
    body = element("DeviceLogRestored", element("RestoredDate", date_of(context.now_ms)), element(name, *named))
    others = other_parties(context, responsible_suppliers(context, new, context.now_ms), transaction.user)
    context.dcc_alert(others, purpose, body, device=new.eui, request_id=names(transaction)[0])
