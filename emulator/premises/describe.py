"""What a device or hub is and waits for, as JSON values (design point 10: every waiting thing can say what it waits for)."""

from typing import Any

from emulator.domain.identifiers import format_eui
from emulator.premises import han
from emulator.premises.context import Context
from emulator.premises.device_states import FirmwareState, LoadingState
from emulator.premises.hub_states import SlotState
from emulator.premises.state import DeviceState, HubState

Waiting = dict[str, Any]


def describe(context: Context, device: DeviceState, now_ms: int) -> dict[str, Any]:
    """One device; a CHF with its hub."""
    pending = device.pending
    described: dict[str, Any] = {
        "eui": format_eui(device.eui),
        "device_type": device.device_type.value,
        "hub": format_eui(device.hub),
        "powered": context.hub_of(device).powered if device.device_type in han.IN_HUB else device.powered,
        "on_han": device.on_han,
        "running_version": f"{device.running_version:08X}",
        "firmware": device.firmware.value,
        "loading": device.loading.value,
        "held_image": {"version": f"{device.held_version:08X}", "hash": device.held_hash.hex()} if device.held_hash else None,
        "pending_activation": None
        if pending is None
        else {
            "at_ms": pending.at_ms,
            "hash": pending.manufacturer_image_hash.hex(),
            "originator": format_eui(pending.originator),
            "counter": pending.counter,
        },
        "credentials": {str(role): format_eui(party) for role, party in sorted(device.credentials.items())},
        "joined_to": {format_eui(eui): kind.value for eui, kind in device.joined_to.items()},
        "clock": {"time_ms": now_ms + device.clock_offset_ms, "reliable": device.clock_reliable},
        "alert_counter": device.alert_counter,
        "events": [{"at_ms": at_ms, "code": f"{code:04X}"} for at_ms, code in device.events],
        "waiting_for": waits(context, device, now_ms),
    }
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

    if device.firmware is FirmwareState.DEAD:
        wait("nothing: it did not come up after an activation")
    elif not device.powered:
        wait("its power")
    elif not device.on_han:
        wait("being joined to the HAN")
    elif not context.hub_of(device).powered:
        wait("its hub's power")
    if device.activation is not None:
        wait("the end of its activation", device.activation.due_ms)
    if device.pending is not None:
        wait("the date of its activation", device.pending.at_ms - device.clock_offset_ms)
    if device.transfer is not None:
        verifying = device.loading is LoadingState.VERIFYING
        wait("the check of its image" if verifying else "the last block of its image", device.transfer.due_ms)
    if device.waiting:
        wait(f"its wake-up, {len(device.waiting)} message(s) lie at the hub", device.wakes_ms or None)
    for slot in context.hub_of(device).slots:
        if slot.target == device.eui and slot.state is SlotState.READY:
            wakes_ms = han.next_wake_ms(context, device, now_ms) if han.sleeps(device) else None
            wait(f"asking for image {slot.file_version:08X}, which lies at the hub", wakes_ms)
        elif slot.target == device.eui and slot.state is SlotState.RECEIVING:
            wait(f"image {slot.file_version:08X}, which is on its way to the hub")
    return found


def _store(context: Context, home: HubState) -> dict[str, Any]:
    return {
        "used_bytes": sum(slot.size_bytes for slot in home.slots),
        "capacity_bytes": context.settings.store_bytes,
        "capacity_images": context.settings.store_images,
        "slots": [
            {
                "device": format_eui(slot.target),
                "version": f"{slot.file_version:08X}",
                "size_bytes": slot.size_bytes,
                "state": slot.state.value,
                "expires_ms": slot.expires_ms or None,
            }
            for slot in home.slots
        ],
    }
