"""The one entry from outside: everything that can be asked of a pool, by number, so that it is compiled once."""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import kernel
from emulator.fanout.fields import (
    BESIDE,
    N_B,
    NODE_HUB_UPDATE,
    NODE_WIDTH,
    PP_CELLS,
    R_HUBS,
    R_PARTIES,
    R_PLACES,
    R_VERSION,
    S_CELL_FILL,
    S_FILL,
    S_HUBS,
    S_NOW,
    S_PENDING,
    S_SHIFT,
    UNUSED,
)
from emulator.fanout.kernels.acts import (
    activate,
    cancel,
    capacity_changed,
    forget,
    set_outage,
    stop,
    submit_beside,
    submit_one,
    submit_span,
)
from emulator.fanout.kernels.draws import draw
from emulator.fanout.kernels.hubs import set_device_power, set_hub_power, set_on_han
from emulator.fanout.kernels.loop import run, settle
from emulator.fanout.kernels.wheel import later, next_tick
from emulator.fanout.phases import FOR_HUB, FOR_PARTY, FOR_PLACE, NONE

(
    RUN, SETTLE, NEXT, SUBMIT, SUBMIT_BESIDE, SUBMIT_SPAN, CANCEL, STOP, FORGET, ACTIVATE, OUTAGE, CAPACITY, HUB_POWER,
    DEVICE_POWER, JOINED, UPDATE_HUB, POPULATE, COUNT_DEVICES,
) = range(18)  # fmt: skip
"""What :func:`call` can do."""


@kernel
def chosen(p: Pool, at: int, drawn: int) -> int:
    """The choice of a list of the rule into whose share a draw of 32 bits falls."""
    last = at + 1 + 2 * (p.rule[at] - 1)
    at += 1
    while at < last and drawn >= p.rule[at + 1]:
        at += 2
    return p.rule[at]


@kernel
def populate(p: Pool, first: int, last: int) -> int:
    """Make the homes ``first`` to ``last`` (exclusive) by the pool's rule; return how many devices."""
    shift = p.s[S_SHIFT]
    made = 0
    for hub in range(first, last):
        row = hub << shift
        p.hub_profile[hub] = chosen(p, p.rule[R_HUBS], draw(p, row, 0, FOR_HUB))
        p.cell[hub] = hub * p.pp[PP_CELLS] // p.s[S_HUBS]
        party = chosen(p, p.rule[R_PARTIES], draw(p, row, 0, FOR_PARTY))
        for place in range(p.rule[R_PLACES]):
            profile = chosen(p, p.rule[R_PLACES + 1 + place], draw(p, row + place, 0, FOR_PLACE))
            p.profile[row + place] = profile
            if profile != UNUSED:
                p.party[row + place] = party
                p.running[row + place] = p.rule[R_VERSION]
                made += 1
    return made


@kernel
def count_devices(p: Pool) -> int:
    """Devices of the pool."""
    found = 0
    for row in range(p.s[S_HUBS] << p.s[S_SHIFT]):
        if p.profile[row] < BESIDE:
            found += 1
    return found


@kernel
def due_next(p: Pool, limit: int) -> int:
    """The next tick at which something happens, now included, or ``limit``."""
    if p.s[S_PENDING] != NONE or p.s[S_FILL] or p.s[S_CELL_FILL] != NONE:
        return p.s[S_NOW]
    return next_tick(p, limit)


@kernel
def update_hub(p: Pool, hub: int, at: int, waits: int, seconds: int) -> int:
    """A hub's own firmware begins to come at a tick."""
    node = later(p, NODE_HUB_UPDATE, hub, NONE, waits, at)
    p.nodes[node * NODE_WIDTH + N_B] = seconds
    return 0


@kernel
def change(p: Pool, what: int, a: int, b: int, c: int, d: int) -> int:
    """What changes the estate and the network."""
    if what == FORGET:
        return forget(p, a)
    if what == OUTAGE:
        return set_outage(p, a, b)
    if what == CAPACITY:
        return capacity_changed(p)
    if what == HUB_POWER:
        return set_hub_power(p, a, b)
    if what == DEVICE_POWER:
        return set_device_power(p, a, b)
    if what == JOINED:
        return set_on_han(p, a, b)
    if what == UPDATE_HUB:
        return update_hub(p, a, b, c, d)
    if what == POPULATE:
        return populate(p, a, b)
    if what == COUNT_DEVICES:
        return count_devices(p)
    return NONE


@kernel
def call(p: Pool, what: int, a: int, b: int, c: int, d: int) -> int:
    """Do one thing; the numbers are its arguments in order."""
    if what == RUN:
        return run(p, a, b)
    if what == SETTLE:
        return settle(p)
    if what == NEXT:
        return due_next(p, a)
    if what == SUBMIT:
        return submit_one(p, a, b, c)
    if what == SUBMIT_BESIDE:
        return submit_beside(p, a, b, c, d)
    if what == SUBMIT_SPAN:
        return submit_span(p, a, b, c, d)
    if what == CANCEL:
        return cancel(p, a)
    if what == STOP:
        return stop(p, a, b)
    if what == ACTIVATE:
        return activate(p, a, b, c)
    return change(p, what, a, b, c, d)
