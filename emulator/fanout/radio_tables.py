"""How a broadcast goes, as tables of integers: made in advance with large integers, so that kernels need no powers."""

from emulator.fanout.fields import MAX_ROUNDS, MISSING_STEPS

_BITS = 128
_ONE = 1 << _BITS


def _power(base: int, exponent: int) -> int:
    """``base ** exponent`` of fractions of 2**128."""
    result = _ONE
    while exponent:
        if exponent & 1:
            result = result * base >> _BITS
        base = base * base >> _BITS
        exponent >>= 1
    return result


def complete_after(segments: int, loss_permille: int) -> list[int]:
    """For 1 to ``MAX_ROUNDS`` rounds the chance, of 2**32, that a hub has every segment: ``(1 - loss**r) ** segments``."""
    found, missed = [], _ONE
    for _ in range(MAX_ROUNDS):
        missed = missed * loss_permille // 1_000
        found.append(_power(_ONE - missed, segments) >> (_BITS - 32))
    return found


def missing_after(segments: int, loss_permille: int, rounds: int) -> list[int]:
    """How many segments a hub that lacks any lacks after so many rounds: the middles of sixteen equal shares of hubs.

    The count is binomial. Where it is so large that the chance of none vanishes, the mean stands for all.
    """
    missed = _ONE
    for _ in range(rounds):
        missed = missed * loss_permille // 1_000
    mean = max(1, segments * missed >> _BITS)
    chance = _power(_ONE - missed, segments)
    if chance < 1 << 32 or missed == _ONE:
        return [mean] * MISSING_STEPS
    lacks = _ONE - chance
    found: list[int] = []
    passed = 0
    for count in range(1, segments + 1):
        chance = chance * (segments - count + 1) * missed // (count * (_ONE - missed))
        passed += chance
        while len(found) < MISSING_STEPS and passed * 2 * MISSING_STEPS >= lacks * (2 * len(found) + 1):
            found.append(count)
        if len(found) == MISSING_STEPS:
            return found
    return found + [max(found[-1:] or [1])] * (MISSING_STEPS - len(found))
