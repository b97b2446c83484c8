"""What a device waits for outside the WAN: the announcement of an image at its hub, and what its owner and the DSP do next.

A device has one entry of its own on the agenda. It is the image's while one is under way; what the supplier, the DSP or a
restart bring meanwhile lies in nodes.
"""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    ASKED_IN_VAIN,
    BESIDE,
    DEVICE_WIDTH,
    DP_LEARNS,
    DP_NOTIFY,
    DP_POLL,
    DP_SUB_GHZ,
    DP_WAKE,
    HP_DUAL_BAND,
    HUB_OFF_FLAG,
    HUB_WIDTH,
    LISTENED,
    NODE_DEVICE,
    OFF,
    OFF_HAN,
    PP_COMMAND,
    REBOOTING,
    RESUMES,
    S_LISTENED,
    S_NOW,
    S_SHIFT,
    UNUSED,
    UPDATING,
)
from emulator.fanout.kernels.draws import below, draw
from emulator.fanout.kernels.queues import give_back
from emulator.fanout.kernels.wheel import later, schedule, unlink
from emulator.fanout.phases import (
    DEAD,
    FOR_NOTIFY,
    FOR_POLL,
    FOR_WAKE,
    IDLE,
    IN_ACTIVATION,
    NEVER,
    NONE,
    POLL,
    READY,
)


@inlined
def next_wake(p: Pool, row: int, after: int) -> int:
    """The first wake-up of a sleepy device at a tick or later; an awake one is awake."""
    wake = p.dps[p.profile[row] * DEVICE_WIDTH + DP_WAKE]
    if wake == 0:
        return after
    return after + (below(draw(p, row, 0, FOR_WAKE), wake) - after) % wake


@inlined
def on_han(p: Pool, row: int) -> int:
    """Whether a device and its hub hear each other."""
    if p.flags[row] & (OFF | OFF_HAN) or p.firmware[row] == DEAD or p.firmware[row] == IN_ACTIVATION:
        return 0
    hub = row >> p.s[S_SHIFT]
    if p.hub_flags[hub] & (HUB_OFF_FLAG | REBOOTING):
        return 0
    if p.dps[p.profile[row] * DEVICE_WIDTH + DP_SUB_GHZ] and not p.hps[p.hub_profile[hub] * HUB_WIDTH + HP_DUAL_BAND]:
        return 0
    return 1


@inlined
def asks_at(p: Pool, row: int) -> int:
    """When a device asks for the image at its hub, or NONE while it cannot."""
    profile = p.profile[row] * DEVICE_WIDTH
    if not on_han(p, row) or p.flags[row] & ASKED_IN_VAIN or p.hub_flags[row >> p.s[S_SHIFT]] & UPDATING:
        return NONE
    now = p.s[S_NOW]
    learns = p.dps[profile + DP_LEARNS]
    if learns == NEVER:
        return NONE
    if p.dps[profile + DP_WAKE] > 0:
        return next_wake(p, row, now + 1)
    if learns == POLL:
        poll = p.dps[profile + DP_POLL]
        return now + 1 + (below(draw(p, row, 0, FOR_POLL), poll) - now - 1) % poll
    return now + 1 + below(draw(p, row, now, FOR_NOTIFY), p.dps[profile + DP_NOTIFY])


@inlined
def announce(p: Pool, row: int) -> int:
    """Let a device that is not on the agenda wait for its question, and its image for the expiry."""
    asks = NONE if p.profile[row] == BESIDE else asks_at(p, row)
    expires = NONE if p.flags[row] & RESUMES else p.progress[row]
    if asks == NONE or (expires != NONE and expires < asks):
        asks = expires
    if asks != NONE:
        schedule(p, row, asks)
    return 0


@kernel
def announce_again(p: Pool, row: int) -> int:
    """The conditions of a home changed: what waits for its device is announced anew."""
    if p.phase[row] == READY:
        unlink(p, row)
        announce(p, row)
    return 0


@kernel
def displace(p: Pool, row: int) -> int:
    """Move what a device's own entry waits for to a node, because an image comes."""
    due = p.due[row]
    phase = p.phase[row]
    order = p.order[row]
    unlink(p, row)
    p.phase[row] = IDLE
    later(p, NODE_DEVICE, row, order, phase, due)
    return 0


@kernel
def clear_beside(p: Pool, row: int) -> int:
    """Free a place that carried a second image; its room at the hub has gone on with the image or was given back."""
    if p.flags[row] & LISTENED:
        p.s[S_LISTENED] -= 1
    p.phase[row] = IDLE
    p.order[row] = NONE
    p.job[row] = 0
    p.flags[row] = 0
    p.progress[row] = 0
    p.tries[row] = 0
    p.profile[row] = UNUSED
    return 0


@kernel
def adopt(p: Pool, row: int) -> int:
    """If an image lies beside for this device, it is the next one."""
    shift = p.s[S_SHIFT]
    first = row >> shift << shift
    for other in range(first, first + (1 << shift)):
        if p.profile[other] == BESIDE and p.party[other] == row - first and p.phase[other] == READY:
            if p.phase[row] != IDLE:
                displace(p, row)
            unlink(p, other)
            p.order[row] = p.order[other]
            p.progress[row] = p.progress[other]
            p.job[row] = p.job[other]
            if p.flags[other] & LISTENED and not p.flags[row] & LISTENED:
                p.s[S_LISTENED] += 1
            p.flags[row] |= p.flags[other] & ~(OFF | OFF_HAN)
            p.phase[row] = READY
            clear_beside(p, other)
            announce(p, row)
            return 1
    return 0


@inlined
def finish(p: Pool, row: int) -> int:
    """The image of a device that is off the agenda and in no list is no longer under way.

    ``order`` stays: it is what the DSP's job is about.
    """
    give_back(p, row)
    if p.profile[row] == BESIDE:
        clear_beside(p, row)
        return 0
    p.phase[row] = IDLE
    p.progress[row] = 0
    p.tries[row] = 0
    p.flags[row] &= ~(RESUMES | ASKED_IN_VAIN)
    adopt(p, row)
    return 0


@inlined
def expect(p: Pool, row: int, order: int, phase: int, due: int) -> int:
    """Put something on a device's agenda: its own entry, or a node while that is taken or about another order."""
    if p.phase[row] == IDLE and p.order[row] == order:
        p.phase[row] = phase
        schedule(p, row, due)
    else:
        later(p, NODE_DEVICE, row, order, phase, due)
    return 0


@inlined
def command_later(p: Pool, row: int, order: int, phase: int, after: int) -> int:
    """The supplier's 11.3 or 11.2 reaches the device so many seconds from now, and when it is awake."""
    due = next_wake(p, row, p.s[S_NOW] + after + p.pp[PP_COMMAND])
    return expect(p, row, order, phase, due)
