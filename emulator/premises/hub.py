"""What a Communications Hub says about the images in its store: CCS08 (ota.md 6 A7 and 8 C5), and why it takes one or not."""

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import FirmwareTransferCode
from emulator.fanout import phases
from emulator.premises.context import Context
from emulator.premises.images import TAKES_IMAGES
from emulator.premises.sending import send_alert
from emulator.premises.state import SentImage

TRANSFER_SUCCESS, TRANSFER_FAILURE = 0x8F8A, 0x8F89
"""Alert codes of CCS08 (ota.md 4, verified)."""

STORE_FULL = phases.REASONS[phases.STORE_FULL]
"""The reason of refusal where there is no room."""

UNKNOWN_HUB, UNKNOWN_DEVICE, UNFIT_TYPE = "unknown hub", "unknown device", "no image for such a device"
MALFORMED, NO_HARDWARE_VERSIONS = "image malformed", "hardware versions missing"
"""Why an image does not go on its way to a hub; what is found out on the way is in :data:`emulator.fanout.phases.REASONS`."""


def refusal(context: Context, hub_eui: int, target: int, image_key: str) -> str:
    """Why an image need not be sent to a hub for a device; ``""`` when it can."""
    hub, device = context.state.hubs.get(hub_eui), context.state.devices.get(target)
    if hub is None:
        return UNKNOWN_HUB
    if device is None or target not in hub.devices:
        return UNKNOWN_DEVICE
    if device.device_type not in TAKES_IMAGES:
        return UNFIT_TYPE
    try:
        image = context.images.parsed(image_key, device.device_type).image
    except Malformed:
        return MALFORMED
    if context.settings.hw_version_mandatory and image.min_hardware_version is None:
        return NO_HARDWARE_VERSIONS
    return ""


def report(context: Context, hub_eui: int, target: int, image: SentImage, code: FirmwareTransferCode, now_ms: int) -> None:
    """CCS08 about an image that left the store. A device that was taken away is reported too: the hub only knows that nobody
    asked (F43)."""
    hub, device = context.state.devices.get(hub_eui), context.state.devices.get(target)
    context.journal("hub", target, f"image {image.file_version:08X} leaves the hub: {code.name}", {})
    if hub is None or (device is not None and device.device_type not in context.settings.ccs08_for):
        return
    values = {"device": target, "version": image.file_version.to_bytes(4, "big"), "code": int(code)}
    alert_code = TRANSFER_SUCCESS if code is FirmwareTransferCode.FileTransferSuccess else TRANSFER_FAILURE
    send_alert(context, hub, alert_code, now_ms, values)
