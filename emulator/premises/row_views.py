"""What the columns show of a device's image and a hub's store, in words and with EUIs. Nothing here changes anything."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.fanout import phases
from emulator.fanout.fields import BESIDE, N_DUE, N_KIND, N_ROW, NODE_EXPIRY, NODE_WIDTH, RESERVED, RESUMES
from emulator.premises.rows import Rows
from emulator.premises.state import SentImage

WAITS: Mapping[int, str] = {
    phases.QUEUED: "a session for image {version}, {ahead} image(s) before it",
    phases.SENDING: "image {version}, which is on its way to the hub",
    phases.BACKOFF: "the next try to send image {version} to its hub",
    phases.CASTING: "image {version}, which is broadcast to its cell",
    phases.REPAIR: "a channel for what it missed of the broadcast of image {version}",
    phases.REPAIRING: "what it missed of the broadcast of image {version}",
    phases.DEFERRED: "room at its hub for image {version}",
    phases.READY: "asking for image {version}, which lies at the hub",
    phases.SERVING: "the last block of its image {version}",
    phases.VERIFYING: "the check of its image {version}",
}
"""In words, by phase."""

SLOT_STATES: Mapping[int, str] = {phases.READY: "READY", phases.SERVING: "SERVING"}
"""What an image in a store is doing; any other phase is RECEIVING (ota.md 11.4)."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An image in a hub's store, or one for which it keeps room."""

    target: int
    """EUI of the device."""
    image: SentImage
    state: str
    expires_ms: int | None
    """When the hub drops it; None where that is not known yet."""


def waits(rows: Rows, eui: int) -> list[tuple[str, int | None]]:
    """What a device waits for, and until when at the latest (None: not known): its image, and one beside it."""
    number = rows.state.devices[eui]
    columns = rows.pool_of(number).memory.columns
    found = []
    for place in places(rows, number):
        phase, order = int(columns["phase"][place]), int(columns["order"][place])
        if phase not in WAITS:
            continue
        image, due = rows.state.images[order], int(columns["due"][place])
        ahead = rows.network.waiting(number).ahead if phase == phases.QUEUED and place == rows.place(number) else 0
        words = WAITS[phase].format(version=f"{image.file_version:08X}", ahead=ahead)
        found.append((words, None if due < 0 else rows.ms(due)))
    return found


def tries(rows: Rows, eui: int) -> dict[str, Any]:
    """How often an image was tried, and until when it will be."""
    number = rows.state.devices[eui]
    order = rows.column("order", number)
    until = int(rows.pool_of(number).memory.tables["until"][order])
    return {"attempts": rows.column("tries", number) & 15, "give_up_ms": rows.ms(until)}


def room(rows: Rows, hub_eui: int) -> dict[str, int]:
    """Room in a hub's image store, and how much of it is taken."""
    profile = rows.network.declared.hubs[rows.hub_column("hub_profile", hub_eui)]
    return {
        "used_bytes": rows.hub_column("used", hub_eui),
        "capacity_bytes": profile.store_bytes,
        "capacity_images": profile.slots,
    }


def stored(rows: Rows, hub_eui: int) -> Iterator[Stored]:
    """The images for which a hub has or keeps room."""
    hub = rows.state.hubs[hub_eui]
    columns = rows.pool_of(hub).memory.columns
    targets = {number: eui for eui, number in rows.state.devices.items() if number >> 8 == hub >> 8}
    targets |= {number: eui for number, (eui, at) in rows.state.gone.items() if at == hub_eui}
    for number, eui in sorted(targets.items()):
        for place in places(rows, number):
            if columns["flags"][place] & RESERVED:
                phase, image = int(columns["phase"][place]), rows.state.images[int(columns["order"][place])]
                yield Stored(eui, image, SLOT_STATES.get(phase, "RECEIVING"), _expires(rows, number, place, phase))


def places(rows: Rows, number: int) -> list[int]:
    """Where the image of a device stands, and one beside it."""
    pool, own = rows.pool_of(number), rows.place(number)
    first = own >> pool.shift << pool.shift
    columns = pool.memory.columns
    beside = [
        place
        for place in range(first, first + (1 << pool.shift))
        if columns["profile"][place] == BESIDE and columns["party"][place] == own - first
    ]
    return [own, *beside]


def _expires(rows: Rows, number: int, place: int, phase: int) -> int | None:
    memory = rows.pool_of(number).memory
    if not memory.columns["flags"][place] & RESUMES:
        return rows.ms(int(memory.columns["progress"][place])) if phase == phases.READY else None
    nodes = memory.tables["nodes"]
    for at in range(0, len(nodes), NODE_WIDTH):
        if nodes[at + N_KIND] == NODE_EXPIRY and nodes[at + N_ROW] == place and nodes[at + N_DUE] >= 0:
            return rows.ms(int(nodes[at + N_DUE]))
    return None
