"""Keyed chance in 32-bit steps: the same draw for the same keys, on any machine, interpreted or compiled.

Not the hash of :mod:`emulator.simulation.draws`, which a kernel could not compute; the idea is the same. Multipliers are below
2**31, so that a product of 32 bits fits.
"""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined
from emulator.fanout.fields import S_FIRST_HUB, S_SEED, S_SHIFT

MASK = 0xFFFFFFFF


@inlined
def mixed(x: int) -> int:
    """Scatter 32 bits over 32 bits."""
    x = (x ^ (x >> 16)) * 0x7FEB352D & MASK
    x = (x ^ (x >> 15)) * 0x2C1B3C6D & MASK
    return x ^ (x >> 16)


@inlined
def draw32(seed: int, who: int, when: int, purpose: int) -> int:
    """A uniform number of 32 bits that depends on its arguments alone; ``who`` has up to 48 bits."""
    x = mixed((seed ^ (purpose * 0x297A2D39)) & MASK)
    x = mixed((x ^ who) & MASK)
    x = mixed((x + (who >> 32) * 0x1B873593 + (seed >> 32)) & MASK)
    return mixed((x ^ when) & MASK)


@inlined
def identity(p: Pool, row: int) -> int:
    """A number for a device that does not depend on how its hub's places are laid out, nor on pools."""
    shift = p.s[S_SHIFT]
    hub = row >> shift
    return (p.s[S_FIRST_HUB] + hub) * 256 + (row - (hub << shift))


@inlined
def draw(p: Pool, row: int, when: int, purpose: int) -> int:
    """A draw of a device."""
    return draw32(p.s[S_SEED], identity(p, row), when, purpose)


@inlined
def below(drawn: int, limit: int) -> int:
    """A draw scaled to ``0 .. limit-1``; ``limit`` is at most 2**31."""
    return drawn * limit >> 32
