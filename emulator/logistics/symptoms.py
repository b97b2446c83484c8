"""What is wrong with a unit makes itself felt where it stands: faults of the plan, one for each cause and version.

The faults are those that anybody may plan; ``data/symptoms.toml`` says which a truth or a defect of a version brings about.
"""

from collections.abc import Iterator

from emulator.logistics import installing
from emulator.logistics.books import Books
from emulator.logistics.tables import Symptom, symptoms, truth_names
from emulator.simulation.draws import Ratio
from emulator.simulation.faults import FaultEntry, FaultPlan, Selector

PREFIX = "stock: "
"""How the faults are named."""
INSTALL, SERVICE = "defect at installation", "defect in service"
"""Causes that are no truth of a unit, but a defect of the version that it runs."""


def causes(books: Books, row: int, now_ms: int) -> Iterator[tuple[str, str]]:
    """What is wrong with a unit by now, and of which version where it passes with that."""
    truth, version = truth_names()[int(books.units.truth[row])], f"{books.version_of(row):08X}"
    if truth != "none":
        yield truth, ""
    if books.variant_of(row).is_hub:
        if installing.fails(books, row):
            yield INSTALL, version
        if installing.shows(books, row, now_ms):
            yield SERVICE, version


def missed_per_million(cause: str, tries: int) -> int:
    """How likely it is that nothing of a cause is felt on so many occasions. What makes itself felt in no way (a broken case) is
    plain to who looks at the unit, and never missed so."""
    felt = symptoms().get(cause, ())
    if not felt:
        return 0
    chance = 1_000_000
    for _ in range(tries):
        for symptom in felt:
            chance = chance * (100 - symptom.percent) // 100
    return chance


class Symptoms:
    """The faults that units bring with them."""

    def __init__(self, books: Books, plan: FaultPlan) -> None:
        """Over the books and the faults of a world."""
        self._books = books
        self._plan = plan

    def begin(self, row: int, now_ms: int) -> None:
        """Let everything that is wrong with a unit by now be felt."""
        eui = self._books.eui(row)
        for cause, version in causes(self._books, row, now_ms):
            for symptom in symptoms().get(cause, ()):
                self._hit(f"{PREFIX}{cause} {version}".rstrip(), symptom, int(eui), version, now_ms)

    def end(self, row: int) -> None:
        """A unit is gone, or nothing is wrong with it any more."""
        eui = int(self._books.eui(row))
        for entry in [each for each in self._plan.entries if each.name.startswith(PREFIX) and eui in each.devices]:
            entry.devices -= {eui}
            if not entry.devices:  # a fault without devices would be one of everybody
                self._plan.remove(entry.number)

    def _hit(self, name: str, symptom: Symptom, eui: int, version: str, now_ms: int) -> None:
        for entry in self._plan.entries:
            if (entry.name, entry.kind) == (name, symptom.fault):
                entry.devices |= {eui}
                return
        chance = None if symptom.percent == 100 else Ratio(symptom.percent, 100)
        who = Selector((("firmware_version", (version,)),)) if version else Selector()
        entry = FaultEntry(
            0, symptom.fault, None, now_ms, None, None, devices=frozenset({eui}), who=who, chance=chance, name=name
        )
        self._plan.put(entry)
