"""The loop of a pool: what is due, tick by tick, and whoever waits for capacity in between."""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    CH_POWER_CUT_DEVICE,
    CH_POWER_CUT_HUB,
    N_A,
    N_B,
    N_DUE,
    N_KIND,
    N_ORDER,
    N_ROW,
    NODE_CAST,
    NODE_DEVICE,
    NODE_DEVICE_POWER,
    NODE_EXPIRY,
    NODE_FILL,
    NODE_GIVE_UP,
    NODE_HUB_BACK,
    NODE_HUB_POWER,
    NODE_HUB_REBOOT,
    NODE_HUB_UPDATE,
    NODE_ROLL_BACK,
    NODE_SELF_CHECK,
    NODE_WIDTH,
    OUTCOME_WIDTH,
    S_CELL_FILL,
    S_EVENTS,
    S_FILL,
    S_LISTENED,
    S_NODES_LEFT,
    S_NOW,
    S_OUTCOMES,
    S_PENDING,
    S_SCHEDULED,
    S_SHIFT,
)
from emulator.fanout.kernels.activation import device_event, roll_back, self_check
from emulator.fanout.kernels.acts import capacity_changed, give_up
from emulator.fanout.kernels.broadcast import cast_event, fill_cell, repair_ended
from emulator.fanout.kernels.chances import happens
from emulator.fanout.kernels.han import asked, chunk_ended, expire_resumed, verification_due
from emulator.fanout.kernels.hubs import back, cut_device, cut_hub, reboot, set_device_power, set_hub_power, start_update
from emulator.fanout.kernels.wan import fill, session_ended, wait_over
from emulator.fanout.kernels.wheel import free_node, link_of, next_tick, turn
from emulator.fanout.phases import (
    BACKOFF,
    DEFERRED,
    IDLE,
    NONE,
    READY,
    REPAIRING,
    SENDING,
    SERVING,
    VERIFYING,
)

DONE, MORE, NEED_NODES, NEED_OUTCOMES = 0, 1, 2, 3
"""Why :func:`run` returned: it came to its end, its budget is used up, or Python must make room first."""

SPARE_NODES = 64
OUTCOMES_EACH = 6
"""What one step can need at most: nodes, and outcomes of each device that is listened to."""


@kernel
def power_fails(p: Pool, row: int) -> int:
    """Whether the power of a home or device fails in the middle of a transfer; then that is what happened."""
    order = p.order[row]
    seconds = happens(p, CH_POWER_CUT_HUB, row, order, 0)
    if seconds != NONE:
        cut_hub(p, row >> p.s[S_SHIFT], seconds)
        return 1
    if p.phase[row] != SERVING:
        return 0
    seconds = happens(p, CH_POWER_CUT_DEVICE, row, order, 0)
    if seconds != NONE:
        cut_device(p, row, seconds)
        return 1
    return 0


@inlined
def row_event(p: Pool, row: int) -> int:
    """A device's own entry is due."""
    phase = p.phase[row]
    if (phase in (SENDING, SERVING, REPAIRING)) and power_fails(p, row):
        return 0
    if phase == SENDING:
        return session_ended(p, row)
    if phase == READY:
        return asked(p, row)
    if phase == SERVING:
        return chunk_ended(p, row)
    if phase == VERIFYING:
        return verification_due(p, row)
    if phase in (BACKOFF, DEFERRED):
        return wait_over(p, row)
    if phase == REPAIRING:
        return repair_ended(p, row)
    p.phase[row] = IDLE
    return device_event(p, row, p.order[row], phase)


@kernel
def node_event(p: Pool, node: int) -> int:
    """A node is due."""
    at = node * NODE_WIDTH
    kind = p.nodes[at + N_KIND]
    if kind == NODE_CAST:
        return cast_event(p, node)
    row = p.nodes[at + N_ROW]
    order = p.nodes[at + N_ORDER]
    a = p.nodes[at + N_A]
    b = p.nodes[at + N_B]
    free_node(p, node)
    if kind == NODE_FILL:
        return capacity_changed(p)
    if kind == NODE_GIVE_UP:
        return give_up(p, order)
    if kind == NODE_EXPIRY:
        return expire_resumed(p, row, order)
    if kind == NODE_DEVICE:
        return device_event(p, row, order, a)
    if kind == NODE_ROLL_BACK:
        return roll_back(p, row, order, a, b)
    if kind == NODE_SELF_CHECK:
        return self_check(p, row, order)
    return home_event(p, kind, row, a, b)


@kernel
def home_event(p: Pool, kind: int, row: int, a: int, b: int) -> int:
    """A node about a hub, or the power of a device, is due."""
    if kind == NODE_HUB_UPDATE:
        return start_update(p, row, a, b)
    if kind == NODE_HUB_REBOOT:
        return reboot(p, row)
    if kind == NODE_HUB_BACK:
        return back(p, row)
    if kind == NODE_HUB_POWER:
        return set_hub_power(p, row, 1)
    if kind == NODE_DEVICE_POWER:
        return set_device_power(p, row, 1)
    return 0


@inlined
def step(p: Pool) -> int:
    """The first of what is due now."""
    entry = p.s[S_PENDING]
    p.s[S_PENDING] = link_of(p, entry)
    p.s[S_SCHEDULED] -= 1
    p.s[S_EVENTS] += 1
    if entry < 0:
        p.nodes[(-2 - entry) * NODE_WIDTH + N_DUE] = NONE
        return node_event(p, -2 - entry)
    p.due[entry] = NONE
    p.link[entry] = NONE
    return row_event(p, entry)


@kernel
def room(p: Pool) -> int:
    """Whether Python must make room before the next step."""
    if p.s[S_NODES_LEFT] < SPARE_NODES:
        return NEED_NODES
    if (p.s[S_OUTCOMES] + OUTCOMES_EACH * (p.s[S_LISTENED] + 1)) * OUTCOME_WIDTH > len(p.out):
        return NEED_OUTCOMES
    return DONE


@kernel
def settle(p: Pool) -> int:
    """Do what the present tick still has: what is due, and whoever can get capacity."""
    while True:
        lack = room(p)
        if lack != DONE:
            return lack
        if p.s[S_FILL]:
            fill(p)
        elif p.s[S_CELL_FILL] != NONE:
            fill_cell(p)
        elif p.s[S_PENDING] != NONE:
            step(p)
        else:
            return DONE


@kernel
def run(p: Pool, to: int, budget: int) -> int:
    """Go on to a tick, that one's due entries included, or about so many events; whole ticks except for want of room."""
    last = p.s[S_EVENTS] + budget
    while True:
        lack = settle(p)
        if lack != DONE:
            return lack
        if p.s[S_NOW] >= to:
            return DONE
        if p.s[S_EVENTS] >= last:
            return MORE
        turn(p, next_tick(p, to))
