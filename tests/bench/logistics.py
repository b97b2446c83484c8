"""What it costs to keep books of a million hubs: booked in, delivered by the pallet, installed, updated, returned, counted.

The run is a process of its own, so that its peak of memory is that of the books.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from emulator.domain.settings import DAY_MS
from emulator.logistics import installing, reflash, returning, stock, triage
from emulator.logistics.books import Books
from emulator.logistics.settings import LogisticsSettings
from emulator.logistics.state import Defect, LogisticsState, Lot
from tests.bench.measure import Run, Sample, measurement

UNITS = 1_000_000
START_MS = 1_767_600_000_000
OLD, NEW, FIX = 0x00010000, 0x00010100, 0x00010200
RATES = {"radio": 4_000, "cellular": 20_000, "mesh": 4_000, "4g": 1_000_000}


def run(units: int) -> dict[str, Any]:
    """A year of a million hubs: what it took and where they are."""
    books = Books(LogisticsState(), LogisticsSettings(), seed=1)
    began = time.perf_counter()
    lot = Lot(0, units, 0, 2, "10C0", "00010101", "", notified=True)
    stock.book_in(books, START_MS, lot, "cellular-single", {OLD: 3, NEW: 1}, mixed=True)
    stock.put_defect(books, Defect(f"{NEW:08X}", "service", 10, 30, START_MS))
    rows = stock.take(books, "csp", "pallet", units // 800, "csp_warehouse")
    books.move("deliver", rows)
    shipment = books.ship("arrive", rows, START_MS + DAY_MS, "one")
    books.arrive(shipment.number, START_MS + DAY_MS)
    order = reflash.place(books, "one", "pallet", ["P1", "P2"], ("10C0", "00010101", NEW), START_MS + DAY_MS)
    reflash.arrive(books, order, START_MS + 2 * DAY_MS)
    reflash.done(books, order, START_MS + 3 * DAY_MS)
    installed = installing.have_installed(books, "one", units // 2, [OLD, NEW], RATES, START_MS + 4 * DAY_MS, update=True)[1]
    installing.put_in(books, installed, START_MS + 4 * DAY_MS)
    affected = installing.affected(books, START_MS + 60 * DAY_MS)
    installing.update_installed(books, installed, FIX, START_MS + 61 * DAY_MS)
    returned = returning.send_back(books, installed[: units // 100], START_MS + 90 * DAY_MS, by="one", variant="8.14.3")
    books.move("take back", returned)
    triage.run(books, returned, triage.Look("one", "dcc", "dcc", swap=True), START_MS + 95 * DAY_MS)
    snapshot = sum(map(len, books.units.dump().values()))
    wall = time.perf_counter() - began
    return {
        "wall_s": wall,
        "bytes_per_unit": snapshot / units,
        "checked": {"units": units, "affected": affected, "states": {k: v for k, v in books.count_by_state().items() if v},
                    "digest": hex(int(np.bitwise_xor.reduce(books.euis(np.arange(units)))))},
    }  # fmt: skip


def main() -> None:
    """Take one run in this process and print it as a line of JSON."""
    found = run(int(sys.argv[1]))
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps(found | {"peak_mib": int(peak.split()[1]) / 1024}), flush=True)


def taken() -> Sample:
    """A run in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.logistics", str(UNITS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=600, cwd=Path(__file__).resolve().parents[2])
    found = json.loads(done.stdout)
    return Sample(found["wall_s"], found["checked"], {each: round(found[each], 1) for each in ("peak_mib", "bytes_per_unit")})


@measurement("logistics.million_units.wall_s", "s", runs=3)
def million() -> Iterator[Run]:
    """A million hubs through a year; the peak of memory stands beside it."""
    yield taken


if __name__ == "__main__":
    main()
