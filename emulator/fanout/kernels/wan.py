"""The WAN leg of cellular pools, and what it shares with the radio: tries, back-off, giving up (ota.md 11.3).

A try that finds the hub out of reach costs a wait; a session that breaks off costs a wait and one of the retries. What is not
at its hub when its order's window is over has failed.
"""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    CELL_OUTAGE,
    CELL_WIDTH,
    CH_SESSION_ERROR,
    CH_UNREACHABLE,
    HP_POLICY,
    HP_RATE,
    HP_RESUME,
    HUB_OFF_FLAG,
    HUB_WIDTH,
    NODE_FILL,
    O_PARENT,
    O_SIZE,
    ORDER_WIDTH,
    PP_BACKOFF,
    PP_BACKOFF_MAX,
    PP_DEFER,
    PP_KIND,
    PP_RATE_SPREAD,
    PP_REPAIR_RATE,
    PP_RETRIES,
    PP_SEGMENT_BYTES,
    PP_SESSION_ERROR,
    PP_UNREACHABLE,
    PP_WINDOW_FROM,
    PP_WINDOW_TO,
    REBOOTING,
    RESERVED,
    S_BUSY,
    S_CAPACITY,
    S_DAY,
    S_FILL,
    S_NOW,
    S_OUTAGE,
    S_QUEUED,
    S_RETRY_AT,
    S_SHIFT,
)
from emulator.fanout.kernels.agenda import finish
from emulator.fanout.kernels.chances import happens_at
from emulator.fanout.kernels.draws import below, draw
from emulator.fanout.kernels.han import TRANSFER_FAILURE, arrive, discard, transfer_failed
from emulator.fanout.kernels.queues import enqueue, free_channel, give_back, pop, withdraw
from emulator.fanout.kernels.reports import count, note, sees
from emulator.fanout.kernels.store import could_fit, fits, hinders, next_victim, replaceable, take
from emulator.fanout.kernels.wheel import later, schedule, unlink
from emulator.fanout.phases import (
    BACKED_OFF,
    BACKOFF,
    DEFER,
    DEFERRED,
    EVICT,
    EVICTED,
    FOR_BREAK,
    FOR_DEFER,
    FOR_RATE,
    FOR_SESSION,
    FOR_UNREACHABLE,
    HUB_OFF,
    NO_CHANNEL,
    NO_REASON,
    NONE,
    NOT_DELIVERED,
    PUT_OFF,
    RADIO,
    REPLACED,
    SAW_CSP_FAILED,
    SENDING,
    SESSION_BROKEN,
    SESSION_STARTED,
    SESSIONS_BROKEN,
    STORE_FULL,
    UNREACHABLE,
)

DAY = 86_400


@kernel
def fail(p: Pool, row: int, reason: int) -> int:
    """An image does not come to its hub; the device must be off the agenda and in no queue.

    Of a later part the WAN has nothing to tell any more, for the first came: the hub gives the whole up.
    """
    order = p.order[row]
    if p.orders[order * ORDER_WIDTH + O_PARENT] != order:
        return transfer_failed(p, row, TRANSFER_FAILURE)
    note(p, row, order, NOT_DELIVERED, reason)
    sees(p, row, order, SAW_CSP_FAILED)
    return finish(p, row)


@inlined
def try_key(p: Pool, row: int) -> int:
    """What the draws of one try are keyed by: the order and the tries before."""
    return p.order[row] * 256 + p.tries[row]


@inlined
def out_of_reach(p: Pool, row: int) -> int:
    """Why a hub cannot be reached now, or NO_REASON."""
    hub = row >> p.s[S_SHIFT]
    if p.hub_flags[hub] & (HUB_OFF_FLAG | REBOOTING):
        return HUB_OFF
    if p.cells[p.cell[hub] * CELL_WIDTH + CELL_OUTAGE] > p.s[S_NOW]:
        return UNREACHABLE
    key = try_key(p, row)
    if below(draw(p, row, key, FOR_UNREACHABLE), 1_000) < p.pp[PP_UNREACHABLE]:
        return UNREACHABLE
    return NO_REASON if happens_at(p, CH_UNREACHABLE, row, p.order[row], key) == NONE else UNREACHABLE


@inlined
def breaks(p: Pool, row: int) -> int:
    """Whether the session of this try breaks off; the same whenever it is asked."""
    key = try_key(p, row)
    if below(draw(p, row, key, FOR_SESSION), 1_000) < p.pp[PP_SESSION_ERROR]:
        return 1
    return 0 if happens_at(p, CH_SESSION_ERROR, row, p.order[row], key) == NONE else 1


@inlined
def back_off(p: Pool, row: int, reason: int) -> int:
    """Try again after a wait that doubles, unless the retries or the window are used up."""
    tries = min((p.tries[row] & 15) + 1, 15)
    broken = p.tries[row] >> 4
    p.tries[row] = broken << 4 | tries
    due = p.s[S_NOW] + min(p.pp[PP_BACKOFF] << (tries - 1), p.pp[PP_BACKOFF_MAX])
    if broken > p.pp[PP_RETRIES] or due > p.until[p.order[row]]:
        return fail(p, row, reason)
    count(p, p.order[row], BACKED_OFF)
    p.phase[row] = BACKOFF
    return schedule(p, row, due)


@inlined
def broken_off(p: Pool, row: int) -> int:
    """A session ended before its time; the row is off the agenda, its channel free.

    What came by then is lost to a hub that does not resume; segments of a broadcast are only when its power fails.
    """
    hub = row >> p.s[S_SHIFT]
    note(p, row, p.order[row], SESSION_BROKEN, 0)
    p.tries[row] = min((p.tries[row] >> 4) + 1, 15) << 4 | p.tries[row] & 15
    powerless = p.hub_flags[hub] & (HUB_OFF_FLAG | REBOOTING)
    if not p.hps[p.hub_profile[hub] * HUB_WIDTH + HP_RESUME] and (powerless or p.pp[PP_KIND] != RADIO):
        give_back(p, row)
        p.progress[row] = 0
    return back_off(p, row, SESSIONS_BROKEN)


@kernel
def make_room(p: Pool, row: int) -> int:
    """Let the older image for the same device, and by policy those of others, give way: 1 if that leaves room."""
    if not could_fit(p, row):
        return 0
    shift = p.s[S_SHIFT]
    first = row >> shift << shift
    for other in range(first, first + (1 << shift)):
        if replaceable(p, row, other):
            withdraw(p, other)
            discard(p, other, REPLACED)
    evicts = p.hps[p.hub_profile[row >> shift] * HUB_WIDTH + HP_POLICY] == EVICT
    while evicts and not fits(p, row):
        other = next_victim(p, row)
        if other == NONE:
            return 0
        discard(p, other, EVICTED)
    return fits(p, row)


@inlined
def reserve(p: Pool, row: int) -> int:
    """Take room at the hub: NO_REASON, or why there is none."""
    reason = hinders(p, row)
    if reason != NO_REASON:
        return reason
    if not make_room(p, row):
        return STORE_FULL
    take(p, row)
    return NO_REASON


@kernel
def turned_away(p: Pool, row: int, reason: int) -> int:
    """The hub has no room, or does not want the image."""
    hub = row >> p.s[S_SHIFT]
    # Spread, because those of a broadcast are put off in one tick, and each is taken off the agenda when there is room.
    wait = p.pp[PP_DEFER]
    due = p.s[S_NOW] + wait // 2 + below(draw(p, row, p.s[S_NOW], FOR_DEFER), wait) + 1
    if reason == STORE_FULL and p.hps[p.hub_profile[hub] * HUB_WIDTH + HP_POLICY] == DEFER and due <= p.until[p.order[row]]:
        note(p, row, p.order[row], PUT_OFF, reason)
        p.phase[row] = DEFERRED
        return schedule(p, row, due)
    return fail(p, row, reason)


@inlined
def duration(p: Pool, row: int, size: int, rate: int) -> int:
    """Seconds that so many octets take at a nominal rate, by how good this hub's coverage is."""
    spread = p.pp[PP_RATE_SPREAD]
    permille = 1_000 - spread + below(draw(p, row >> p.s[S_SHIFT] << p.s[S_SHIFT], 0, FOR_RATE), 2 * spread + 1)
    bits = size * 8_000
    speed = max(rate * permille // 1_000, 1) * 1_000
    return max((bits + speed - 1) // speed, 1)


@inlined
def part_before_break(p: Pool, row: int, whole: int) -> int:
    """How much of a whole is done when this try breaks off."""
    return below(draw(p, row, try_key(p, row), FOR_BREAK), 1_024) * whole >> 10


@inlined
def begin_session(p: Pool, row: int) -> int:
    """Try to send to a device that has left its queue."""
    order = p.order[row]
    if p.s[S_NOW] >= p.until[order]:
        return fail(p, row, NO_CHANNEL)
    reason = out_of_reach(p, row)
    if reason != NO_REASON:
        return back_off(p, row, reason)
    hub = row >> p.s[S_SHIFT]
    if p.progress[row] == 0 or not p.flags[row] & RESERVED:
        reason = reserve(p, row)
        if reason != NO_REASON:
            return turned_away(p, row, reason)
        p.progress[row] = p.orders[order * ORDER_WIDTH + O_SIZE]
    count(p, order, SESSION_STARTED)
    p.phase[row] = SENDING
    p.s[S_BUSY] += 1
    seconds = duration(p, row, p.progress[row], p.hps[p.hub_profile[hub] * HUB_WIDTH + HP_RATE])
    if breaks(p, row):
        seconds = part_before_break(p, row, seconds)
    return schedule(p, row, p.s[S_NOW] + seconds)


@inlined
def session_ended(p: Pool, row: int) -> int:
    """The last octet is out, or the session broke off."""
    hub = row >> p.s[S_SHIFT]
    now = p.s[S_NOW]
    p.s[S_BUSY] -= 1
    p.s[S_FILL] = 1
    if breaks(p, row):
        p.progress[row] = max(p.progress[row] - part_before_break(p, row, p.progress[row]), 1)
        return broken_off(p, row)
    if p.s[S_OUTAGE] > now or p.cells[p.cell[hub] * CELL_WIDTH + CELL_OUTAGE] > now:
        return broken_off(p, row)
    return arrive(p, row)


@kernel
def cut_session(p: Pool, row: int) -> int:
    """A transmission to a hub breaks off before its end; of what went out by then, a hub that resumes keeps its share."""
    left = p.due[row] - p.s[S_NOW]
    unlink(p, row)
    free_channel(p, row)
    if p.pp[PP_KIND] == RADIO:
        whole = duration(p, row, p.progress[row] * p.pp[PP_SEGMENT_BYTES], p.pp[PP_REPAIR_RATE])
    else:
        whole = duration(p, row, p.progress[row], p.hps[p.hub_profile[row >> p.s[S_SHIFT]] * HUB_WIDTH + HP_RATE])
    planned = part_before_break(p, row, whole) if breaks(p, row) else whole
    p.progress[row] = max(p.progress[row] - p.progress[row] * max(planned - left, 0) // whole, 1)
    return broken_off(p, row)


@kernel
def lose_segments(p: Pool, row: int) -> int:
    """The power of a hub that does not resume fails: what it has of a broadcast is gone, and it joins anew."""
    if p.phase[row] != BACKOFF:
        withdraw(p, row)
        return broken_off(p, row)
    p.progress[row] = 0
    return give_back(p, row)


@inlined
def wait_over(p: Pool, row: int) -> int:
    """BACKOFF or DEFERRED is over."""
    return enqueue(p, row)


@kernel
def closed_until(p: Pool) -> int:
    """The tick at which transmissions may begin again, or NONE while they may (outage, transmit window)."""
    now = p.s[S_NOW]
    if p.s[S_OUTAGE] > now:
        return p.s[S_OUTAGE]
    opens = p.pp[PP_WINDOW_FROM]
    closes = p.pp[PP_WINDOW_TO]
    second = (now + p.s[S_DAY]) % DAY
    is_open = opens <= second < closes if opens <= closes else second >= opens or second < closes
    return NONE if is_open else now + (opens - second) % DAY


@kernel
def look_again(p: Pool, tick: int) -> int:
    """See to it that waiting transmissions are looked at again at a tick."""
    if p.s[S_RETRY_AT] != tick:
        p.s[S_RETRY_AT] = tick
        later(p, NODE_FILL, 0, NONE, 0, tick)
    return 0


@inlined
def fill(p: Pool) -> int:
    """Begin sessions while there are any free and devices wait."""
    p.s[S_FILL] = 0
    if p.s[S_QUEUED] == 0 or p.s[S_BUSY] >= p.s[S_CAPACITY]:
        return 0
    tick = closed_until(p)
    if tick != NONE:
        return look_again(p, tick)
    while p.s[S_QUEUED] > 0 and p.s[S_BUSY] < p.s[S_CAPACITY]:
        begin_session(p, pop(p))
    p.s[S_FILL] = 0
    return 0
