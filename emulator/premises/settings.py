"""Timings and limits of hubs, the HAN and devices, each with the row of the fact table it comes from.

``source`` names a row of the reference's ota/limits.csv (``L031``), a section of ota.md, or ``EMU`` for a choice of ours;
``confidence`` is the word used there. All are settings: none of them is a fact about the real system unless it says ``exact``.
"""

from dataclasses import dataclass

from emulator.domain.settings import DAY_MS, HOUR_MS, KIB, MINUTE_MS, SECOND_MS, setting
from emulator.domain.vocabulary import DeviceType

MOST_PARTS = 64
"""Parts of one image; ours."""


@dataclass(frozen=True, slots=True)
class HanSettings:
    """What a home does, and how fast."""

    store_bytes: int = setting(1_536 * KIB, "L031", "low")
    """Image store of a hub, shared by all devices of the home."""
    store_images: int = setting(2, "L034", "low")
    """Images a hub holds at a time."""
    max_image_bytes: int = setting(750 * KIB, "L032", "low")
    """Largest file a hub takes."""
    part_bytes: int = setting(0, "scenarios.md S-08", "low")
    """An image larger than this is sent to hubs and devices in parts of this size, 64 of them at most; 0: always whole. The WAN
    reports the first part's arrival."""
    ready_expiry_ms: int = setting(14 * DAY_MS, "L036", "low")
    """How long an image waits for its device before the hub drops it."""
    block_bytes: int = setting(50, "L073", "high", minimum=1)
    """Octets of one OTA block."""
    mains_blocks_per_s: int = setting(8, "L074", "medium", minimum=1)
    """Block rate of a mains powered device."""
    gsme_wake_interval_ms: int = setting(30 * MINUTE_MS, "L076", "medium", minimum=1)
    """A gas meter hears nothing between its wake-ups."""
    gsme_blocks_per_wake: int = setting(400, "L077", "low", minimum=1)
    """Blocks a gas meter takes at one wake-up."""
    query_poll_ms: int = setting(24 * HOUR_MS, "L086", "medium", minimum=1)
    """How often a mains device asks for an image when no announcement reached it."""
    activation_ms: int = setting(120 * SECOND_MS, "L095", "low", minimum=1)
    """From the start of an activation until the device runs again."""
    verification_ms: int = setting(5 * SECOND_MS, "EMU", "low")
    """From the last block until the device has checked the image."""
    store_policy: str = setting("reject", "L035", "low", choices=("reject", "defer", "evict"))
    """What a hub does with an image when its store is full: refuse it, try again later, or drop the one that waits longest."""
    hub_resumes: bool = setting(True, "ota.md 11.4", "low")
    """Whether a hub keeps what it received of an image before its transfer over the WAN broke off; of a broadcast, before its
    power failed."""
    hub_reboot_ms: int = setting(5 * MINUTE_MS, "L039", "low", minimum=1)
    """From the restart of a hub for its own firmware until its HAN is back."""
    hub_update_waits: int = setting(8, "ota.md 13", "low")
    """How often a hub's own update waits half an hour for a transfer on the HAN before it breaks it off."""
    device_resumes: bool = setting(True, "ota.md 11.6", "low")
    """Whether a device goes on with a transfer where it was before power or HAN went away."""
    block_loss_permille: int = setting(10, "L089 as permille", "low")
    """Blocks that are lost on the HAN and sent again."""
    block_retries: int = setting(10, "L090", "low")
    """How often a block is sent again before the transfer fails."""
    sub_ghz_permille: int = setting(300, "L079 as permille", "low", minimum=1)
    """Block rate on the sub-GHz band against 2.4 GHz."""
    sub_ghz_blocks_per_h: int = setting(0, "L080 has no figure", "low")
    """Blocks that a hub may send on its sub-GHz band in an hour; 0 is without limit."""
    alt_han_permille: int = setting(250, "L083 as permille", "low", minimum=1)
    """Block rate over an alternative HAN against a direct one."""
    alt_han_homes: int = setting(24, "scenarios.md S-29", "low", minimum=1)
    """Homes on one alternative HAN that share an extender, in the order of the estate."""
    han_latency_ms: int = setting(400, "EMU", "low")
    """One message over the HAN, hub to mains device or back."""
    processing_ms: int = setting(600, "EMU", "low")
    """A device's time to check and execute one command."""
    join_ms: int = setting(8 * SECOND_MS, "EMU", "low")
    """From the whitelisting of a powered device until it has joined the HAN."""
    ccs08_for: tuple[DeviceType, ...] = setting(
        (DeviceType.ESME, DeviceType.GSME, DeviceType.HCALCS, DeviceType.PPMID), "ota.md 6 A7", "low"
    )
    """Device types for which the hub reports the transfer (alerts 8F8A, 8F89)."""
    hw_version_mandatory: bool = setting(False, "ota.md 3.1", "medium")
    """Whether a hub refuses images whose header has no hardware versions."""
    check_hardware_version: bool = setting(True, "ota.md 3.2", "medium")
    """Whether the hub refuses an image whose hardware versions exclude the device (8F89 with code 2)."""
    check_own_hardware_version: bool = setting(True, "ota.md 3.2", "medium")
    """Whether a device breaks off the transfer of an image whose hardware versions exclude it (INVALID_IMAGE, 8F89 with code 3),
    when the hub let it through. They are in the header, with which the file begins; one without them is for any hardware."""
    check_manufacturer: bool = setting(True, "ota.md 3.2", "high")
    """Whether a device ignores an image of another manufacturer."""
    check_file_version: bool = setting(True, "ota.md 3.2", "high")
    """Whether a device ignores an image that is not newer than what it runs."""
    check_activation_hash: bool = setting(True, "ota.md A9", "high")
    """Whether a device refuses to activate where the command has the hash of another image than it holds."""
    local_upgrade_ends_at: str = setting("", "Q7-31", "low")
    """Version of its firmware from which on a combined display takes none from its maker any more, eight hexadecimal digits;
    empty: it always does."""
    check_supplier_signature: bool = setting(True, "ota.md 3.2", "exact")
    """Whether meters and HCALCSs verify the supplier's signature."""
    alert_on_version_change: bool = setting(False, "firmware_examples.md 5", "low")
    """Whether a change of the running version (8F43) is also sent as an alert. Off: the sources do not say whether that alert
    is critical, so by default it is an entry of the device's event log only."""
    alert_on_authentication_failure: bool = setting(False, "gbcs.md appendix", "low")
    """Whether a device sends 8F3D or 8F53 about a command that it cannot authenticate. Off: the sources name the codes but not
    their messages; the event log has them in any case."""
    fd_cancel_on_credential_change: bool = setting(True, "ota.md 13", "medium")
    """Whether a pending dated activation dies when the supplier's credentials change."""
    check_certificate_time: bool = setting(False, "README of the reference: expired test certificates are normal", "medium")
    """Whether a device refuses a replacement certificate that is not valid now, where the Command asks for that check."""
    device_log_entries: int = setting(16, "L045", "medium")
    """Entries of the CHF device log."""

    def part_of(self, size_bytes: int) -> int:
        """Octets of the largest part in which an image of this size is sent; 0 is whole."""
        if not self.part_bytes or size_bytes <= self.part_bytes:
            return 0
        return max(self.part_bytes, -(-size_bytes // MOST_PARTS))
