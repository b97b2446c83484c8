"""The HAN: an image at its hub, the device's question, and the transfer in chunks of steady conditions (ota.md 11.4, 16)."""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    ASKED_IN_VAIN,
    CH_BLOCK_LOSS,
    CH_DROPS_TRANSFER,
    CH_HUB_IMAGE_LOST,
    CH_INVALID_IMAGE,
    CH_NEVER_QUERIES,
    CH_WRONG_OFFSET,
    DEVICE_WIDTH,
    DP_ALT_HAN,
    DP_ALT_HAN_PERMILLE,
    DP_BLOCK_BYTES,
    DP_BLOCK_LOSS,
    DP_BLOCK_RETRIES,
    DP_BLOCKS_PER_S,
    DP_BLOCKS_PER_WAKE,
    DP_CAPACITY,
    DP_CHECK_HARDWARE,
    DP_CHECK_MANUFACTURER,
    DP_CHECK_VERSION,
    DP_CHUNK,
    DP_CHUNK_WAKES,
    DP_HARDWARE,
    DP_MANUFACTURER,
    DP_POLL,
    DP_REPORTS_TRANSFER,
    DP_RESUME,
    DP_SUB_GHZ,
    DP_SUB_GHZ_PERMILLE,
    DP_TAKES_PARTS,
    DP_VERIFY,
    DP_WAKE,
    HP_CHECK_HARDWARE,
    HP_DUTY_BLOCKS,
    HP_EXPIRY,
    HP_EXTENDER_HOMES,
    HUB_WIDTH,
    NODE_EXPIRY,
    O_MANUFACTURER,
    O_MAX_HARDWARE,
    O_MIN_HARDWARE,
    O_NEXT_PART,
    O_PARENT,
    O_SIZE,
    O_TOTAL,
    OFF,
    ORDER_WIDTH,
    RESUMES,
    S_HUBS,
    S_NOW,
    S_SHIFT,
)
from emulator.fanout.kernels.activation import verified
from emulator.fanout.kernels.agenda import adopt, announce, finish, next_wake
from emulator.fanout.kernels.chances import happens
from emulator.fanout.kernels.draws import draw
from emulator.fanout.kernels.queues import enqueue, give_back
from emulator.fanout.kernels.reports import note, report, sees
from emulator.fanout.kernels.store import target_of, version_of
from emulator.fanout.kernels.wheel import later, schedule, unlink
from emulator.fanout.phases import (
    COMMANDED,
    DELIVERED,
    DUTY_LIMITED,
    EXPIRED,
    FOR_BLOCKS,
    IDLE,
    IGNORED,
    IMAGE_LOST,
    IN_ACTIVATION,
    INTERRUPTED,
    NOBODY_ASKS,
    NONE,
    OLDER_OR_EQUAL,
    OTHER_HARDWARE,
    OTHER_MANUFACTURER,
    PART_TRANSFERRED,
    QUERIED,
    READING,
    READY,
    SAW_DELIVERED,
    SAW_TRANSFER_FAILED,
    SAW_TRANSFERRED,
    SERVING,
    TRANSFER_FAILED,
    TRANSFERRED,
    VERIFYING,
)

DISCARDED, HARDWARE_MISMATCH, TRANSFER_FAILURE = 1, 2, 3
"""Codes of CCS08 (ota.md 4, exact)."""
PACE = 100_000
"""Paces are blocks in so many seconds."""
WHOLE = 1 << 32


@kernel
def transfer_failed(p: Pool, row: int, code: int) -> int:
    """The hub gives an image up and reports it (8F89); the device must be off the agenda."""
    target = target_of(p, row)
    order = p.order[row]
    if p.dps[p.profile[target] * DEVICE_WIDTH + DP_REPORTS_TRANSFER]:
        report(p, row, order, TRANSFER_FAILED, code, SAW_TRANSFER_FAILED, 0)
    else:
        note(p, row, order, TRANSFER_FAILED, code)
    return finish(p, row)


@kernel
def discard(p: Pool, row: int, kind: int) -> int:
    """A hub drops an image: ``kind`` says why."""
    unlink(p, row)
    note(p, row, p.order[row], kind, 0)
    return transfer_failed(p, row, DISCARDED)


@kernel
def lose(p: Pool, row: int) -> int:
    """An image that waits is lost without anybody being told."""
    unlink(p, row)
    note(p, row, p.order[row], IMAGE_LOST, 0)
    return finish(p, row)


@inlined
def excluded(p: Pool, row: int) -> int:
    """Whether the hardware versions of an image exclude its device; an image without them is for any."""
    order = p.order[row] * ORDER_WIDTH
    if p.orders[order + O_MIN_HARDWARE] == NONE:
        return 0
    hardware = p.dps[p.profile[target_of(p, row)] * DEVICE_WIDTH + DP_HARDWARE]
    return 0 if p.orders[order + O_MIN_HARDWARE] <= hardware <= p.orders[order + O_MAX_HARDWARE] else 1


@inlined
def arrive(p: Pool, row: int) -> int:
    """The image is complete at the hub. The WAN reports that in any case; what the hub makes of it comes after."""
    order = p.order[row]
    note(p, row, order, DELIVERED, 0)
    sees(p, row, order, SAW_DELIVERED)
    if p.hps[p.hub_profile[row >> p.s[S_SHIFT]] * HUB_WIDTH + HP_CHECK_HARDWARE] and excluded(p, row):
        return transfer_failed(p, row, HARDWARE_MISMATCH)
    if happens(p, CH_HUB_IMAGE_LOST, row, order, 0) != NONE:
        return lose(p, row)
    p.phase[row] = READY
    p.tries[row] = 0
    p.progress[row] = p.s[S_NOW] + p.hps[p.hub_profile[row >> p.s[S_SHIFT]] * HUB_WIDTH + HP_EXPIRY]
    p.flags[row] &= ~(RESUMES | ASKED_IN_VAIN)
    announce(p, row)
    target = target_of(p, row)
    if target != row and (p.phase[target] == IDLE or COMMANDED <= p.phase[target] <= READING):
        adopt(p, target)
    return 0


@inlined
def asked(p: Pool, row: int) -> int:
    """READY is due: the image's time is over, or the device asks (Query Next Image)."""
    now = p.s[S_NOW]
    order = p.order[row]
    if not p.flags[row] & RESUMES and now >= p.progress[row]:
        return discard(p, row, EXPIRED)
    profile = p.profile[row] * DEVICE_WIDTH
    if happens(p, CH_NEVER_QUERIES, row, order, 0) != NONE:
        note(p, row, order, IGNORED, NOBODY_ASKS)
        again = next_wake(p, row, now + p.dps[profile + DP_POLL])
        return schedule(p, row, again if p.flags[row] & RESUMES else min(again, p.progress[row]))
    reason = 0
    made_by = p.orders[order * ORDER_WIDTH + O_MANUFACTURER]
    if p.dps[profile + DP_CHECK_VERSION] and version_of(p, order) <= p.versions[p.running[row]]:
        reason = OLDER_OR_EQUAL
    elif made_by != NONE and p.dps[profile + DP_CHECK_MANUFACTURER] and made_by != p.dps[profile + DP_MANUFACTURER]:
        reason = OTHER_MANUFACTURER
    if reason:
        note(p, row, order, IGNORED, reason)
        p.flags[row] |= ASKED_IN_VAIN
        return announce(p, row)
    note(p, row, order, QUERIED, 0)
    if p.dps[profile + DP_CHECK_HARDWARE] and excluded(p, row):
        # What the answer does not say, the header does, which comes with the first blocks: Upgrade End with INVALID_IMAGE.
        note(p, row, order, IGNORED, OTHER_HARDWARE)
        return transfer_failed(p, row, TRANSFER_FAILURE)
    size = p.orders[order * ORDER_WIDTH + O_TOTAL]
    if size > p.dps[profile + DP_CAPACITY] or happens(p, CH_INVALID_IMAGE, row, order, 0) != NONE:
        return transfer_failed(p, row, TRANSFER_FAILURE)
    p.phase[row] = SERVING
    if not p.flags[row] & RESUMES:
        p.progress[row] = blocks_of(p, row)
    return begin_chunk(p, row)


@inlined
def blocks_of(p: Pool, row: int) -> int:
    """The blocks of the whole image."""
    block = p.dps[p.profile[row] * DEVICE_WIDTH + DP_BLOCK_BYTES]
    return (p.orders[p.order[row] * ORDER_WIDTH + O_SIZE] + block - 1) // block


@inlined
def serving(p: Pool, row: int, column: int) -> int:
    """Devices of the home being served, this one too, for which a column of their profile is as for this one."""
    shift = p.s[S_SHIFT]
    first = row >> shift << shift
    own = p.dps[p.profile[row] * DEVICE_WIDTH + column]
    found = 0
    for other in range(first, first + (1 << shift)):
        if p.phase[other] == SERVING and p.dps[p.profile[other] * DEVICE_WIDTH + column] == own:
            found += 1
    return max(found, 1)


@kernel
def behind_extender(p: Pool, row: int, homes: int) -> int:
    """Devices being served through the same Alt HAN extender, this one too."""
    shift = p.s[S_SHIFT]
    first = (row >> shift) // homes * homes
    last = min(first + homes, p.s[S_HUBS])
    found = 0
    for other in range(first << shift, last << shift):
        if p.phase[other] == SERVING and p.dps[p.profile[other] * DEVICE_WIDTH + DP_ALT_HAN]:
            found += 1
    return max(found, 1)


@inlined
def loss_of(p: Pool, row: int) -> int:
    """Permille of blocks lost."""
    loss = happens(p, CH_BLOCK_LOSS, row, p.order[row], 0)
    return p.dps[p.profile[row] * DEVICE_WIDTH + DP_BLOCK_LOSS] if loss == NONE else min(loss, 999)


@inlined
def pace(p: Pool, row: int) -> int:
    """Blocks in :data:`PACE` seconds under the conditions of now; of a sleepy device while it is awake."""
    profile = p.profile[row] * DEVICE_WIDTH
    hub = p.hub_profile[row >> p.s[S_SHIFT]] * HUB_WIDTH
    found = p.dps[profile + DP_BLOCKS_PER_S] * PACE * (1_000 - loss_of(p, row)) // 1_000
    if p.dps[profile + DP_WAKE] > 0:
        return max(found, 1)
    if p.dps[profile + DP_SUB_GHZ]:
        found = found * p.dps[profile + DP_SUB_GHZ_PERMILLE] // 1_000
    if p.dps[profile + DP_ALT_HAN]:
        found = found * p.dps[profile + DP_ALT_HAN_PERMILLE] // 1_000
        if p.hps[hub + HP_EXTENDER_HOMES] > 0:
            return max(found // behind_extender(p, row, p.hps[hub + HP_EXTENDER_HOMES]), 1)
    return max(found // serving(p, row, DP_SUB_GHZ), 1)


@kernel
def duty_pace(p: Pool, row: int) -> int:
    """The pace that the sub-GHz radio's duty cycle leaves to each device, or NONE without limit."""
    blocks = p.hps[p.hub_profile[row >> p.s[S_SHIFT]] * HUB_WIDTH + HP_DUTY_BLOCKS]
    if blocks == 0 or not p.dps[p.profile[row] * DEVICE_WIDTH + DP_SUB_GHZ]:
        return NONE
    return max(blocks * PACE // (3_600 * serving(p, row, DP_SUB_GHZ)), 1)


@inlined
def begin_chunk(p: Pool, row: int) -> int:
    """Fix the conditions for a while and put the end of it on the agenda; ``progress`` becomes what is left after it."""
    profile = p.profile[row] * DEVICE_WIDTH
    now = p.s[S_NOW]
    limit = duty_pace(p, row) if p.dps[profile + DP_SUB_GHZ] else NONE
    if p.dps[profile + DP_WAKE] > 0:
        return begin_wakes(p, row, limit)
    speed = pace(p, row)
    if limit != NONE and limit < speed:
        note(p, row, p.order[row], DUTY_LIMITED, 0)
        speed = limit
    left = p.progress[row]
    want = max(min(left, speed * p.dps[profile + DP_CHUNK] // PACE), 1)
    p.progress[row] = left - want
    return schedule(p, row, now + (want * PACE + speed - 1) // speed)


@inlined
def per_wake(p: Pool, row: int, limit: int) -> int:
    """Blocks that a sleepy device gets at one wake-up."""
    profile = p.profile[row] * DEVICE_WIDTH
    found = p.dps[profile + DP_BLOCKS_PER_WAKE] * (1_000 - loss_of(p, row)) // 1_000
    if limit != NONE:
        found = min(found, limit * p.dps[profile + DP_WAKE] // PACE)
    return max(found, 1)


@inlined
def begin_wakes(p: Pool, row: int, limit: int) -> int:
    """The same of a sleepy device, that takes its blocks at wake-ups, the first of them now."""
    profile = p.profile[row] * DEVICE_WIDTH
    each = per_wake(p, row, limit)
    if limit != NONE and each < p.dps[profile + DP_BLOCKS_PER_WAKE] // 2:
        note(p, row, p.order[row], DUTY_LIMITED, 0)
    left = p.progress[row]
    want = min(left, each * p.dps[profile + DP_CHUNK_WAKES])
    p.progress[row] = left - want
    wake = p.dps[profile + DP_WAKE]
    if want < left:
        return schedule(p, row, p.s[S_NOW] + p.dps[profile + DP_CHUNK_WAKES] * wake)
    wakes = (want + each - 1) // each
    rest = (want - (wakes - 1) * each) * PACE // pace(p, row)
    return schedule(p, row, p.s[S_NOW] + (wakes - 1) * wake + max(rest, 1))


@kernel
def outstanding(p: Pool, row: int) -> int:
    """Blocks of the running chunk that have not come by now, at the pace of now."""
    seconds = p.due[row] - p.s[S_NOW]
    wake = p.dps[p.profile[row] * DEVICE_WIDTH + DP_WAKE]
    if wake > 0:
        limit = duty_pace(p, row)
        return (seconds + wake - 1) // wake * per_wake(p, row, limit)
    return seconds * pace(p, row) // PACE


@kernel
def interrupt(p: Pool, row: int) -> int:
    """A transfer breaks off and waits at the hub again (power, HAN, restart of the hub), to go on or to begin anew.

    Its time at the hub counts from the first break: nobody noted when it arrived.
    """
    profile = p.profile[row] * DEVICE_WIDTH
    if p.due[row] != NONE:
        p.progress[row] += outstanding(p, row)
        unlink(p, row)
    p.phase[row] = READY
    expires = p.s[S_NOW] + p.hps[p.hub_profile[row >> p.s[S_SHIFT]] * HUB_WIDTH + HP_EXPIRY]
    whole = blocks_of(p, row)
    p.progress[row] = max(min(p.progress[row], whole), 1) if p.dps[profile + DP_RESUME] else whole
    if not p.flags[row] & RESUMES:
        p.flags[row] |= RESUMES
        later(p, NODE_EXPIRY, row, p.order[row], 0, expires)
    note(p, row, p.order[row], INTERRUPTED, 0)
    return announce(p, row)


@kernel
def expire_resumed(p: Pool, row: int, order: int) -> int:
    """The expiry of an image whose transfer was broken off; one being served is looked at when that ends."""
    if p.order[row] != order or not p.flags[row] & RESUMES:
        return 0
    if p.phase[row] == SERVING:
        later(p, NODE_EXPIRY, row, order, 0, max(p.due[row], p.s[S_NOW]) + 1)
    elif p.phase[row] == READY:
        discard(p, row, EXPIRED)
    return 0


@inlined
def aborts(p: Pool, row: int) -> int:
    """Whether a block was lost more often in a row than it is repeated; by the bound over the blocks of a chunk (L090)."""
    profile = p.profile[row] * DEVICE_WIDTH
    loss = loss_of(p, row)
    if loss < 100:
        return 0
    chance = WHOLE
    for _ in range(p.dps[profile + DP_BLOCK_RETRIES] + 1):
        chance = chance * loss // 1_000
    blocks = p.dps[profile + DP_BLOCKS_PER_S] * p.dps[profile + DP_CHUNK]
    if p.dps[profile + DP_WAKE] > 0:
        blocks = p.dps[profile + DP_BLOCKS_PER_WAKE] * p.dps[profile + DP_CHUNK_WAKES]
    blocks = min(blocks, blocks_of(p, row) - p.progress[row])
    return 1 if draw(p, row, p.s[S_NOW], FOR_BLOCKS) < min(chance * blocks, WHOLE) else 0


@inlined
def chunk_ended(p: Pool, row: int) -> int:
    """The end of a chunk: on with the next, or all blocks are there (Upgrade End)."""
    order = p.order[row]
    if happens(p, CH_DROPS_TRANSFER, row, order, 0) != NONE or aborts(p, row):
        return transfer_failed(p, row, TRANSFER_FAILURE)
    if happens(p, CH_WRONG_OFFSET, row, order, 0) != NONE:
        note(p, row, order, INTERRUPTED, 0)
        p.progress[row] = blocks_of(p, row)
    if p.progress[row] > 0:
        return begin_chunk(p, row)
    part = p.orders[order * ORDER_WIDTH + O_NEXT_PART]
    if part != NONE and not p.dps[p.profile[row] * DEVICE_WIDTH + DP_TAKES_PARTS]:
        return transfer_failed(p, row, TRANSFER_FAILURE)
    give_back(p, row)
    p.flags[row] &= ~(RESUMES | ASKED_IN_VAIN)
    if part != NONE:
        note(p, row, order, PART_TRANSFERRED, 0)
        p.order[row] = part
        p.tries[row] = 0
        return enqueue(p, row)
    p.order[row] = p.orders[order * ORDER_WIDTH + O_PARENT]
    if p.dps[p.profile[row] * DEVICE_WIDTH + DP_REPORTS_TRANSFER]:
        report(p, row, order, TRANSFERRED, 0, SAW_TRANSFERRED, 0)
    else:
        note(p, row, order, TRANSFERRED, 0)
    p.phase[row] = VERIFYING
    wait = p.dps[p.profile[row] * DEVICE_WIDTH + DP_VERIFY]
    return verified(p, row) if wait == 0 else schedule(p, row, p.s[S_NOW] + wait)


@inlined
def verification_due(p: Pool, row: int) -> int:
    """The check is done; not while the device restarts into an earlier image or has no power."""
    if p.firmware[row] == IN_ACTIVATION or p.flags[row] & OFF:
        return schedule(p, row, p.s[S_NOW] + 60)
    return verified(p, row)
