"""The Communications Hub as a store of images: reception from the WAN, announcement, expiry, and its reports (ota.md 11.4).

The store is accounted in octets and shared by all devices of the home. When it is full a new image is refused (policy
``reject``, L035); an image for the same device gives way to a newer one or to one that asks for it (``forceReplace``).
"""

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import FirmwareTransferCode
from emulator.premises import han
from emulator.premises.context import Context
from emulator.premises.hub_states import SlotEvent, SlotState, advance
from emulator.premises.images import TAKES_IMAGES
from emulator.premises.sending import send_alert
from emulator.premises.state import DeviceState, HubState, ImageSlot

STORE_FULL = "store full"
"""The reason of refusal where there is no room."""

TRANSFER_SUCCESS, TRANSFER_FAILURE = 0x8F8A, 0x8F89
"""Alert codes of CCS08 (ota.md 4, verified)."""


def begin_image(context: Context, hub_eui: int, target: int, image_key: str, now_ms: int) -> str:
    """Reserve a slot; ``""`` or the reason why there is none."""
    hub, device = context.state.hubs.get(hub_eui), context.state.devices.get(target)
    if hub is None:
        return "unknown hub"
    if not hub.powered:
        return "hub off"
    if device is None or target not in hub.devices:
        return "unknown device"
    if device.device_type not in TAKES_IMAGES:
        return "no image for such a device"
    if context.faults.find("hub.store_full", hub_eui, now_ms) is not None:
        return STORE_FULL
    try:
        image = context.images.parsed(image_key, device.device_type).image
    except Malformed:
        return "image malformed"
    if context.settings.hw_version_mandatory and image.min_hardware_version is None:
        return "hardware versions missing"
    if image.size_bytes > context.settings.max_image_bytes:
        return "image too large"
    replaced = [slot for slot in hub.slots if slot.target == target and slot.state in (SlotState.RECEIVING, SlotState.READY)]
    if any(slot.image_key == image_key for slot in replaced):
        return ""
    if not image.force_replace and any(slot.file_version >= image.file_version for slot in replaced):
        return "newer image held"
    kept = [slot for slot in hub.slots if slot not in replaced]
    used_bytes = sum(slot.size_bytes for slot in kept)
    if len(kept) >= context.settings.store_images or used_bytes + image.size_bytes > context.settings.store_bytes:
        return STORE_FULL
    for slot in replaced:
        free(context, hub, slot, SlotEvent.REPLACED, now_ms, FirmwareTransferCode.FirmwareImageDiscarded)
    context.images.use(image_key)
    state = advance(SlotState.FREE, SlotEvent.WAN_TRANSFER_STARTS)
    hub.slots.append(ImageSlot(context.number(), target, image_key, image.size_bytes, image.file_version, state))
    return ""


def receive_image(context: Context, hub_eui: int, target: int, image_key: str, now_ms: int) -> str:
    """The image is complete: ``""`` or the reason of refusal."""
    refusal = ""
    if find(context, hub_eui, target, image_key) is None:
        refusal = begin_image(context, hub_eui, target, image_key, now_ms)
    hub, slot = context.state.hubs.get(hub_eui), find(context, hub_eui, target, image_key)
    if refusal or hub is None or slot is None:
        return refusal
    if not hub.powered:
        free(context, hub, slot, SlotEvent.WAN_TRANSFER_FAILS, now_ms)
        return "hub off"
    device = context.state.devices[target]
    if slot.state is SlotState.RECEIVING:
        image = context.images.parsed(image_key, device.device_type).image
        if context.settings.check_hardware_version and not image.fits_hardware(device.definition.hardware_version):
            # The image did reach the hub, so the WAN reports success and the hub the mismatch (ota.md F20).
            free(context, hub, slot, SlotEvent.REFUSED, now_ms, FirmwareTransferCode.HardwareVersionMismatch)
            return ""
        slot.state = advance(slot.state, SlotEvent.COMPLETE)
        slot.expires_ms = now_ms + context.settings.ready_expiry_ms
        context.agenda.schedule(slot.expires_ms, "hub.expiry", hub.eui, slot.number)
    if context.faults.find("hub.loses_image", hub_eui, now_ms) is not None:
        free(context, hub, slot, SlotEvent.LOST, now_ms)
        return ""
    context.note(device, f"has an image waiting at its hub: version {slot.file_version:08X}, {slot.size_bytes} octets")
    announce(context, device, now_ms)
    return ""


def abandon_image(context: Context, hub_eui: int, target: int, image_key: str, now_ms: int) -> None:
    """The WAN transfer failed: free the reservation."""
    hub, slot = context.state.hubs.get(hub_eui), find(context, hub_eui, target, image_key)
    if hub is not None and slot is not None and slot.state is SlotState.RECEIVING:
        free(context, hub, slot, SlotEvent.WAN_TRANSFER_FAILS, now_ms)


def announce(context: Context, device: DeviceState, now_ms: int) -> None:
    """Tell a device that an image waits: at once by Image Notify, at its wake-up by the notification flag (ota.md A5)."""
    if han.is_up(context, device):
        context.agenda.schedule(han.hears_at_ms(context, device, now_ms), "han.query", device.eui)


def find(context: Context, hub_eui: int, target: int, image_key: str) -> ImageSlot | None:
    """The slot that waits for its device with this image."""
    hub = context.state.hubs.get(hub_eui)
    waiting = (SlotState.RECEIVING, SlotState.READY)
    slots = hub.slots if hub is not None else []
    return next((s for s in slots if (s.target, s.image_key) == (target, image_key) and s.state in waiting), None)


def ready_slot(hub: HubState, target: int) -> ImageSlot | None:
    """The image that a device is offered: the one that has waited longest."""
    return next((slot for slot in hub.slots if slot.target == target and slot.state is SlotState.READY), None)


def slot_by_number(hub: HubState, number: int) -> ImageSlot | None:
    """The slot of this number, or None when it is free again."""
    return next((slot for slot in hub.slots if slot.number == number), None)


def expire(context: Context, hub_eui: int, number: int, now_ms: int) -> None:
    """A slot's time is over; one that is being served is looked at again when the service ends without success."""
    hub = context.state.hubs.get(hub_eui)
    slot = slot_by_number(hub, number) if hub is not None else None
    if hub is not None and slot is not None and slot.state is SlotState.READY:
        free(context, hub, slot, SlotEvent.EXPIRED, now_ms, FirmwareTransferCode.FirmwareImageDiscarded)


def target_silent(context: Context, device: DeviceState, number: int, now_ms: int) -> None:
    """The device fell silent while it was served: the image waits again, for what is left of its time."""
    hub = context.hub_of(device)
    slot = slot_by_number(hub, number)
    if slot is not None and slot.state is SlotState.SERVING:
        slot.state = advance(slot.state, SlotEvent.TARGET_SILENT)
        context.agenda.schedule(max(now_ms, slot.expires_ms), "hub.expiry", hub.eui, slot.number)


def upgrade_end(context: Context, device: DeviceState, number: int, success: bool, now_ms: int) -> None:
    """The device reported the end of its transfer; the slot is free (L037) and the hub reports (A7)."""
    hub = context.hub_of(device)
    slot = slot_by_number(hub, number)
    assert slot is not None, "a slot that is being served does not go away"
    if success:
        free(context, hub, slot, SlotEvent.UPGRADE_END_SUCCESS, now_ms, FirmwareTransferCode.FileTransferSuccess)
    else:
        free(context, hub, slot, SlotEvent.UPGRADE_END_FAILURE, now_ms, FirmwareTransferCode.FileTransferFailure)


def free(
    context: Context,
    hub: HubState,
    slot: ImageSlot,
    event: SlotEvent,
    now_ms: int,
    report: FirmwareTransferCode | None = None,
) -> None:
    """End a slot by ``event`` and, with ``report``, send CCS08 for it."""
    advance(slot.state, event)
    hub.slots.remove(slot)
    context.images.release(slot.image_key)
    device = context.state.devices.get(slot.target)
    context.journal("hub", slot.target, f"image {slot.file_version:08X} leaves the hub: {event}", {})
    # A device that was taken away is reported too: the hub only knows that nobody asked (F43).
    if report is None or (device is not None and device.device_type not in context.settings.ccs08_for):
        return
    values = {"device": slot.target, "version": slot.file_version.to_bytes(4, "big"), "code": int(report)}
    code = TRANSFER_SUCCESS if report is FirmwareTransferCode.FileTransferSuccess else TRANSFER_FAILURE
    send_alert(context, context.state.devices[hub.eui], code, now_ms, values)
