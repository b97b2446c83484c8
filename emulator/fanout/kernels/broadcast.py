"""The WAN leg of the radio region: broadcasts in rounds, then repair of what is missing hub by hub (ota.md 11.3).

One cast is one order in one cell and holds one of the cell's channels. A hub has every segment after round r with the chance
``(1 - loss**r) ** segments``, which tables give; a hub that comes after a round has begun takes part from the next one. What is
missing after its last round is sent to it alone, on the same channels.
"""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import kernel
from emulator.fanout.fields import (
    CELL_BUSY,
    CELL_CAPACITY,
    CELL_CASTS,
    CELL_CASTS_TAIL,
    CELL_FILL,
    CELL_LANE,
    CELL_OUTAGE,
    CELL_REPAIR,
    CELL_REPAIR_TAIL,
    CELL_TURN,
    CELL_WAITING,
    CELL_WANTS,
    CELL_WIDTH,
    CH_SEGMENT_LOSS,
    HUB_OFF_FLAG,
    JOINING,
    LANES,
    MAX_ROUNDS,
    MISSING_STEPS,
    N_A,
    N_HEAD,
    N_JOIN,
    N_JOIN_TAIL,
    N_NEXT,
    N_ORDER,
    N_ROW,
    N_TAIL,
    NODE_WIDTH,
    O_LANE,
    O_PRIORITY,
    O_SIZE,
    ON_AIR,
    ORDER_WIDTH,
    PP_BROADCAST_RATE,
    PP_BROADCAST_ROUNDS,
    PP_REPAIR_RATE,
    PP_SEGMENT_BYTES,
    REBOOTING,
    RESERVED,
    S_CELL_FILL,
    S_NOW,
    S_OUTAGE,
    S_SHIFT,
    WAITING,
)
from emulator.fanout.kernels.chances import happens_at
from emulator.fanout.kernels.draws import below, draw
from emulator.fanout.kernels.han import arrive
from emulator.fanout.kernels.queues import append, want_cell
from emulator.fanout.kernels.reports import count
from emulator.fanout.kernels.wan import (
    back_off,
    breaks,
    broken_off,
    closed_until,
    duration,
    fail,
    look_again,
    out_of_reach,
    part_before_break,
    reserve,
    turned_away,
)
from emulator.fanout.kernels.wheel import free_node, schedule, schedule_node
from emulator.fanout.phases import (
    CAST_STARTED,
    FOR_MISSING,
    FOR_SEGMENTS,
    NO_CHANNEL,
    NO_REASON,
    NONE,
    REPAIR,
    REPAIRING,
    ROUND_ENDED,
    SEGMENTS_LOST,
    UNREACHABLE,
)

WHOLE = 1 << 32


@kernel
def air_time(p: Pool, order: int) -> int:
    """Seconds of one round."""
    bits = p.orders[order * ORDER_WIDTH + O_SIZE] * 8
    return max((bits + p.pp[PP_BROADCAST_RATE] - 1) // p.pp[PP_BROADCAST_RATE], 1)


@kernel
def join(p: Pool, row: int) -> int:
    """A hub begins to listen to a cast: 1, or 0 when it left it."""
    if p.s[S_NOW] >= p.until[p.order[row]]:
        fail(p, row, NO_CHANNEL)
        return 0
    reason = out_of_reach(p, row)
    if reason != NO_REASON:
        back_off(p, row, reason)
        return 0
    if not p.flags[row] & RESERVED:
        reason = reserve(p, row)
        if reason != NO_REASON:
            turned_away(p, row, reason)
            return 0
    p.tries[row] = 0
    return 1


@kernel
def begin_round(p: Pool, node: int) -> int:
    """Let those who wait join, and send; a cast that nobody listens to ends."""
    at = node * NODE_WIDTH
    row = p.nodes[at + N_JOIN]
    p.nodes[at + N_JOIN] = NONE
    p.nodes[at + N_JOIN_TAIL] = NONE
    while row != NONE:
        after = p.link[row]
        p.link[row] = NONE
        if join(p, row):
            append(p, at + N_HEAD, 1, row)
        row = after
    if p.nodes[at + N_HEAD] == NONE:
        return end_cast(p, node)
    if p.nodes[at + N_A] == JOINING:
        count(p, p.nodes[at + N_ORDER], CAST_STARTED)
    p.nodes[at + N_A] = ON_AIR
    return schedule_node(p, node, p.s[S_NOW] + air_time(p, p.nodes[at + N_ORDER]))


@kernel
def end_cast(p: Pool, node: int) -> int:
    """A cast gives its channel back and is forgotten."""
    cell = p.nodes[node * NODE_WIDTH + N_ROW]
    at = cell * CELL_WIDTH
    before, found = NONE, p.cells[at + CELL_CASTS]
    while found != node:
        before, found = found, p.nodes[found * NODE_WIDTH + N_NEXT]
    after = p.nodes[node * NODE_WIDTH + N_NEXT]
    if before == NONE:
        p.cells[at + CELL_CASTS] = after
    else:
        p.nodes[before * NODE_WIDTH + N_NEXT] = after
    if p.cells[at + CELL_CASTS_TAIL] == node:
        p.cells[at + CELL_CASTS_TAIL] = before
    if p.nodes[node * NODE_WIDTH + N_A] == WAITING:
        p.cells[at + CELL_WAITING] -= 1
    else:
        p.cells[at + CELL_BUSY] -= 1
    free_node(p, node)
    return want_cell(p, cell)


@kernel
def loss_chance(p: Pool, order: int, loss: int, rounds: int) -> int:
    """The chance of 2**32 that a hub with this loss has every segment after so many rounds."""
    missed = WHOLE
    for _ in range(rounds):
        missed = missed * loss // 1_000
    segments = (p.orders[order * ORDER_WIDTH + O_SIZE] + p.pp[PP_SEGMENT_BYTES] - 1) // p.pp[PP_SEGMENT_BYTES]
    chance, power = WHOLE >> 1, (WHOLE - missed) >> 1
    while segments > 0:
        if segments & 1:
            chance = chance * power >> 31
        power = power * power >> 31
        segments >>= 1
    return chance << 1


@kernel
def score(p: Pool, row: int, order: int) -> int:
    """A round is over for a member: 1 if it listens to the next."""
    hub = row >> p.s[S_SHIFT]
    rounds = min(p.tries[row] + 1, MAX_ROUNDS)
    p.tries[row] = rounds
    chance = p.complete[order * MAX_ROUNDS + rounds - 1]
    loss = happens_at(p, CH_SEGMENT_LOSS, row, order, order)
    if loss != NONE:
        chance = loss_chance(p, order, min(loss, 1_000), rounds)
    heard = not p.hub_flags[hub] & (HUB_OFF_FLAG | REBOOTING)
    if heard and draw(p, row, order, FOR_SEGMENTS) < chance:
        p.tries[row] = 0
        arrive(p, row)
        return 0
    if rounds < p.pp[PP_BROADCAST_ROUNDS]:
        return 1
    p.tries[row] = 0
    p.progress[row] = missing_segments(p, row, order, heard, loss)
    p.phase[row] = REPAIR
    cell = p.cell[hub]
    append(p, cell * CELL_WIDTH + CELL_REPAIR, 0, row)
    want_cell(p, cell)
    return 0


@kernel
def missing_segments(p: Pool, row: int, order: int, heard: int, loss: int) -> int:
    """How many segments a member lacks after its last round, at least one."""
    segments = (p.orders[order * ORDER_WIDTH + O_SIZE] + p.pp[PP_SEGMENT_BYTES] - 1) // p.pp[PP_SEGMENT_BYTES]
    if not heard:
        return segments
    if loss == NONE:
        return p.missing[order * MISSING_STEPS + below(draw(p, row, order, FOR_MISSING), MISSING_STEPS)]
    for _ in range(p.pp[PP_BROADCAST_ROUNDS]):
        segments = (segments * min(loss, 1_000) + 999) // 1_000
    return max(segments, 1)


@kernel
def cast_event(p: Pool, node: int) -> int:
    """A cast is due: its first round begins, or a round is over."""
    at = node * NODE_WIDTH
    if p.nodes[at + N_A] == JOINING:
        return begin_round(p, node)
    cell = p.nodes[at + N_ROW]
    order = p.nodes[at + N_ORDER]
    dark = max(p.s[S_OUTAGE], p.cells[cell * CELL_WIDTH + CELL_OUTAGE])
    if dark > p.s[S_NOW]:
        return schedule_node(p, node, dark + air_time(p, order))
    count(p, order, ROUND_ENDED)
    row = p.nodes[at + N_HEAD]
    p.nodes[at + N_HEAD] = NONE
    p.nodes[at + N_TAIL] = NONE
    while row != NONE:
        after = p.link[row]
        p.link[row] = NONE
        if score(p, row, order):
            append(p, at + N_HEAD, 1, row)
        row = after
    return begin_round(p, node)


@kernel
def next_cast(p: Pool, cell: int) -> int:
    """The cast whose turn it is: the most urgent, then the next party after the last one served, then the oldest."""
    at = cell * CELL_WIDTH
    last = p.cells[at + CELL_LANE]
    found, least = NONE, 0
    node = p.cells[at + CELL_CASTS]
    while node != NONE:
        if p.nodes[node * NODE_WIDTH + N_A] == WAITING:
            order = p.nodes[node * NODE_WIDTH + N_ORDER] * ORDER_WIDTH
            turn = p.orders[order + O_PRIORITY] * LANES + (p.orders[order + O_LANE] - last - 1) % LANES
            if found == NONE or turn < least:
                found, least = node, turn
        node = p.nodes[node * NODE_WIDTH + N_NEXT]
    return found


@kernel
def begin_cast(p: Pool, cell: int) -> int:
    """Give a channel to the cast whose turn it is."""
    node = next_cast(p, cell)
    at = cell * CELL_WIDTH
    order = p.nodes[node * NODE_WIDTH + N_ORDER]
    p.cells[at + CELL_WAITING] -= 1
    p.cells[at + CELL_BUSY] += 1
    p.cells[at + CELL_LANE] = p.orders[order * ORDER_WIDTH + O_LANE]
    p.nodes[node * NODE_WIDTH + N_A] = JOINING
    return begin_round(p, node)


@kernel
def begin_repair(p: Pool, cell: int) -> int:
    """Give a channel to the hub that has waited longest for what it lacks."""
    at = cell * CELL_WIDTH
    row = p.cells[at + CELL_REPAIR]
    p.cells[at + CELL_REPAIR] = p.link[row]
    if p.link[row] == NONE:
        p.cells[at + CELL_REPAIR_TAIL] = NONE
    p.link[row] = NONE
    if p.s[S_NOW] >= p.until[p.order[row]]:
        return fail(p, row, SEGMENTS_LOST)
    if out_of_reach(p, row) != NO_REASON:
        return back_off(p, row, UNREACHABLE)
    p.phase[row] = REPAIRING
    p.cells[at + CELL_BUSY] += 1
    seconds = duration(p, row, p.progress[row] * p.pp[PP_SEGMENT_BYTES], p.pp[PP_REPAIR_RATE])
    if breaks(p, row):
        seconds = part_before_break(p, row, seconds)
    return schedule(p, row, p.s[S_NOW] + seconds)


@kernel
def repair_ended(p: Pool, row: int) -> int:
    """The last missing segment is out, or the repair broke off."""
    cell = p.cell[row >> p.s[S_SHIFT]]
    p.cells[cell * CELL_WIDTH + CELL_BUSY] -= 1
    want_cell(p, cell)
    if breaks(p, row):
        p.progress[row] = max(p.progress[row] - part_before_break(p, row, p.progress[row]), 1)
        return broken_off(p, row)
    if max(p.s[S_OUTAGE], p.cells[cell * CELL_WIDTH + CELL_OUTAGE]) > p.s[S_NOW]:
        return broken_off(p, row)
    return arrive(p, row)


@kernel
def fill_cell(p: Pool) -> int:
    """Begin casts and repairs, in turns, while channels of a cell are free."""
    cell = p.s[S_CELL_FILL]
    at = cell * CELL_WIDTH
    p.s[S_CELL_FILL] = p.cells[at + CELL_FILL]
    p.cells[at + CELL_WANTS] = 0
    if p.cells[at + CELL_WAITING] == 0 and p.cells[at + CELL_REPAIR] == NONE:
        return 0
    tick = max(closed_until(p), p.cells[at + CELL_OUTAGE])
    if tick > p.s[S_NOW]:
        return look_again(p, tick)
    while p.cells[at + CELL_BUSY] < p.cells[at + CELL_CAPACITY]:
        casts = p.cells[at + CELL_WAITING] > 0
        repairs = p.cells[at + CELL_REPAIR] != NONE
        if not casts and not repairs:
            return 0
        p.cells[at + CELL_TURN] ^= 1
        if casts and (p.cells[at + CELL_TURN] or not repairs):
            begin_cast(p, cell)
        else:
            begin_repair(p, cell)
    return 0


@kernel
def wake_cells(p: Pool, cells: int) -> int:
    """A window opened or an outage ended: look at every cell again."""
    for cell in range(cells):
        want_cell(p, cell)
    return 0
