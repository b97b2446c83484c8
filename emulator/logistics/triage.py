"""Triage: who looks at what in which way, what they find, and how that compares with the truth (ota.md 10, SEED-TRIAGE)."""

from dataclasses import dataclass

import numpy as np

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.logistics.books import Books
from emulator.logistics.chance import draws_below
from emulator.logistics.columns import SEALED, Rows
from emulator.logistics.state import TriageRecord
from emulator.logistics.symptoms import causes, missed_per_million
from emulator.logistics.tables import Variant

ACTORS = ("supplier", "manufacturer", "dcc")
"""Who can triage at all (SEED-TRIAGE)."""
WAYS = ("dcc", "local", "self")
"""The DCC's way: on the test hub, online, with dummy MPxNs; the maker's own local way; a supplier's own way for SMETS1."""
ACCESSES = ("standard", "engineering")
"""Interfaces: those of the security characteristics, or functions behind the seal (T-18)."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a triage is done."""

    by: str
    """The company."""
    actor: str
    way: str
    swap: bool = False
    """Whether the hub is tried with another device, and the device at another hub."""
    access: str = "standard"


def check(books: Books, rows: Rows, look: Look) -> None:
    """Raise :class:`Malformed` where this triage cannot be."""
    for value, known, where in ((look.actor, ACTORS, "actor"), (look.way, WAYS, "way"), (look.access, ACCESSES, "access")):
        if value not in known:
            raise Malformed(f"there is no {where} {value!r}", where=where, expected=", ".join(known))
    books.check("begin triage", rows[~books.in_state("in_triage")[rows]] if look.way == "dcc" else rows, "triage")
    refusals: dict[int, str] = {}
    for row in map(int, rows):
        key = int(books.units.variant[row]) << 8 | int(books.units.seal[row])
        if key not in refusals:
            refusals[key] = _refusal(books, books.variant_of(row), int(books.units.seal[row]), look)
        if refusals[key]:
            raise Malformed(f"{format_eui(books.eui(row))}: {refusals[key]}", where="way", expected="another way, or actor")


def _refusal(books: Books, variant: Variant, seal: int, look: Look) -> str:
    """Why a unit of this kind cannot be triaged so; empty where it can."""
    if look.access == "engineering" and seal == SEALED:
        return "its engineering functions are behind the seal, which is whole"
    if look.way == "self":
        if variant.generation != "SMETS1" or look.actor != "supplier":
            return "only suppliers triage by themselves, and only SMETS1"
        return ""
    if look.way == "local":
        if variant.local == "none":
            return f"{variant.name} has no local way"
        if variant.generation == "SMETS2" and look.actor != "manufacturer" and books.settings.triage_actor == "manufacturer":
            return f"a {look.actor} has no tool for the maker's own way"
    return ""


def run(books: Books, rows: Rows, look: Look, now_ms: int) -> list[TriageRecord]:
    """Look at units, and judge each: by what is wrong with it and makes itself felt while it is looked at. Without a swap nobody
    can say which of two units that came back together fails."""
    check(books, rows, look)
    settings, units = books.settings, books.units
    finds = {"dcc": settings.triage_dcc_finds_percent}.get(look.way, settings.triage_local_finds_percent)
    minutes = settings.triage_dcc_minutes if look.way == "dcc" else settings.triage_local_minutes
    books.move("begin triage", rows[~books.in_state("in_triage")[rows]])
    looks = books.euis(rows) * np.uint64(256) + units.triages[rows]
    draws = draws_below(100, books.seed, looks, f"triage {look.way}")
    felt = draws_below(1_000_000, books.seed, looks, f"felt in triage {look.way}")
    records = []
    for place, row in enumerate(map(int, rows)):
        mate = int(units.mate[row])
        own = [cause for cause, _ in causes(books, row, now_ms)]
        wrong = own if look.swap or mate < 0 else own + [cause for cause, _ in causes(books, mate, now_ms)]
        drawn = int(draws[place])
        if not wrong:
            found = drawn < settings.triage_false_alarms_percent
        else:
            found = drawn < finds and int(felt[place]) >= min(missed_per_million(each, tries(books, look)) for each in wrong)
        version = f"{books.version_of(row):08X}"
        record = TriageRecord(row, now_ms, look.by, look.actor, look.way, look.swap, found, minutes, version, failing=bool(own))
        records.append(record)
        units.triages[row] = min(255, int(units.triages[row]) + 1)
    books.move("end triage", rows)
    books.state.triages += records
    return records


def tries(books: Books, look: Look) -> int:
    """On how many occasions a unit can make itself felt during a triage."""
    return books.settings.triage_dcc_tries if look.way == "dcc" else books.settings.triage_local_tries


def confusion(books: Books) -> dict[tuple[str, bool], dict[str, int]]:
    """By way and swap: how often a fault was found, or missed, and how often none was found, or a false one."""
    found: dict[tuple[str, bool], dict[str, int]] = {}
    for each in books.state.triages:
        row = found.setdefault((each.way, each.swapped), dict.fromkeys(("found", "missed", "false_alarms", "no_fault"), 0))
        failing = bool(books.units.truth[each.row]) if each.failing is None else each.failing
        row["found" if failing and each.found else "missed" if failing else "false_alarms" if each.found else "no_fault"] += 1
    return found
