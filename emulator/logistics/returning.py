"""Returns: units that go back, with a fault or without, by what DUIS tells or as a generated population (T-01, T-03, T-05)."""

from collections.abc import Iterable

import numpy as np

from emulator.domain.errors import Malformed
from emulator.domain.settings import DAY_MS
from emulator.domain.vocabulary import DeviceType
from emulator.logistics import installing
from emulator.logistics.books import Books
from emulator.logistics.chance import draws_below
from emulator.logistics.columns import NO_FAULT, Rows
from emulator.logistics.state import Lot, ReturnRecord
from emulator.logistics.tables import states, truths, variant_list, variants

LOST = "Lost or Stolen Hub"
"""The type of 8.14.4 after which nothing comes back (duis.md 7.5, certain)."""
KEPT_RECORDS = 1_000_000
"""Records of returns that are kept; ours."""
MAX_BATCH = 100_000
"""Units of a generated population of returns; ours."""
LINKED_PERCENT = 30
"""Of generated hubs, how many come back with the meter that they sat on; ours."""


def send_back(
    books: Books,
    rows: Rows,
    now_ms: int,
    *,
    by: str,
    variant: str = "",
    reason: str = "",
    method: str = "",
    other: int | None = None,
) -> Rows:
    """Units leave a home or a store; those that are under way back. Lost ones are gone.

    ``other`` is the place of the unit that came back with the first one.
    """
    event = "lose" if reason == LOST else "send back"
    books.check(event, rows)
    units = books.units
    for row in map(int, rows):
        installed_s = int(units.installed_s[row])
        since_s = installed_s or int(units.since_s[row])
        if installing.shows(books, row, now_ms):
            units.truth[row] = truths()["firmware"].number
        books.state.returns.append(
            ReturnRecord(
                row, now_ms, by, books.state.companies[int(units.installer[row])] if installed_s else "", variant, reason, method,
                max(0, now_ms // 1000 - since_s) * 1000 // DAY_MS, f"{books.version_of(row):08X}",
                max(0, (installed_s or now_ms // 1000) - int(units.since_s[row])) * 1000 // DAY_MS,
            )
        )  # fmt: skip
    del books.state.returns[:-KEPT_RECORDS]
    books.move(event, rows)
    units.removed_s[rows] = now_ms // 1000
    units.returns[rows] = np.minimum(units.returns[rows].astype(np.int64) + 1, 255)
    units.flags[rows] &= ~np.uint8(NO_FAULT)
    if variant == "8.14.4":
        units.flags[rows] |= NO_FAULT
    if other is not None and len(rows):
        units.mate[rows[0]], units.mate[other] = other, int(rows[0])
    return rows[:0] if event == "lose" else rows


def generate(books: Books, count: int, now_ms: int, *, by: str, installers: Iterable[str], version: int) -> Rows:
    """A population of hubs that came back, some with their meters, whose hidden truths are drawn: so many have no fault (T-01);
    of the others, where a meter came along, it may be the meter that fails (T-03). ``installers`` had installed them in turn,
    ``by`` is whose they are now (T-05)."""
    if not 1 <= count <= MAX_BATCH:
        raise Malformed(f"count is {count}", where="count", expected=f"1 to {MAX_BATCH}")
    names, state = list(installers) or [by], books.state
    linked = -(-count * LINKED_PERCENT // 100)
    hubs = _arrived(books, "cellular-single", count, now_ms, by, version)
    meters = _arrived(books, "esme-optical", linked, now_ms, by, version)
    euis, units = books.euis(hubs), books.units
    faulty = draws_below(100, books.seed, euis, "returned") >= books.settings.no_fault_found_percent
    units.mate[hubs[:linked]], units.mate[meters] = meters, hubs[:linked]
    possible = [each for each in truths().values() if each.part and DeviceType.CHF in each.device_types]
    bounds = np.cumsum([each.part for each in possible])
    drawn = np.array([each.number for each in possible])[
        np.searchsorted(bounds, draws_below(int(bounds[-1]), books.seed, euis, "what"), side="right")
    ]
    at_meter = faulty & (np.arange(count) < linked) & (draws_below(2, books.seed, euis, "which of the two") == 1)
    units.truth[hubs] = np.where(faulty & ~at_meter, drawn, 0)
    units.truth[meters] = np.where(at_meter[:linked], truths()["meter"].number, 0)
    units.flags[hubs[~faulty]] |= NO_FAULT
    ages = draws_below(60, books.seed, euis, "age")
    ages = np.where(draws_below(100, books.seed, euis, "early") < 70, ages // 20, ages * 40)
    units.installed_s[hubs] = now_ms // 1000 - ages * (DAY_MS // 1000)
    for place, row in enumerate(map(int, hubs)):
        truth = list(truths().values())[int(units.truth[row])]
        claimed = truth.reason or ("SMHAN Interface Fault" if at_meter[place] or place // 2 % 2 else "No Fault Return (general)")
        variant = "8.14.4" if claimed.startswith("No Fault") else "8.14.3"
        installer = names[place % len(names)]
        units.installer[row] = books.company(installer)
        state.returns.append(
            ReturnRecord(
                row, now_ms, by, installer, variant, claimed, "Hot-shoe" if variant == "8.14.3" else "", int(ages[place]),
                f"{version:08X}",
            )
        )  # fmt: skip
    del state.returns[:-KEPT_RECORDS]
    return np.concatenate((hubs, meters))


def _arrived(books: Books, variant: str, count: int, now_ms: int, by: str, version: int) -> Rows:
    kind = variants()[variant]
    lot = Lot(0, count, books.state.next_eui, 2 if kind.is_hub else 1, "", "", "", notified=False)
    numbers = np.full(count, books.version_number(version), np.uint16)
    rows = books.add(lot, kind, "returned", by, numbers, now_ms // 1000)
    books.state.next_eui = lot.first_eui + count * lot.step
    books.units.returns[rows] = 1
    return rows


def fee_pence(books: Books, record: ReturnRecord) -> int:
    """What a return costs its supplier, with the published fees (L106, L107); for a display, which is not used again, a new one
    (L108)."""
    settings, row = books.settings, record.row
    variant = variant_list()[int(books.units.variant[row])]
    if not variant.is_hub:
        return settings.ppmid_pence if variant.device_type is DeviceType.PPMID else 0
    if record.variant == "8.14.4" and record.reason != LOST:
        return settings.no_fault_fee_pence
    full = settings.dual_band_fee_pence if variant.band == "dual" else settings.single_band_fee_pence
    gone = record.reason == LOST or int(books.units.state[row]) == states()["scrapped"].number
    found = next((each.found for each in reversed(books.state.triages) if each.row == row), None)
    return settings.redeployable_fee_pence if not gone and found is False else full
