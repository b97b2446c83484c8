"""How an image gets into a device: question, transfer, check of the signature (ota.md 11.6)."""

from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.ota.image import OtaImage
from emulator.premises import activation, han, hub
from emulator.premises.context import Context
from emulator.premises.device_states import (
    FirmwareEvent,
    FirmwareState,
    LoadingEvent,
    LoadingState,
    advance_firmware,
    advance_loading,
)
from emulator.premises.hub_states import SlotEvent, advance
from emulator.premises.images import SIGNED_BY_SUPPLIER
from emulator.premises.sending import send_alert
from emulator.premises.state import DeviceState, ImageSlot, Transfer

VERIFIED, NOT_VERIFIED = 0x8F72, 0x8F1C
"""Receipt alerts: codes of 00CE and 00CF (firmware_examples.md 5)."""


def query(context: Context, device: DeviceState, now_ms: int) -> None:
    """The device asks its hub for an image (Query Next Image)."""
    if device.loading is not LoadingState.IDLE or not han.is_up(context, device):
        return
    if device.firmware is FirmwareState.ACTIVATING:
        return  # it asks when it is up again
    slot = hub.ready_slot(context.hub_of(device), device.eui)
    if slot is None:
        return
    if context.faults.find("device.never_queries", device.eui, now_ms) is not None:
        context.note(device, "does not ask for its image, by fault")
        context.agenda.schedule(now_ms + context.settings.query_poll_ms, "han.query", device.eui)
        return
    device.loading = advance_loading(device.loading, LoadingEvent.LEARNS_OF_IMAGE)
    image = context.images.parsed(slot.image_key, device.device_type).image
    reason = _unacceptable(context, device, image)
    if reason:
        device.loading = advance_loading(device.loading, LoadingEvent.NOTHING_ACCEPTABLE)
        context.note(device, f"does not take image {image.firmware_version}: {reason}")
        return
    _start(context, device, slot, image, now_ms)


def _unacceptable(context: Context, device: DeviceState, image: OtaImage) -> str:
    """Why the device does not take the image; ``""`` when it does (ota.md 3.2, each check is a setting)."""
    settings, definition = context.settings, device.definition
    made_for = f"{image.manufacturer_code:04X}"
    if settings.check_manufacturer and definition.manufacturer.upper() != made_for:
        return f"it is for manufacturer {made_for}, the device is of {definition.manufacturer}"
    if settings.check_file_version and image.file_version <= device.running_version:
        return f"it runs {device.running_version:08X}"
    return ""


def _start(context: Context, device: DeviceState, slot: ImageSlot, image: OtaImage, now_ms: int) -> None:
    device.loading = advance_loading(device.loading, LoadingEvent.IMAGE_ACCEPTABLE)
    slot.state = advance(slot.state, SlotEvent.QUERIED)
    if image.size_bytes > device.definition.image_capacity_bytes:
        # The device learns the size before the first block and ends with INVALID_IMAGE (F28).
        device.loading = advance_loading(device.loading, LoadingEvent.TRANSFER_FAILED)
        hub.upgrade_end(context, device, slot.number, False, now_ms)
        return
    end_ms = han.transfer_end_ms(context, device, slot.size_bytes, now_ms)
    context.images.use(slot.image_key)
    device.transfer = Transfer(context.number(), slot.number, slot.image_key, end_ms)
    context.note(device, f"takes image {image.firmware_version}, done in {(end_ms - now_ms) // 1000} s")
    context.agenda.schedule(end_ms, "han.transferred", device.eui, device.transfer.number)


def transferred(context: Context, device: DeviceState, number: int, now_ms: int) -> None:
    """The last block is due (Upgrade End)."""
    transfer = device.transfer
    if transfer is None or transfer.number != number or device.loading is not LoadingState.DOWNLOADING:
        return
    if device.activation is not None:
        # The device reboots with blocks still to come: it goes on where it was once it is up.
        transfer.due_ms = device.activation.due_ms + context.settings.han_latency_ms
        context.agenda.schedule(transfer.due_ms, "han.transferred", device.eui, number)
        return
    if context.faults.find("han.transfer_fails", device.eui, now_ms) is not None:
        _drop_transfer(context, device, LoadingEvent.TRANSFER_FAILED)
        hub.upgrade_end(context, device, transfer.slot, False, now_ms)
        hub.announce(context, device, now_ms)
        return
    device.loading = advance_loading(device.loading, LoadingEvent.DONE)
    hub.upgrade_end(context, device, transfer.slot, True, now_ms)
    verify_later(context, device, now_ms)


def verify_later(context: Context, device: DeviceState, now_ms: int) -> None:
    """Start the check of a received image; a PPMID has nothing to check and goes on at once (ota.md 8 C6)."""
    assert device.transfer is not None
    waits_ms = context.settings.verification_ms if device.device_type in SIGNED_BY_SUPPLIER else 0
    device.transfer.due_ms = now_ms + waits_ms
    context.agenda.schedule(device.transfer.due_ms, "device.verified", device.eui, device.transfer.number)


def verified(context: Context, device: DeviceState, number: int, now_ms: int) -> None:
    """The device has checked the image: hold it or drop it, and say so."""
    transfer = device.transfer
    if transfer is None or transfer.number != number or device.loading is not LoadingState.VERIFYING or not device.powered:
        return
    if device.activation is not None:
        transfer.due_ms = device.activation.due_ms
        context.agenda.schedule(transfer.due_ms, "device.verified", device.eui, number)
        return
    parsed = context.images.parsed(transfer.image_key, device.device_type)
    good = _signature_good(context, device, parsed.image, now_ms)
    _drop_transfer(context, device, LoadingEvent.SIGNATURE_GOOD if good else LoadingEvent.SIGNATURE_BAD)
    context.log_event(device, VERIFIED if good else NOT_VERIFIED, now_ms)
    if good:
        device.firmware = advance_firmware(device.firmware, FirmwareEvent.IMAGE_STORED)
        device.held_hash, device.held_version = parsed.manufacturer_image_hash, parsed.image.file_version
    if device.device_type in SIGNED_BY_SUPPLIER:
        send_alert(context, device, VERIFIED if good else NOT_VERIFIED, now_ms, {"hash": parsed.manufacturer_image_hash})
        if good and context.faults.find("han.drop_after_download", device.eui, now_ms) is not None:
            device.on_han = False
            context.note(device, "leaves the HAN after its download, by fault")
    elif good:
        activation.start(context, device, now_ms)
    else:
        activation.report_ppmid(context, device, False, now_ms)
    hub.announce(context, device, now_ms)


def _signature_good(context: Context, device: DeviceState, image: OtaImage, now_ms: int) -> bool:
    if context.faults.find("device.verify_fails", device.eui, now_ms) is not None:
        return False
    if device.device_type is DeviceType.PPMID or not context.settings.check_supplier_signature:
        return True
    supplier = device.credentials.get(RemotePartyRole.SUPPLIER)
    public_key = None if supplier is None else context.keys.public_key(supplier, "DS")
    return public_key is not None and image.verify_supplier_signature(public_key)


def interrupt(context: Context, device: DeviceState, event: LoadingEvent, now_ms: int) -> None:
    """The HAN or the power went away: what was being loaded is lost and waits at the hub again."""
    if device.loading not in (LoadingState.QUERYING, LoadingState.DOWNLOADING) or device.transfer is None:
        return
    slot = device.transfer.slot
    _drop_transfer(context, device, event)
    hub.target_silent(context, device, slot, now_ms)


def _drop_transfer(context: Context, device: DeviceState, event: LoadingEvent) -> None:
    assert device.transfer is not None
    device.loading = advance_loading(device.loading, event)
    context.images.release(device.transfer.image_key)
    device.transfer = None
