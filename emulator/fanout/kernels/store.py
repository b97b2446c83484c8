"""The image store of a hub: octets and slots, shared by all devices of the home (ota.md 11.4).

Room is taken when a WAN transfer starts and given back when the device has the image or the image is dropped. An older image
for the same device gives way; for others the hub's policy decides.
"""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    BESIDE,
    CH_STORE_FULL,
    DEVICE_WIDTH,
    DP_TYPE,
    HP_DISTRIBUTES_TO,
    HP_MAX_IMAGE,
    HP_POLICY,
    HP_SLOTS,
    HP_STORE,
    HUB_WIDTH,
    O_FORCE_REPLACE,
    O_SIZE,
    O_VERSION,
    ORDER_WIDTH,
    RESERVED,
    RESUMES,
    S_SHIFT,
)
from emulator.fanout.kernels.chances import happens
from emulator.fanout.phases import (
    EVICT,
    HUB_UNSUITED,
    NEWER_HELD,
    NO_REASON,
    NONE,
    READY,
    SERVING,
    STORE_FULL,
    TOO_LARGE,
    VERIFYING,
)


@inlined
def target_of(p: Pool, row: int) -> int:
    """The device that an image is for: the row itself, or the one beside which it lies."""
    if p.profile[row] != BESIDE:
        return row
    shift = p.s[S_SHIFT]
    return row >> shift << shift | p.party[row]


@inlined
def release(p: Pool, row: int) -> int:
    """Give back the room of an image, if it has any."""
    if p.flags[row] & RESERVED:
        hub = row >> p.s[S_SHIFT]
        p.used[hub] -= p.orders[p.order[row] * ORDER_WIDTH + O_SIZE]
        p.slots[hub] -= 1
        p.flags[row] ^= RESERVED
    return 0


@inlined
def take(p: Pool, row: int) -> int:
    """Take room for an image."""
    hub = row >> p.s[S_SHIFT]
    p.used[hub] += p.orders[p.order[row] * ORDER_WIDTH + O_SIZE]
    p.slots[hub] += 1
    p.flags[row] |= RESERVED
    return 0


@inlined
def version_of(p: Pool, order: int) -> int:
    """The version that an order brings."""
    return p.versions[p.orders[order * ORDER_WIDTH + O_VERSION]]


@inlined
def fits(p: Pool, row: int) -> int:
    """Whether there is room as things are."""
    hub = row >> p.s[S_SHIFT]
    profile = p.hub_profile[hub] * HUB_WIDTH
    size = p.orders[p.order[row] * ORDER_WIDTH + O_SIZE]
    if p.slots[hub] + 1 > p.hps[profile + HP_SLOTS] or p.used[hub] + size > p.hps[profile + HP_STORE]:
        return 0
    return 1


@inlined
def replaceable(p: Pool, row: int, other: int) -> int:
    """Whether ``other`` holds room for an image that gives way to that of ``row``."""
    if other == row or not p.flags[other] & RESERVED or p.phase[other] == SERVING or p.phase[other] == VERIFYING:
        return 0
    return 1 if target_of(p, other) == target_of(p, row) else 0


@kernel
def next_victim(p: Pool, row: int) -> int:
    """The image that has waited longest among those that policy evict gives up, or NONE."""
    shift = p.s[S_SHIFT]
    first = row >> shift << shift
    found = NONE
    for other in range(first, first + (1 << shift)):
        waits = other != row and p.phase[other] == READY and p.flags[other] & RESERVED
        if waits and (found == NONE or waits_longer(p, other, found)):
            found = other
    return found


@inlined
def waits_longer(p: Pool, row: int, other: int) -> int:
    """Whether an image expires before another; those whose transfer was broken off come last."""
    if p.flags[row] & RESUMES:
        return 0
    return 1 if p.flags[other] & RESUMES or p.progress[row] < p.progress[other] else 0


@kernel
def hinders(p: Pool, row: int) -> int:
    """Why a hub does not take an image whatever room it has, or NO_REASON."""
    hub = row >> p.s[S_SHIFT]
    shift = p.s[S_SHIFT]
    profile = p.hub_profile[hub] * HUB_WIDTH
    order = p.order[row]
    if p.orders[order * ORDER_WIDTH + O_SIZE] > p.hps[profile + HP_MAX_IMAGE]:
        return TOO_LARGE
    device_type = p.dps[p.profile[target_of(p, row)] * DEVICE_WIDTH + DP_TYPE]
    mask = p.hps[profile + HP_DISTRIBUTES_TO]
    if mask >= 0 and not mask >> device_type & 1:
        return HUB_UNSUITED
    if happens(p, CH_STORE_FULL, row, order, 0) != NONE:
        return STORE_FULL
    if p.orders[order * ORDER_WIDTH + O_FORCE_REPLACE]:
        return NO_REASON
    for other in range(hub << shift, (hub + 1) << shift):
        if replaceable(p, row, other) and version_of(p, p.order[other]) >= version_of(p, order):
            return NEWER_HELD
    return NO_REASON


@kernel
def could_fit(p: Pool, row: int) -> int:
    """Whether there would be room once everything that may give way has done so."""
    shift = p.s[S_SHIFT]
    hub = row >> shift
    profile = p.hub_profile[hub] * HUB_WIDTH
    slots = p.slots[hub]
    used = p.used[hub]
    for other in range(hub << shift, (hub + 1) << shift):
        evictable = p.hps[profile + HP_POLICY] == EVICT and other != row and p.phase[other] == READY
        if replaceable(p, row, other) or (evictable and p.flags[other] & RESERVED):
            slots -= 1
            used -= p.orders[p.order[other] * ORDER_WIDTH + O_SIZE]
    size = p.orders[p.order[row] * ORDER_WIDTH + O_SIZE]
    return 1 if slots + 1 <= p.hps[profile + HP_SLOTS] and used + size <= p.hps[profile + HP_STORE] else 0
