"""What is made of a returned unit: opened, wiped, reset, sealed anew, used again or scrapped (T-07, T-16, T-17)."""

import numpy as np

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.logistics.books import Books
from emulator.logistics.columns import BROKEN, FAILS_INSTALL, NO_FAULT, OVERDUE, RESEALED, RESET, UNREGISTERED, WIPED, Rows
from emulator.logistics.tables import states

STEPS = ("open", "wipe", "reset", "reseal", "restock", "scrap")
"""What may be done, in the order in which it is."""


def check(books: Books, rows: Rows, step: str) -> None:
    """Raise :class:`Malformed` where this cannot be done to one of the units."""
    if step not in STEPS:
        raise Malformed(f"there is no step {step!r}", where="step", expected=", ".join(STEPS))
    if step == "open":
        at_home = np.isin(books.units.state[rows], [states()[each].number for each in ("installed", "test_hub")])
        books.check("begin triage", rows[~at_home], step)
    else:
        books.check({"scrap": "scrap", "restock": "restock"}.get(step, "begin triage"), rows, step)
    for row in map(int, rows):
        why = _refusal(books, row, step)
        if why:
            raise Malformed(f"{format_eui(books.eui(row))} {why}", where="step", expected="the steps before it, in their order")


def _refusal(books: Books, row: int, step: str) -> str:
    seal, flags = int(books.units.seal[row]), int(books.units.flags[row])
    variant = books.variant_of(row)
    if step == "open" and seal == BROKEN:
        return "is open already"
    if step in ("wipe", "reset") and seal != BROKEN:
        return "is sealed, and what this needs is behind the seal"
    if step == "reset" and not variant.factory_reset:
        return f"is a {variant.name}, which cannot be reset: it can only be scrapped"
    if step == "reset" and not flags & WIPED:
        return "still holds credentials"
    if step == "reseal" and seal != BROKEN:
        return "is sealed"
    if step == "restock" and not (flags & WIPED and flags & RESET):
        return "was not wiped and reset"
    return ""


def take(books: Books, rows: Rows, step: str, now_ms: int) -> None:
    """Do it to all of them, or raise :class:`Malformed` and do it to none."""
    check(books, rows, step)
    units = books.units
    if step == "open":
        units.seal[rows] = BROKEN
    elif step == "reseal":
        units.seal[rows] = RESEALED
    elif step in ("wipe", "reset"):
        units.flags[rows] |= WIPED if step == "wipe" else RESET
    elif step == "scrap":
        books.move("scrap", rows)
    else:
        books.move("restock", rows)
        units.flags[rows] &= ~np.uint8(WIPED | RESET | NO_FAULT | FAILS_INSTALL | UNREGISTERED | OVERDUE)
        units.truth[rows] = 0
        units.mate[rows] = -1
        units.since_s[rows] = now_ms // 1000
        for column in (units.installed_s, units.updated_s, units.removed_s, units.shows_s):
            column[rows] = 0
        units.generation[rows] += 1
