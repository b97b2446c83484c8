"""Who waits for capacity: a queue per priority and sending party, served in turn; on the radio the casts of a cell."""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    CELL_BUSY,
    CELL_CASTS,
    CELL_CASTS_TAIL,
    CELL_FILL,
    CELL_REPAIR,
    CELL_WAITING,
    CELL_WANTS,
    CELL_WIDTH,
    LANES,
    N_HEAD,
    N_JOIN,
    N_NEXT,
    N_ORDER,
    NODE_CAST,
    NODE_WIDTH,
    O_LANE,
    O_PRIORITY,
    ORDER_WIDTH,
    PP_KIND,
    Q_COUNT,
    Q_HEAD,
    Q_TAIL,
    Q_TURN,
    Q_TURNS,
    QUEUE_WIDTH,
    RESERVED,
    S_BUSY,
    S_CELL_FILL,
    S_FILL,
    S_LANES,
    S_QUEUED,
    S_SHIFT,
    TURN_WIDTH,
)
from emulator.fanout.kernels.store import release
from emulator.fanout.kernels.wheel import new_node, unlink
from emulator.fanout.phases import CASTING, DEFERRED, NONE, QUEUED, RADIO, REPAIR, REPAIRING, SENDING


@inlined
def push(p: Pool, row: int) -> int:
    """Put a device at the end of its party's queue."""
    at = p.order[row] * ORDER_WIDTH
    priority = p.orders[at + O_PRIORITY]
    queue = (priority * LANES + p.orders[at + O_LANE]) * QUEUE_WIDTH
    last = p.queues[queue + Q_TAIL]
    p.link[row] = NONE
    if last == NONE:
        p.queues[queue + Q_HEAD] = row
    else:
        p.link[last] = row
    p.queues[queue + Q_TAIL] = row
    p.queues[Q_TURNS + priority * TURN_WIDTH + Q_COUNT] += 1
    p.s[S_QUEUED] += 1
    return 0


@inlined
def pop(p: Pool) -> int:
    """Take the device whose turn it is; somebody must wait."""
    priority = 0
    while p.queues[Q_TURNS + priority * TURN_WIDTH + Q_COUNT] == 0:
        priority += 1
    turns = Q_TURNS + priority * TURN_WIDTH
    lanes = p.s[S_LANES]
    lane = p.queues[turns + Q_TURN]
    queue = 0
    row = NONE
    while row == NONE:
        lane = lane + 1 if lane + 1 < lanes else 0
        queue = (priority * LANES + lane) * QUEUE_WIDTH
        row = p.queues[queue + Q_HEAD]
    p.queues[turns + Q_TURN] = lane
    p.queues[turns + Q_COUNT] -= 1
    p.s[S_QUEUED] -= 1
    p.queues[queue + Q_HEAD] = p.link[row]
    if p.link[row] == NONE:
        p.queues[queue + Q_TAIL] = NONE
    p.link[row] = NONE
    return row


@kernel
def leave_queue(p: Pool, row: int) -> int:
    """Take a device out of its queue, wherever it stands."""
    at = p.order[row] * ORDER_WIDTH
    priority = p.orders[at + O_PRIORITY]
    queue = (priority * LANES + p.orders[at + O_LANE]) * QUEUE_WIDTH
    before = NONE
    found = p.queues[queue + Q_HEAD]
    while found != row:
        before, found = found, p.link[found]
    if before == NONE:
        p.queues[queue + Q_HEAD] = p.link[row]
    else:
        p.link[before] = p.link[row]
    if p.queues[queue + Q_TAIL] == row:
        p.queues[queue + Q_TAIL] = before
    p.queues[Q_TURNS + priority * TURN_WIDTH + Q_COUNT] -= 1
    p.s[S_QUEUED] -= 1
    p.link[row] = NONE
    return 0


@kernel
def want_cell(p: Pool, cell: int) -> int:
    """Remember that a channel of a cell may be free for somebody who waits."""
    at = cell * CELL_WIDTH
    if p.cells[at + CELL_WANTS] == 0:
        p.cells[at + CELL_WANTS] = 1
        p.cells[at + CELL_FILL] = p.s[S_CELL_FILL]
        p.s[S_CELL_FILL] = cell
    return 0


@kernel
def append(p: Pool, table_at: int, in_node: int, row: int) -> int:
    """Put a device at the end of a list whose head and tail lie side by side in a node or a cell."""
    table = p.nodes if in_node else p.cells
    last = table[table_at + 1]
    p.link[row] = NONE
    if last == NONE:
        table[table_at] = row
    else:
        p.link[last] = row
    table[table_at + 1] = row
    return 0


@kernel
def take_out(p: Pool, table_at: int, in_node: int, row: int) -> int:
    """Take a device out of such a list: 1, or 0 if it is not in it."""
    table = p.nodes if in_node else p.cells
    before, found = NONE, table[table_at]
    while found != row and found != NONE:
        before, found = found, p.link[found]
    if found == NONE:
        return 0
    if before == NONE:
        table[table_at] = p.link[row]
    else:
        p.link[before] = p.link[row]
    if table[table_at + 1] == row:
        table[table_at + 1] = before
    p.link[row] = NONE
    return 1


@kernel
def cast_for(p: Pool, cell: int, order: int) -> int:
    """The broadcast of an order in a cell, made when there is none."""
    at = cell * CELL_WIDTH
    node = p.cells[at + CELL_CASTS]
    while node != NONE:
        if p.nodes[node * NODE_WIDTH + N_ORDER] == order:
            return node
        node = p.nodes[node * NODE_WIDTH + N_NEXT]
    node = new_node(p, NODE_CAST, cell, order, 0, 0)
    if p.cells[at + CELL_CASTS] == NONE:
        p.cells[at + CELL_CASTS] = node
    else:
        p.nodes[p.cells[at + CELL_CASTS_TAIL] * NODE_WIDTH + N_NEXT] = node
    p.cells[at + CELL_CASTS_TAIL] = node
    p.cells[at + CELL_WAITING] += 1
    want_cell(p, cell)
    return node


@kernel
def enqueue_radio(p: Pool, row: int) -> int:
    """Join the broadcast of one's order, or wait for what the broadcast left out."""
    cell = p.cell[row >> p.s[S_SHIFT]]
    if p.progress[row] > 0:
        p.phase[row] = REPAIR
        append(p, cell * CELL_WIDTH + CELL_REPAIR, 0, row)
        want_cell(p, cell)
        return 0
    p.phase[row] = CASTING
    node = cast_for(p, cell, p.order[row])
    append(p, node * NODE_WIDTH + N_JOIN, 1, row)
    return 0


@inlined
def enqueue(p: Pool, row: int) -> int:
    """Let a device wait for capacity; ``progress`` says what is left, 0 everything."""
    if p.pp[PP_KIND] == RADIO:
        return enqueue_radio(p, row)
    p.phase[row] = QUEUED
    push(p, row)
    p.s[S_FILL] = 1
    return 0


@inlined
def free_channel(p: Pool, row: int) -> int:
    """A transmission to a device is over."""
    if p.pp[PP_KIND] == RADIO:
        cell = p.cell[row >> p.s[S_SHIFT]]
        p.cells[cell * CELL_WIDTH + CELL_BUSY] -= 1
        want_cell(p, cell)
    else:
        p.s[S_BUSY] -= 1
        p.s[S_FILL] = 1
    return 0


@kernel
def leave_cell(p: Pool, row: int) -> int:
    """Take a device out of the cast or the repair list of its cell."""
    at = p.cell[row >> p.s[S_SHIFT]] * CELL_WIDTH
    if take_out(p, at + CELL_REPAIR, 0, row):
        return 1
    node = p.cells[at + CELL_CASTS]
    while node != NONE:
        if p.nodes[node * NODE_WIDTH + N_ORDER] == p.order[row]:
            return take_out(p, node * NODE_WIDTH + N_JOIN, 1, row) or take_out(p, node * NODE_WIDTH + N_HEAD, 1, row)
        node = p.nodes[node * NODE_WIDTH + N_NEXT]
    return 0


@kernel
def withdraw(p: Pool, row: int) -> int:
    """Take a device off the agenda and out of whatever it waits in, and free its channel."""
    phase = p.phase[row]
    if phase == QUEUED:
        return leave_queue(p, row)
    if phase in (CASTING, REPAIR):
        return leave_cell(p, row)
    if phase in (SENDING, REPAIRING):
        free_channel(p, row)
    return unlink(p, row)


@kernel
def try_deferred(p: Pool, first: int) -> int:
    """Room was given back at a hub: those that were put off for want of it may try again."""
    for row in range(first, first + (1 << p.s[S_SHIFT])):
        if p.phase[row] == DEFERRED:
            unlink(p, row)
            enqueue(p, row)
    return 0


@inlined
def give_back(p: Pool, row: int) -> int:
    """Give back the room of an image, if it has any, to those who wait for it."""
    if not p.flags[row] & RESERVED:
        return 0
    release(p, row)
    shift = p.s[S_SHIFT]
    first = row >> shift << shift
    waiting = 0
    for other in range(first, first + (1 << shift)):
        if p.phase[other] == DEFERRED:
            waiting = 1
    return try_deferred(p, first) if waiting else 0
