"""The parameters of pools, hubs, devices, orders and chances, each with the source of its default.

``source`` names a row of the reference's ota/limits.csv (``L031``), a section of ota.md, or ``EMU`` for a choice of ours. All are
settings: none is a fact about the real system unless its confidence says ``exact``. Kernels see a row of integers per object,
in the order of the fields here; :mod:`emulator.fanout.fields` names the places.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.domain.settings import KIB, setting

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400


@dataclass(frozen=True, slots=True)
class PoolProfile:
    """What hubs share of the WAN: sessions of a region, or the channels of each cell."""

    kind: str = setting("cellular", "ota.md 11.3", "medium", choices=("cellular", "radio"))
    sessions: int = setting(5_000, "L062", "low")
    """Parallel image sessions (cellular)."""
    channels: int = setting(2, "L049", "low")
    """Image channels of each cell (radio)."""
    cells: int = setting(1, "L050", "low", minimum=1)
    """Cells of the pool; each can fail alone, and of radio each has its channels."""
    window_from_s: int = setting(0, "L056", "low")
    """Second of the day from which transmissions may begin."""
    window_to_s: int = setting(DAY_S, "L056", "low", minimum=1)
    """Second of the day before which they must begin; below ``window_from_s`` the window spans midnight."""
    background_permille: int = setting(0, "EMU", "low")
    """Share of the sessions or channels that other traffic takes."""
    broadcast_rate_bit_s: int = setting(4_000, "L051", "low", minimum=1)
    """Payload rate of one radio channel."""
    segment_bytes: int = setting(200, "L052", "low", minimum=1)
    broadcast_rounds: int = setting(3, "L053", "low", minimum=1)
    """Rounds that each hub takes part in before the rest is repaired."""
    segment_loss_permille: int = setting(50, "L054", "low")
    """Segments that a hub misses in one round."""
    repair_rate_bit_s: int = setting(1_000, "L057", "low", minimum=1)
    session_error_permille: int = setting(20, "EMU", "low")
    """Sessions that break off somewhere on their way."""
    retries: int = setting(3, "L063", "low")
    """Sessions that may break off before the image counts as undeliverable; at most 14."""
    backoff_s: int = setting(15 * MINUTE_S, "L064", "low", minimum=1)
    backoff_max_s: int = setting(6 * HOUR_S, "L064", "low", minimum=1)
    unreachable_permille: int = setting(10, "L067", "low")
    """Tries that find the hub out of reach."""
    give_up_s: int = setting(120 * HOUR_S, "L068", "low", minimum=1)
    """From an order's first submission until what is not at its hub is given up."""
    defer_s: int = setting(6 * HOUR_S, "EMU", "low", minimum=1)
    """An image that found its hub's store full is tried again when room is given back there, and in any case after about this
    time (half to one and a half times; policy defer)."""
    rate_spread_permille: int = setting(200, "EMU", "low")
    """Hubs differ by so much from the nominal rate, to both sides."""
    command_s: int = setting(30, "L014", "medium")
    """From a supplier's 11.3 or 11.2 until the device has it."""


@dataclass(frozen=True, slots=True)
class HubProfile:
    """A variant of Communications Hub."""

    name: str = setting("", "EMU", "low")
    rate_bit_s: int = setting(20_000, "L059", "low", minimum=1)
    """Rate of a session with it."""
    dual_band: bool = setting(False, "ota.md 9", "medium")
    """Whether it has the sub-GHz radio; a device of that band is reached by no other."""
    store_bytes: int = setting(1_536 * KIB, "L031", "low")
    """Image store, shared by all devices of the home."""
    slots: int = setting(2, "L034", "low")
    """Images held at a time, at most 255."""
    max_image_bytes: int = setting(750 * KIB, "L032", "low")
    policy_on_full: str = setting("reject", "L035", "low", choices=("reject", "defer", "evict"))
    resume: bool = setting(True, "ota.md 11.4", "low")
    """Whether what was received before a break is kept; of a broadcast, before a power cut."""
    expiry_s: int = setting(14 * DAY_S, "L036", "low", minimum=1)
    """How long an image waits for its device."""
    reboot_s: int = setting(5 * MINUTE_S, "L039", "low", minimum=1)
    distributes_to: int = setting(-1, "ota.md fact 10", "medium", minimum=-1)
    """Mask of device types that it can serve; -1 is all."""
    extender_homes: int = setting(0, "L083", "low")
    """Neighbouring hubs that share one Alt HAN extender; 0 is none."""
    duty_blocks_per_h: int = setting(0, "L080", "low")
    """Blocks an hour that the sub-GHz radio may send, over all devices; 0 is without limit."""
    check_hardware: bool = setting(True, "ota.md 3.2", "medium")
    """Whether it refuses an image whose hardware versions exclude the device."""
    update_waits: int = setting(8, "ota.md 13", "low")
    """How often its own firmware update waits half an hour for a transfer on the HAN to end before it breaks it off."""


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """A model of device."""

    name: str = setting("", "EMU", "low")
    device_type: int = setting(0, "EMU", "low")
    """Number of the type, 0 to 62; the caller chooses."""
    model: int = setting(0, "EMU", "low")
    manufacturer: int = setting(0, "EMU", "low")
    hardware: int = setting(0, "EMU", "low")
    block_bytes: int = setting(50, "L073", "high", minimum=1)
    blocks_per_s: int = setting(8, "L074", "medium", minimum=1)
    """Of a mains powered device on 2.4 GHz, alone on its HAN."""
    wake_s: int = setting(0, "L076", "medium")
    """Interval of wake-ups of a sleepy device; 0 is always awake."""
    blocks_per_wake: int = setting(400, "L077", "low", minimum=1)
    chunk_s: int = setting(30 * MINUTE_S, "EMU", "low", minimum=1)
    """Conditions of a transfer are looked at anew after this time."""
    chunk_wakes: int = setting(8, "EMU", "low", minimum=1)
    """The same of a sleepy device, in wake-ups."""
    sub_ghz: bool = setting(False, "L079", "low")
    sub_ghz_permille: int = setting(300, "L079", "low", minimum=1)
    """Its rate against 2.4 GHz."""
    alt_han: bool = setting(False, "L083", "low")
    alt_han_permille: int = setting(250, "L083", "low", minimum=1)
    block_loss_permille: int = setting(10, "L089", "low")
    block_retries: int = setting(10, "L090", "low")
    learns: str = setting("notify", "L086", "medium", choices=("notify", "poll", "never"))
    """How it learns of an image; a sleepy device at its next wake-up."""
    notify_s: int = setting(1, "EMU", "low")
    """The longest it waits before it asks after an announcement; it draws."""
    poll_s: int = setting(DAY_S, "L086", "medium", minimum=1)
    capacity_bytes: int = setting(10_240_000, "L004", "exact")
    """Largest image it can store."""
    resume: bool = setting(True, "ota.md 11.6", "low")
    """Whether a download goes on after a break where it was."""
    verify_s: int = setting(5, "EMU", "low")
    activation_s: int = setting(120, "L095", "low", minimum=1)
    activates_itself: bool = setting(False, "L085", "medium")
    """A PPMID: no signature of a supplier, no 11.3."""
    supports_cs09: bool = setting(True, "ota.md 8", "medium")
    """Whether a PPMID reports its activation."""
    reports_transfer: bool = setting(True, "ota.md 6 A7", "low")
    """Whether the hub sends CCS08 about its transfers."""
    fallback: bool = setting(True, "ota.md 11.6", "low")
    """Whether a failed boot goes back to the old firmware; without, the device is dead."""
    check_version: bool = setting(True, "ota.md 3.2", "high")
    """Whether it ignores an image that is not newer than what it runs."""
    check_manufacturer: bool = setting(True, "ota.md 3.2", "high")
    silence_s: int = setting(0, "L038", "low")
    """After this silence the DSP counts the job as unknown; 0 is never."""
    takes_parts: bool = setting(True, "scenarios.md S-08", "low")
    """Whether it can take an image in parts (REQUIRE_MORE); without, its transfer fails after the first of several."""
    check_hardware: bool = setting(True, "ota.md 3.2", "medium")
    """Whether it breaks the transfer off when the header that it gets with the first blocks excludes its hardware version."""


@dataclass(frozen=True, slots=True)
class Order:
    """One image for many devices: a request, or a wave of a campaign."""

    size_bytes: int
    version: int
    """As in the OTA header, 32 bit."""
    device_types: int = -1
    """Mask of types that take it; -1 is all."""
    model: int = -1
    manufacturer: int = -1
    min_hardware: int = -1
    max_hardware: int = -1
    """-1 is any."""
    force_replace: bool = False
    signed: bool = True
    """Whether meters check a supplier's signature on it."""
    lane: int = 0
    """The sending party, 0 to 255: parties share capacity evenly."""
    priority: int = 1
    """0 urgent, 1 normal, 2 background."""
    request: int = 0
    """Number of the request, for the caller."""
    activate_after_s: int = -1
    """The supplier sends 11.3 so long after it has seen 8F72; -1 is not by itself."""
    read_after_s: int = -1
    """The supplier sends 11.2 so long after it knows of the activation; -1 is not by itself."""
    from_version: int = -1
    """The version that must run for the activation to succeed (ota.md F45); -1 is any."""
    part_bytes: int = 0
    """Largest part in which the image is sent; 0 is whole."""


@dataclass(frozen=True, slots=True)
class Chance:
    """Something that happens, to whom, and how often: a fault of the plan or an effect of a firmware.

    It applies when all that is named fits; -1 is any. Rows of hubs and devices count within the pool.
    """

    kind: str
    numerator: int = 1
    denominator: int = 1
    """The probability; at most ``2**31``."""
    pool: int = -1
    cell: int = -1
    hub: int = -1
    hub_to: int = -1
    """Hubs ``hub`` to ``hub_to`` (exclusive; -1 is the one hub alone)."""
    device: int = -1
    """Id of one device."""
    order: int = -1
    profile: int = -1
    first_n: int = -1
    """How often it can still happen, counted in each pool."""
    skip_n: int = 0
    """How many occasions it lets pass first, counted in each pool."""
    from_s: int = 0
    to_s: int = -1
    """Exclusive end."""
    value: int = 0
    """What the kind needs: seconds off, permille of loss, delay."""


CHANCES: Mapping[str, str] = {
    "file_damaged": "the CSP finds the file damaged and refuses it (F12)",
    "unreachable": "a try finds the hub out of reach (F16)",
    "session_error": "a session breaks off (F17)",
    "segment_loss": "so many permille of the segments of a round are lost, in place of the pool's (F17)",
    "store_full": "the hub finds no room (F18)",
    "hub_image_lost": "the hub takes an image and loses it before anybody asks (F19, F21)",
    "hub_store_lost": "a restart of the hub loses an image that waits (F21)",
    "power_cut_hub": "the hub is without power for so many seconds (F16, F26)",
    "never_queries": "the device does not ask for its image (F23)",
    "block_loss": "so many permille of the blocks are lost, in place of the profile's (F24)",
    "drops_transfer": "the transfer on the HAN fails (F24)",
    "wrong_offset": "the device begins its transfer anew",
    "power_cut_device": "the device is without power for so many seconds (F26)",
    "invalid_image": "the device ends the transfer with INVALID_IMAGE (F28)",
    "signature_bad": "the device finds the signature wrong (F29)",
    "alert_lost": "an alert does not reach the DSP (F30)",
    "command_lost": "an 11.3 or 11.2 does not reach the device (F35)",
    "response_lost": "an answer does not reach the DSP (F35)",
    "held_lost": "the device no longer holds its image when told to activate it (F32)",
    "wrong_hash": "the 11.3 names another image (F33)",
    "activation_fails": "the device goes back to its old firmware (F34, F42)",
    "activation_dies": "the device does not come up again (ota.md 11.6)",
    "falls_off_after_download": "the device leaves the HAN once its image is verified (F37)",
    "falls_off_after_activation": "the device leaves the HAN once it runs the new firmware (F37)",
    "falls_off_after_reboot": "the device does not rejoin after its hub restarted (ota.md 9)",
    "supply_off": "the new firmware disables the supply, at once or after so many seconds (F41)",
    "stops_reporting": "the new firmware sends nothing any more (F41)",
    "rolls_back": "the device goes back to its old firmware after so many seconds (F39)",
    "self_check_fails": "the new firmware fails its self check after so many seconds (8F1B)",
    "hub_update_fails": "the hub goes back to its old firmware (ota.md 11.5)",
    "hub_bricks": "the hub does not come up again (ota.md 11.5)",
}
"""Every kind of chance, in the order of their numbers."""

CHANCE_KINDS = {name: number for number, name in enumerate(CHANCES)}


def row(item: PoolProfile | HubProfile | DeviceProfile) -> list[int]:
    """The integers that kernels see: fields in order, choices as their position, without the name."""
    values = []
    for field in dataclasses.fields(item):
        value = getattr(item, field.name)
        choices: tuple[str, ...] = field.metadata["choices"]
        if choices:
            if value not in choices:
                raise Malformed(f"{value!r} is not a choice", where=field.name, expected=f"one of {', '.join(choices)}")
            values.append(choices.index(value))
        elif field.name != "name":
            if not field.metadata["minimum"] <= int(value) < 1 << 31:
                raise Malformed(f"{value} is not right", where=field.name, expected=f"{field.metadata['minimum']} or more")
            values.append(int(value))
    return values
