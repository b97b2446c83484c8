"""What happened in the columns, as the world sees it: alerts with real protection, event logs, words for the journal.

One row per outcome of :data:`emulator.fanout.phases.OUTCOMES` of which anybody hears something.
"""

from collections.abc import Callable, Mapping

from emulator.domain.vocabulary import ActivateImageCode, FirmwareTransferCode
from emulator.fanout import phases
from emulator.premises import activation, billing, han, hub, power, supply
from emulator.premises.context import Context
from emulator.premises.sending import send_alert
from emulator.premises.state import DeviceState, SentImage

VERIFIED, NOT_VERIFIED = 0x8F72, 0x8F1C
"""Receipt alerts: codes of 00CE and 00CF (firmware_examples.md 5)."""

SUPPLY_LOST, SELF_CHECK = 0x8F0F, 0x8F1B
"""What a meter says when its firmware cuts the supply off, or finds itself damaged (ota.md F41)."""

DUTY_CYCLE_LIMITED = 0x8F20
"""What a dual-band hub says when its sub-GHz radio may not send more (ota.md F24)."""

Handler = Callable[[Context, DeviceState, SentImage | None, int, int], None]
"""``(context, device, image, code, now_ms)``."""


def told(context: Context, device: DeviceState, image: SentImage | None, kind: int, code: int, now_ms: int) -> None:
    """Something happened to a device of which somebody hears."""
    handler = HANDLERS.get(kind)
    if handler is not None:
        handler(context, device, image, code & (phases.LOST - 1), now_ms)


def _delivered(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    assert image is not None
    context.agenda.schedule(now_ms, "csp.delivered", device.eui, image.number, "")
    context.note(device, f"has an image waiting at its hub: version {image.file_version:08X}, {image.size_bytes} octets")


def _not_delivered(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    assert image is not None
    context.agenda.schedule(now_ms, "csp.delivered", device.eui, image.number, phases.REASONS[code])


def _queried(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    assert image is not None
    context.note(device, f"takes image {image.file_version:08X}, {image.size_bytes} octets")


def _ignored(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    assert image is not None
    context.note(device, f"does not take image {image.file_version:08X}: {phases.IGNORANCE[code]}")


def _transferred(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    assert image is not None
    hub.report(context, device.hub, device.eui, image, FirmwareTransferCode.FileTransferSuccess, now_ms)


def _transfer_failed(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    assert image is not None
    hub.report(context, device.hub, device.eui, image, FirmwareTransferCode(code), now_ms)
    # One that gave way before it was at the hub; of any other the csp has told already.
    context.agenda.schedule(now_ms, "csp.delivered", device.eui, image.number, phases.REASONS[phases.NEWER_HELD])


def _verified(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    assert image is not None
    context.log_event(device, VERIFIED, now_ms)
    if image.signed:
        send_alert(context, device, VERIFIED, now_ms, {"hash": image.manufacturer_image_hash})
    else:
        context.note(device, f"activates {image.file_version:08X} by itself")


def _verify_failed(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    assert image is not None
    context.log_event(device, NOT_VERIFIED, now_ms)
    if image.signed:
        send_alert(context, device, NOT_VERIFIED, now_ms, {"hash": image.manufacturer_image_hash})


def _activated(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    activation.ended(context, device, ActivateImageCode.SUCCESS, now_ms)
    if activation.is_legacy_ppmid(device):
        context.note(device, "does not report its activation: legacy kind")


def _activation_failed(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    activation.ended(context, device, ActivateImageCode(code), now_ms)


def _died(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    activation.died(context, device)


def _reports_success(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    activation.report_ppmid(context, device, True, now_ms)


def _reports_failure(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    activation.report_ppmid(context, device, False, now_ms)


def _fell_off(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    # What it said last is still on its way.
    context.note(device, "leaves the HAN")


def _supply_off(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    supply.switch(context, device, supply.OFF, "its firmware cuts it off")
    billing.remember(device, now_ms)
    context.log_event(device, SUPPLY_LOST, now_ms)
    send_alert(context, device, SUPPLY_LOST, now_ms)


def _self_check_failed(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    context.log_event(device, SELF_CHECK, now_ms)
    send_alert(context, device, SELF_CHECK, now_ms)


def _rolled_back(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    context.note(device, f"is back to {context.rows.running_version(device.eui):08X}")
    context.log_event(device, activation.VERSION_CHANGED, now_ms)


def _duty_limited(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    chf = context.state.devices.get(device.hub)
    if chf is not None:
        context.note(device, "waits for the duty cycle of the sub-GHz band")
        context.log_event(chf, DUTY_CYCLE_LIMITED, now_ms)
        send_alert(context, chf, DUTY_CYCLE_LIMITED, now_ms, {"device": device.eui})


def _power_lost(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    power.switched(context, device, False, now_ms)


def _power_back(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
    power.switched(context, device, True, now_ms)


def _noted(words: str) -> Handler:
    def note(context: Context, device: DeviceState, image: SentImage | None, code: int, now_ms: int) -> None:
        version = "" if image is None else f" {image.file_version:08X}"
        context.note(
            device, words.format(image=f"image{version}", reason=phases.REASONS[code] if code < len(phases.REASONS) else "")
        )

    return note


HANDLERS: Mapping[int, Handler] = {
    phases.DELIVERED: _delivered,
    phases.NOT_DELIVERED: _not_delivered,
    phases.QUERIED: _queried,
    phases.IGNORED: _ignored,
    phases.TRANSFERRED: _transferred,
    phases.TRANSFER_FAILED: _transfer_failed,
    phases.VERIFIED: _verified,
    phases.VERIFY_FAILED: _verify_failed,
    phases.ACTIVATED: _activated,
    phases.ACTIVATION_FAILED: _activation_failed,
    phases.DIED: _died,
    phases.CS09_OK: _reports_success,
    phases.CS09_FAILED: _reports_failure,
    phases.FELL_OFF: _fell_off,
    phases.SUPPLY_OFF: _supply_off,
    phases.SELF_CHECK_FAILED: _self_check_failed,
    phases.ROLLED_BACK: _rolled_back,
    phases.DUTY_LIMITED: _duty_limited,
    phases.POWER_LOST: _power_lost,
    phases.POWER_BACK: _power_back,
    phases.PART_TRANSFERRED: _noted("has a part of {image}"),
    phases.STOPPED_REPORTING: _noted("reports nothing any more"),
    phases.IMAGE_LOST: _noted("loses {image}, which waited at its hub"),
    phases.HELD_LOST: _noted("no longer holds {image}"),
    phases.INTERRUPTED: _noted("breaks off the transfer of {image}; it waits at the hub again"),
    phases.SESSION_BROKEN: _noted("the session that carried {image} breaks off"),
    phases.PUT_OFF: _noted("{image} waits for room at the hub"),
    phases.EVICTED: _noted("{image} gives way to another at the hub"),
    phases.REPLACED: _noted("{image} gives way to a newer one at the hub"),
    phases.EXPIRED: _noted("{image} has waited too long at the hub"),
}
"""What happens for each outcome of a device; the others only count."""


def told_of_gone(context: Context, hub_eui: int, target: int, image: SentImage, kind: int, code: int, now_ms: int) -> None:
    """Something happened to an image for a device that was taken away: only its hub has something to say."""
    if kind == phases.TRANSFER_FAILED:
        hub.report(context, hub_eui, target, image, FirmwareTransferCode(code & (phases.LOST - 1)), now_ms)


def hub_told(context: Context, hub_eui: int, kind: int, code: int, now_ms: int) -> None:
    """Something happened to a hub of which somebody hears."""
    chf = context.state.devices.get(hub_eui)
    home = context.state.hubs.get(hub_eui)
    if chf is None or home is None:
        return
    if kind == phases.HUB_RUNNING_NEW:
        for eui in home.devices:
            if context.state.devices[eui].device_type in han.IN_HUB:
                context.rows.set_running(eui, home.coming_version)
        activation.version_changed(context, chf, now_ms)
        context.agenda.schedule(now_ms, "csp.hub_runs", hub_eui, f"{home.coming_version:08X}", home.coming_gbcs_version)
    elif kind in (phases.POWER_LOST, phases.POWER_BACK):
        power.hub_switched(context, home, kind == phases.POWER_BACK, now_ms)
    elif kind in _OF_HUBS:
        context.journal("hub", hub_eui, _OF_HUBS[kind], {})
    if kind in (phases.HUB_RUNNING_NEW, phases.HUB_REBOOTED, phases.HUB_ROLLED_BACK):
        for eui in home.devices:
            if eui != hub_eui and context.rows.powered(eui):
                power.listen(context, context.state.devices[eui], now_ms)


_OF_HUBS: Mapping[int, str] = {
    phases.HUB_REBOOTED: "the hub has restarted",
    phases.HUB_ROLLED_BACK: "the hub is back to its old firmware",
    phases.HUB_BRICKED: "the hub does not come up again",
}
