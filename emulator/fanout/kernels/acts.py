"""What is done to a pool from outside: submission, cancellation, activation, capacity, outages.

All acts happen at the pool's present tick, after what was due in it.
"""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    BESIDE,
    CELL_CASTS,
    CELL_OUTAGE,
    CELL_REPAIR,
    CELL_WIDTH,
    CH_FILE_DAMAGED,
    DEVICE_WIDTH,
    DP_MODEL,
    DP_TYPE,
    LANES,
    LISTENED,
    N_A,
    N_HEAD,
    N_JOIN,
    N_KIND,
    N_NEXT,
    N_ORDER,
    N_ROW,
    NODE_DEVICE_POWER,
    NODE_EXPIRY,
    NODE_GIVE_UP,
    NODE_SELF_CHECK,
    NODE_WIDTH,
    O_DEVICE_TYPES,
    O_LANE,
    O_MODEL,
    O_NEXT_PART,
    O_PARENT,
    O_PRIORITY,
    ORDER_WIDTH,
    PP_GIVE_UP,
    PP_KIND,
    Q_COUNT,
    Q_HEAD,
    Q_TAIL,
    Q_TURNS,
    QUEUE_WIDTH,
    S_CELLS,
    S_FILL,
    S_HUBS,
    S_LANES,
    S_LISTENED,
    S_NOW,
    S_OUTAGE,
    S_QUEUED,
    S_SHIFT,
    TURN_WIDTH,
    WAITING,
)
from emulator.fanout.kernels.activation import refusal, start_activation
from emulator.fanout.kernels.agenda import clear_beside, displace, expect, finish
from emulator.fanout.kernels.broadcast import end_cast, wake_cells
from emulator.fanout.kernels.chances import happens
from emulator.fanout.kernels.queues import append, enqueue, give_back, push, withdraw
from emulator.fanout.kernels.reports import count, note, sees, set_job
from emulator.fanout.kernels.wan import fail
from emulator.fanout.kernels.wheel import free_node, later, unlink
from emulator.fanout.phases import (
    BUSY,
    CANCELLED,
    COMMANDED,
    FILE_DAMAGED,
    IDLE,
    NO_CHANNEL,
    NO_DEVICE,
    NO_REASON,
    NONE,
    NOT_SUITABLE,
    NOT_TAKEN,
    RADIO,
    READING,
    READY,
    RUNNING,
    SAW_CANCELLED,
    SEGMENTS_LOST,
    SERVING,
    SUBMITTED,
    VERIFYING,
    WITH_CSP,
)


@kernel
def open_window(p: Pool, order: int) -> int:
    """The first submission of an order opens its window; a later one after its end opens it again."""
    now = p.s[S_NOW]
    p.s[S_LANES] = max(p.s[S_LANES], p.orders[order * ORDER_WIDTH + O_LANE] + 1)
    if p.until[order] > now:
        return 0
    later(p, NODE_GIVE_UP, 0, order, 0, now + p.pp[PP_GIVE_UP])
    part = order
    while part != NONE:
        p.until[part] = now + p.pp[PP_GIVE_UP]
        part = p.orders[part * ORDER_WIDTH + O_NEXT_PART]
    return 1


@inlined
def takes(p: Pool, row: int, order: int) -> int:
    """Whether an order is for this kind of device."""
    at = order * ORDER_WIDTH
    profile = p.profile[row] * DEVICE_WIDTH
    types = p.orders[at + O_DEVICE_TYPES]
    if types >= 0 and not types >> p.dps[profile + DP_TYPE] & 1:
        return 0
    model = p.orders[at + O_MODEL]
    return 1 if model == NONE or model == p.dps[profile + DP_MODEL] else 0


@inlined
def start_job(p: Pool, row: int, order: int) -> int:
    """Let an image for a device that is free wait for capacity."""
    p.order[row] = order
    p.tries[row] = 0
    p.progress[row] = 0
    p.job[row] = 0
    set_job(p, row, order, WITH_CSP)
    count(p, order, SUBMITTED)
    if happens(p, CH_FILE_DAMAGED, row, order, 0) != NONE:
        return fail(p, row, FILE_DAMAGED)
    return enqueue(p, row)


@inlined
def listen(p: Pool, row: int, listened: int) -> int:
    """Tell what happens to a device, or only count it."""
    before = 1 if p.flags[row] & LISTENED else 0
    p.flags[row] = p.flags[row] & ~LISTENED | (LISTENED if listened else 0)
    p.s[S_LISTENED] += (1 if listened else 0) - before
    return 0


@inlined
def submit(p: Pool, row: int, order: int, listened: int) -> int:
    """Send an order's image to a device: NO_REASON, or why not; BUSY when another is under way."""
    if p.profile[row] >= BESIDE:
        return NO_DEVICE
    if not takes(p, row, order):
        return NOT_SUITABLE
    phase = p.phase[row]
    if phase != IDLE:
        if not COMMANDED <= phase <= READING:
            return BUSY
        displace(p, row)
    listen(p, row, listened)
    start_job(p, row, order)
    return NO_REASON


@kernel
def submit_one(p: Pool, row: int, order: int, listened: int) -> int:
    """The same for one device."""
    open_window(p, order)
    return submit(p, row, order, listened)


@kernel
def submit_beside(p: Pool, row: int, place: int, order: int, listened: int) -> int:
    """Send a second image to a device that has one under way, in a free place at its hub."""
    if not takes(p, row, order):
        return NOT_SUITABLE
    open_window(p, order)
    p.profile[place] = BESIDE
    p.party[place] = row & ((1 << p.s[S_SHIFT]) - 1)
    listen(p, place, listened)
    start_job(p, place, order)
    return NO_REASON


@kernel
def submit_span(p: Pool, first: int, last: int, order: int, listened: int) -> int:
    """Send an order to every device of the hubs ``first`` to ``last`` (exclusive) that it is for; return how many took it."""
    open_window(p, order)
    shift = p.s[S_SHIFT]
    taken = 0
    for row in range(first << shift, last << shift):
        if p.profile[row] < BESIDE and takes(p, row, order):
            reason = submit(p, row, order, listened)
            if reason == NO_REASON:
                taken += 1
            else:
                count(p, order, NOT_TAKEN)
    return taken


@kernel
def cancel(p: Pool, row: int) -> int:
    """Stop what is under way for a device, at the CSP or at its hub: 1, or 0 when nothing is that can be stopped."""
    phase = p.phase[row]
    if phase in (IDLE, VERIFYING) or COMMANDED <= phase <= READING:
        return 0
    withdraw(p, row)
    return end(p, row, NO_REASON)


@kernel
def end(p: Pool, row: int, reason: int) -> int:
    """End what is under way for a device that is off the agenda and in no list: it failed, or without reason is cancelled."""
    if reason != NO_REASON:
        fail(p, row, reason)
        return 1
    note(p, row, p.order[row], CANCELLED, 0)
    sees(p, row, p.order[row], SAW_CANCELLED)
    finish(p, row)
    return 1


@inlined
def is_of(p: Pool, row: int, order: int) -> int:
    """Whether what is under way for a device is an order or a part of it."""
    return 1 if p.orders[p.order[row] * ORDER_WIDTH + O_PARENT] == order else 0


@kernel
def end_in_list(p: Pool, at: int, in_node: int, order: int, reason: int) -> int:
    """End all of an order in a list whose head and tail lie in a node or a cell; return how many."""
    table = p.nodes if in_node else p.cells
    row = table[at]
    table[at] = NONE
    table[at + 1] = NONE
    ended = 0
    while row != NONE:
        after = p.link[row]
        p.link[row] = NONE
        if is_of(p, row, order):
            ended += end(p, row, reason)
        else:
            append(p, at, in_node, row)
        row = after
    return ended


@kernel
def end_in_queues(p: Pool, order: int, reason: int) -> int:
    """End all of an order that wait for a session; return how many."""
    at = order * ORDER_WIDTH
    priority = p.orders[at + O_PRIORITY]
    queue = (priority * LANES + p.orders[at + O_LANE]) * QUEUE_WIDTH
    row = p.queues[queue + Q_HEAD]
    p.queues[queue + Q_HEAD] = NONE
    p.queues[queue + Q_TAIL] = NONE
    ended = 0
    while row != NONE:
        after = p.link[row]
        p.link[row] = NONE
        p.queues[Q_TURNS + priority * TURN_WIDTH + Q_COUNT] -= 1
        p.s[S_QUEUED] -= 1
        if is_of(p, row, order):
            ended += end(p, row, reason)
        else:
            push(p, row)
        row = after
    return ended


@kernel
def end_in_cell(p: Pool, cell: int, order: int, reason: int) -> int:
    """End all of an order that wait in a cell for the air or for repair; without reason those on the air too."""
    ended = end_in_list(p, cell * CELL_WIDTH + CELL_REPAIR, 0, order, SEGMENTS_LOST if reason else NO_REASON)
    node = p.cells[cell * CELL_WIDTH + CELL_CASTS]
    while node != NONE:
        at = node * NODE_WIDTH
        after = p.nodes[at + N_NEXT]
        if p.orders[p.nodes[at + N_ORDER] * ORDER_WIDTH + O_PARENT] == order:
            waits = p.nodes[at + N_A] == WAITING
            if waits or reason == NO_REASON:
                ended += end_in_list(p, at + N_JOIN, 1, order, reason)
                ended += end_in_list(p, at + N_HEAD, 1, order, reason)
            if waits and p.nodes[at + N_JOIN] == NONE:
                end_cast(p, node)
        node = after
    return ended


@kernel
def end_waiting(p: Pool, order: int, reason: int) -> int:
    """End all of an order that wait for capacity; return how many."""
    if p.pp[PP_KIND] != RADIO:
        return end_in_queues(p, order, reason)
    ended = 0
    for cell in range(p.s[S_CELLS]):
        ended += end_in_cell(p, cell, order, reason)
    return ended


@kernel
def give_up(p: Pool, order: int) -> int:
    """The window of an order is over: what still waits for capacity has failed."""
    return 0 if p.until[order] > p.s[S_NOW] else end_waiting(p, order, NO_CHANNEL)


@kernel
def stop(p: Pool, order: int, at_hub: int) -> int:
    """Cancel an order for every device whose image is not at its hub yet, or also there; return how many."""
    ended = end_waiting(p, order, NO_REASON)
    for row in range(p.s[S_HUBS] << p.s[S_SHIFT]):
        phase = p.phase[row]
        if phase != IDLE and (at_hub or (phase != READY and phase != SERVING)) and is_of(p, row, order):
            ended += cancel(p, row)
    return ended


@kernel
def forget(p: Pool, row: int) -> int:
    """A device is taken away, and with it whatever is on its way to it."""
    if p.phase[row] != IDLE:
        withdraw(p, row)
        give_back(p, row)
    for node in range(len(p.nodes) // NODE_WIDTH):
        kind = p.nodes[node * NODE_WIDTH + N_KIND]
        about_device = NODE_EXPIRY <= kind <= NODE_SELF_CHECK or kind >= NODE_DEVICE_POWER
        if about_device and p.nodes[node * NODE_WIDTH + N_ROW] == row:
            unlink(p, -2 - node)
            free_node(p, node)
    p.firmware[row] = RUNNING
    p.held[row] = NONE
    return clear_beside(p, row)


@kernel
def set_outage(p: Pool, cell: int, until: int) -> int:
    """Nothing gets through in a cell, or with NONE in the whole pool, until a tick."""
    if cell == NONE:
        p.s[S_OUTAGE] = until
    else:
        p.cells[cell * CELL_WIDTH + CELL_OUTAGE] = until
    return capacity_changed(p)


@kernel
def capacity_changed(p: Pool) -> int:
    """Look again who may transmit."""
    p.s[S_FILL] = 1
    if p.pp[PP_KIND] == RADIO:
        wake_cells(p, p.s[S_CELLS])
    return 0


@kernel
def activate(p: Pool, row: int, order: int, at: int) -> int:
    """An 11.3 that the device has accepted: now, or at its date. The code of CS06 with which it refuses, or 0."""
    if at > p.s[S_NOW]:
        expect(p, row, order, COMMANDED, at)
        return 0
    code = refusal(p, row, order)
    if code == 0:
        start_activation(p, row, p.held[row])
    return code
