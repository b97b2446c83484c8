"""What a device or hub is and waits for, as JSON values (design point 10: every waiting thing can say what it waits for)."""

from dataclasses import asdict
from typing import Any

from emulator.domain.identifiers import format_eui
from emulator.domain.vocabulary import DeviceType
from emulator.premises import han, row_views, supply
from emulator.premises.context import Context
from emulator.premises.display import displayed
from emulator.premises.state import DeviceState, HubState
from emulator.premises.terms import terms_of

Waiting = dict[str, Any]

METERS = (DeviceType.ESME, DeviceType.GSME)
"""Devices that switch a supply."""


def describe(context: Context, device: DeviceState, now_ms: int) -> dict[str, Any]:
    """One device; a CHF with its hub."""
    pending, rows, eui = device.pending, context.rows, device.eui
    held = rows.held(eui)
    described: dict[str, Any] = {
        "eui": format_eui(device.eui),
        "device_type": device.device_type.value,
        "hub": format_eui(device.hub),
        "powered": rows.hub_powered(device.hub) if device.device_type in han.IN_HUB else rows.powered(eui),
        "on_han": rows.on_han(eui),
        "running_version": f"{rows.running_version(eui):08X}",
        "firmware": rows.firmware(eui),
        "loading": rows.loading(eui),
        "held_image": None
        if held is None
        else {"version": f"{held.file_version:08X}", "hash": held.manufacturer_image_hash.hex()},
        "pending_activation": None
        if pending is None
        else {
            "at_ms": pending.at_ms,
            "hash": pending.manufacturer_image_hash.hex(),
            "originator": format_eui(pending.originator),
            "counter": pending.counter,
        },
        "credentials": {str(role): format_eui(party) for role, party in sorted(device.credentials.items())},
        "changed_credentials": None if device.changed_credentials is None else asdict(device.changed_credentials),
        "joined_to": {format_eui(eui): kind.value for eui, kind in device.joined_to.items()},
        "clock": {"time_ms": now_ms + device.clock_offset_ms, "reliable": device.clock_reliable},
        "alert_counter": device.alert_counter,
        "events": [{"at_ms": at_ms, "code": f"{code:04X}"} for at_ms, code in device.events],
        "waiting_for": waits(context, device, now_ms),
    }
    if device.device_type in METERS:
        described["supply"] = supply.state_of(device)
        described["payment"] = "prepayment" if terms_of(device).prepayment else "credit"
    if shown := displayed(device):
        described["display"] = shown
    if device.eui == device.hub:
        described["image_store"] = _store(context, context.hub_of(device))
        described["device_log"] = [
            {
                "device": format_eui(entry.device),
                "joined": entry.joined,
                "join_until_ms": entry.join_until_ms or None,
                "last_communication_ms": entry.last_communication_ms or None,
            }
            for entry in context.hub_of(device).device_log
        ]
    return described


def waits(context: Context, device: DeviceState, now_ms: int) -> list[Waiting]:
    """Everything the device waits for, each with ``what`` and ``until_ms`` (None: not known)."""
    found: list[Waiting] = []

    def wait(what: str, until_ms: int | None = None) -> None:
        found.append({"what": what, "until_ms": until_ms})

    rows, eui = context.rows, device.eui
    in_hub = device.device_type in han.IN_HUB
    if rows.dead(eui):
        wait("nothing: it did not come up after an activation")
    elif not in_hub and not rows.powered(eui):
        wait("its power")
    elif not in_hub and not rows.on_han(eui):
        wait("being joined to the HAN")
    elif not rows.hub_powered(device.hub):
        wait("its hub's power")
    elif not in_hub and not rows.hub_serves(device.hub):
        wait("its hub, which restarts")
    if rows.restarting(eui):
        wait("the end of its activation", rows.up_again_ms(eui))
    if device.pending is not None:
        wait("the date of its activation", device.pending.at_ms - device.clock_offset_ms)
    for timer in device.timers.values():
        wait(f"the time for: {timer.what}", timer.at_ms)
    if device.waiting:
        wait(f"its wake-up, {len(device.waiting)} message(s) lie at the hub", device.wakes_ms or None)
    found += [{"what": what, "until_ms": until_ms} for what, until_ms in row_views.waits(rows, eui)]
    return found


def _store(context: Context, home: HubState) -> dict[str, Any]:
    return {
        **row_views.room(context.rows, home.eui),
        "slots": [
            {
                "device": format_eui(stored.target),
                "version": f"{stored.image.file_version:08X}",
                "size_bytes": stored.image.size_bytes,
                "state": stored.state,
                "expires_ms": stored.expires_ms,
            }
            for stored in row_views.stored(context.rows, home.eui)
        ],
    }
