"""The loop of a pool: what is due, tick by tick, and whoever waits for capacity in between."""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    C_NEXT,
    C_VALUE,
    CH_POWER_CUT_DEVICE,
    CH_POWER_CUT_HUB,
    CHANCE_WIDTH,
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
    NODE_SUPPLY,
    NODE_WIDTH,
    OUTCOME_WIDTH,
    PERCENT_SHIFT,
    RESUMES,
    S_CELL_FILL,
    S_EVENTS,
    S_FILL,
    S_LISTENED,
    S_NODES_LEFT,
    S_NOW,
    S_OUTCOMES,
    S_PENDING,
    S_SCHEDULED,
)
from emulator.fanout.kernels.activation import cut_supply, device_event, roll_back, self_check
from emulator.fanout.kernels.acts import capacity_changed, give_up
from emulator.fanout.kernels.broadcast import cast_event, fill_cell, repair_ended
from emulator.fanout.kernels.chances import applies, strikes
from emulator.fanout.kernels.han import asked, blocks_of, chunk_ended, expire_resumed, verification_due
from emulator.fanout.kernels.hubs import back, cut_device, cut_hub, device_power_back, hub_power_back, reboot, start_update
from emulator.fanout.kernels.wan import fill, session_ended, wait_over
from emulator.fanout.kernels.wheel import free_node, link_of, next_tick, schedule, turn, unlink
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


@inlined
def cut_point(p: Pool, row: int, at: int) -> int:
    """Blocks of an image being served that are left when the power cut at this place comes, or NONE when it is for the end of any
    part."""
    percent = p.chances[at + C_VALUE] >> PERCENT_SHIFT
    whole = blocks_of(p, row)
    return NONE if percent == 0 else whole - max(whole * percent // 100, 1)


@kernel
def power_cut(p: Pool, kind: int, row: int) -> int:
    """Seconds without power that begin now, or NONE."""
    number = p.chance_first[kind]
    while number != NONE:
        at = number * CHANCE_WIDTH
        at_end = p.chances[at + C_VALUE] >> PERCENT_SHIFT == 0
        if at_end or (p.phase[row] == SERVING and p.progress[row] == cut_point(p, row, at)):
            value = strikes(p, at, row, p.order[row], p.s[S_NOW] * 64)
            if value != NONE:
                return value & ((1 << PERCENT_SHIFT) - 1)
        number = p.chances[at + C_NEXT]
    return NONE


@kernel
def next_cut(p: Pool, kind: int, row: int, before: int) -> int:
    """Blocks that are left at the first point of a power cut that comes when ``before`` were, or NONE."""
    found = NONE
    number = p.chance_first[kind]
    while number != NONE:
        at = number * CHANCE_WIDTH
        left = cut_point(p, row, at)
        if found < left < before and applies(p, at, row, p.order[row]):
            found = left
        number = p.chances[at + C_NEXT]
    return found


@kernel
def end_at_cut(p: Pool, row: int, before: int) -> int:
    """Let the part of a transfer that has begun end where power may fail in the middle of it."""
    if p.phase[row] != SERVING:
        return 0
    if before <= p.progress[row]:
        before = blocks_of(p, row)
    left = max(next_cut(p, CH_POWER_CUT_HUB, row, before), next_cut(p, CH_POWER_CUT_DEVICE, row, before))
    if left <= p.progress[row]:
        return 0
    seconds = (p.due[row] - p.s[S_NOW]) * (before - left) // (before - p.progress[row])
    unlink(p, row)
    p.progress[row] = left
    return schedule(p, row, p.s[S_NOW] + max(seconds, 1))


@kernel
def transfer_goes_on(p: Pool, row: int) -> int:
    """A device asks, or has got a part of its image, where power may fail."""
    if p.phase[row] == SERVING:
        before = p.progress[row]
        chunk_ended(p, row)
    else:
        before = p.progress[row] if p.flags[row] & RESUMES else 0
        asked(p, row)
    return end_at_cut(p, row, before)


@kernel
def power_fails(p: Pool, row: int) -> int:
    """Whether the power of a home or device fails in the middle of a transfer; then that is what happened."""
    seconds = power_cut(p, CH_POWER_CUT_HUB, row)
    if seconds != NONE:
        cut_hub(p, row, seconds)
        return 1
    if p.phase[row] != SERVING:
        return 0
    seconds = power_cut(p, CH_POWER_CUT_DEVICE, row)
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
    if (phase in (READY, SERVING)) and (p.chance_first[CH_POWER_CUT_HUB] != NONE or p.chance_first[CH_POWER_CUT_DEVICE] != NONE):
        return transfer_goes_on(p, row)
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
    if kind == NODE_SUPPLY:
        return cut_supply(p, row, order, a)
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
        return hub_power_back(p, row)
    if kind == NODE_DEVICE_POWER:
        return device_power_back(p, row)
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
