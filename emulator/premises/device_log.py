"""The CHF device log: which devices may be on the HAN, how they join, and the hub's alerts about it (duis.md 7.6)."""

import hashlib

from emulator.domain.identifiers import Eui64, eui_bytes, format_eui
from emulator.gbcs import dlms
from emulator.gbcs.dlms import AccessResult, Data, Operation
from emulator.gbcs.times import cosem
from emulator.premises.context import Context
from emulator.premises.fitting import move
from emulator.premises.readings import members
from emulator.premises.sending import send_alert
from emulator.premises.state import DeviceState, HubState, LogEntry

CURRENT, HISTORIC = "104 0-0:30.3.0.255", "104 0-0:30.3.1.255"
"""The device log and the one before the last restore (usecase_spec.json CCS07, proven)."""

LOG_CHANGED = 0x8F12
"""Alert code of CS14 (gbcs.md 8, proven)."""

NO_ROOM = 0x8F2D
"""A dual-band hub has no room for one more device (DBCH11)."""

_SUCCESS, _NOT_THERE, _FULL = 0, 1, 250


def add(context: Context, device: DeviceState, data: Data, now_ms: int) -> AccessResult:
    """CCS01: put a device on the whitelist; it joins when joining is opened."""
    home = context.hub_of(device)
    other = int.from_bytes(members(data, 4)[0].octets, "big")
    if entry_of(home, other) is None:
        if len(home.device_log) >= context.settings.device_log_entries:
            if context.rows.hub_dual_band(home.eui):
                context.log_event(device, NO_ROOM, now_ms)
                send_alert(context, device, NO_ROOM, now_ms, {"device": other})
            return AccessResult(Operation.ACTION, _FULL)
        home.device_log.append(LogEntry(other, 0))
    return AccessResult(Operation.ACTION, _SUCCESS)


def set_join_period(context: Context, device: DeviceState, data: Data, now_ms: int) -> AccessResult:
    """CCS01: how long the devices just added may join, in seconds."""
    context.hub_of(device).join_period_s = data.number
    return AccessResult(Operation.SET, _SUCCESS)


def open_joining(context: Context, device: DeviceState, data: Data, now_ms: int) -> AccessResult:
    """CCS01: let whitelisted devices join from now on, for the join period."""
    home = context.hub_of(device)
    for entry in home.device_log:
        if data.number and not entry.joined:
            entry.join_until_ms = now_ms + home.join_period_s * 1_000
            context.agenda.schedule(now_ms + context.settings.join_ms, "hub.join", home.eui, entry.device)
    return AccessResult(Operation.SET, _SUCCESS)


def try_to_join(context: Context, home: HubState, eui: int, now_ms: int) -> None:
    """A whitelisted device joins the HAN if it is there, powered and in time."""
    entry, device = entry_of(home, eui), context.state.devices.get(Eui64(eui))
    if entry is None or entry.joined or device is None or device.hub != home.eui:
        return
    there = context.rows.powered(eui) and context.rows.hub_powered(home.eui) and not context.rows.dead(eui)
    if not there or now_ms > entry.join_until_ms or context.faults.find("hub.refuses_joins", home.eui, now_ms) is not None:
        return
    entry.joined, entry.last_communication_ms = True, now_ms
    context.rows.join(eui)
    context.note(device, f"joins the HAN of {format_eui(home.eui)}")
    report(context, home, now_ms)


def remove(context: Context, device: DeviceState, data: Data, now_ms: int) -> AccessResult:
    """CCS02: take a device off the whitelist and the HAN."""
    home = context.hub_of(device)
    entry = entry_of(home, int.from_bytes(data.octets, "big"))
    if entry is None:
        return AccessResult(Operation.ACTION, _NOT_THERE)
    home.device_log.remove(entry)
    gone = context.state.devices.get(entry.device)
    if gone is not None:
        context.rows.leave(gone.eui)
        gone.waiting.clear()
        context.note(gone, f"leaves the HAN of {format_eui(home.eui)}")
    report(context, home, now_ms)
    return AccessResult(Operation.ACTION, _SUCCESS)


def restore(context: Context, device: DeviceState, data: Data, now_ms: int) -> AccessResult:
    """CCS03: go on with the HAN of the hub that this one replaces: its id, its log, and those of its devices that are there."""
    home = context.hub_of(device)
    han_id, listed = members(data, 2)
    home.historic_log, home.device_log, home.han_id = home.device_log, [], han_id.octets
    for each in listed.items:
        eui = int.from_bytes(members(each, 2)[0].octets, "big")
        home.device_log.append(LogEntry(eui, 0, _comes_along(context, home, eui, now_ms)))
    report(context, home, now_ms)
    return AccessResult(Operation.ACTION, _SUCCESS)


def _comes_along(context: Context, home: HubState, eui: int, now_ms: int) -> bool:
    """Whether a device of the log is on the HAN now: it was, or its hub is off and it is there with power."""
    device = context.state.devices.get(Eui64(eui))
    if device is None or device.hub == home.eui:
        return device is not None and any(entry.device == eui and entry.joined for entry in home.historic_log)
    there = context.rows.powered(eui) and not context.rows.dead(eui) and not context.rows.restarting(eui)
    if not there or context.rows.hub_powered(device.hub):
        return False
    if context.faults.find("hub.refuses_joins", home.eui, now_ms) is not None:
        return False
    move(context, device, home.eui, now_ms)
    return True


def report(context: Context, home: HubState, now_ms: int) -> None:
    """CS14 to the DCC: the whole log with the hashes of the link keys."""
    devices = [
        {"device": entry.device, "link_key_hash": _link_key_hash(context, entry.device)}
        for entry in home.device_log
        if entry.joined
    ]
    values = {"han_id": _han_id(context, home), "devices": devices}
    send_alert(context, context.state.devices[home.eui], LOG_CHANGED, now_ms, values)


def read_current(context: Context, device: DeviceState, data: Data, now_ms: int) -> AccessResult:
    """CCS07: the log with key hashes."""
    return _backup(context, device, context.hub_of(device).device_log, now_ms)


def read_historic(context: Context, device: DeviceState, data: Data, now_ms: int) -> AccessResult:
    """CCS07: the log before the last restore."""
    return _backup(context, device, context.hub_of(device).historic_log, now_ms)


def on_record(context: Context, home: HubState) -> tuple[bytes, list[tuple[int, bytes]]]:
    """HAN id, and devices with the hashes of their link keys, as an alert about the log would say now."""
    return _han_id(context, home), [(e.device, _link_key_hash(context, e.device)) for e in home.device_log if e.joined]


def entry_of(home: HubState, eui: int) -> LogEntry | None:
    """The log's entry for a device, or None."""
    return next((entry for entry in home.device_log if entry.device == eui), None)


def _backup(context: Context, device: DeviceState, entries: list[LogEntry], now_ms: int) -> AccessResult:
    listed = [
        dlms.structure(dlms.octets(eui_bytes(entry.device)), dlms.octets(_link_key_hash(context, entry.device)))
        for entry in entries
        if entry.joined
    ]
    time = dlms.octets(cosem(now_ms + device.clock_offset_ms))
    han_id = dlms.octets(_han_id(context, context.hub_of(device)))
    return AccessResult(Operation.ACTION, _SUCCESS, dlms.structure(time, han_id, dlms.array(*listed)))


def _han_id(context: Context, home: HubState) -> bytes:
    """The extended PAN id: 8 octets that follow from the seed, or those of the hub that this one replaced."""
    return home.han_id or hashlib.blake2b(f"{context.seed}/{home.eui}/han id".encode(), digest_size=8).digest()


def _link_key_hash(context: Context, device: int) -> bytes:
    """16 octets that stand for the hash of a device's link key; the key itself never leaves the HAN."""
    return hashlib.blake2b(f"{context.seed}/{device}/link key hash".encode(), digest_size=16).digest()
