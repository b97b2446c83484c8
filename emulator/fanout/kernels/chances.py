"""Faults and effects of firmware: whether something of a kind happens to a device now."""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    BESIDE,
    C_CELL,
    C_DENOMINATOR,
    C_FROM,
    C_HUB,
    C_HUB_TO,
    C_LEFT,
    C_NEXT,
    C_NUMBER,
    C_NUMERATOR,
    C_ORDER,
    C_PROFILE,
    C_ROW,
    C_SKIP,
    C_TO,
    C_VALUE,
    CHANCE_WIDTH,
    O_PARENT,
    ORDER_WIDTH,
    S_NOW,
    S_SHIFT,
)
from emulator.fanout.kernels.draws import below, draw
from emulator.fanout.phases import FOR_CHANCE, NONE


@kernel
def applies(p: Pool, at: int, row: int, order: int) -> int:
    """Whether the chance at this place is about this device, order and time."""
    c = p.chances
    hub = row >> p.s[S_SHIFT]
    now = p.s[S_NOW]
    if c[at + C_LEFT] == 0 or now < c[at + C_FROM] or (c[at + C_TO] >= 0 and now >= c[at + C_TO]):
        return 0
    if p.profile[row] == BESIDE:
        row = hub << p.s[S_SHIFT] | p.party[row]
    if c[at + C_ROW] >= 0 and c[at + C_ROW] != row:
        return 0
    if c[at + C_HUB] >= 0 and not c[at + C_HUB] <= hub < c[at + C_HUB_TO]:
        return 0
    if c[at + C_CELL] >= 0 and c[at + C_CELL] != p.cell[hub]:
        return 0
    if c[at + C_PROFILE] >= 0 and c[at + C_PROFILE] != p.profile[row]:
        return 0
    if c[at + C_ORDER] >= 0 and (order == NONE or c[at + C_ORDER] != p.orders[order * ORDER_WIDTH + O_PARENT]):
        return 0
    return 1


@kernel
def strikes(p: Pool, at: int, row: int, order: int, when: int) -> int:
    """The value of the chance at this place if it applies and happens, or NONE."""
    if not applies(p, at, row, order):
        return NONE
    if p.chances[at + C_SKIP] > 0:
        p.chances[at + C_SKIP] -= 1
        return NONE
    chance = draw(p, row, when, FOR_CHANCE + p.chances[at + C_NUMBER])
    if below(chance, p.chances[at + C_DENOMINATOR]) >= p.chances[at + C_NUMERATOR]:
        return NONE
    if p.chances[at + C_LEFT] > 0:
        p.chances[at + C_LEFT] -= 1
    return p.chances[at + C_VALUE]


@kernel
def drawn(p: Pool, first: int, row: int, order: int, when: int) -> int:
    """The value of the first chance of the list that applies and happens, or NONE."""
    number = first
    while number != NONE:
        at = number * CHANCE_WIDTH
        value = strikes(p, at, row, order, when)
        if value != NONE:
            return value
        number = p.chances[at + C_NEXT]
    return NONE


@inlined
def happens_at(p: Pool, kind: int, row: int, order: int, when: int) -> int:
    """The value of the chance that happens, or NONE; ``when`` keys the draw. Without chances of the kind it costs a look."""
    first = p.chance_first[kind]
    return NONE if first == NONE else drawn(p, first, row, order, when)


@inlined
def happens(p: Pool, kind: int, row: int, order: int, salt: int) -> int:
    """The same, keyed by now; ``salt`` (below 64) tells draws of one tick apart."""
    first = p.chance_first[kind]
    return NONE if first == NONE else drawn(p, first, row, order, p.s[S_NOW] * 64 + salt)
