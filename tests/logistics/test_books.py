"""The books under any sequence of operations: no unit is lost or doubled, and what is refused changes nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.domain.settings import DAY_MS
from emulator.dsp.inputs import ControlInput
from emulator.logistics import installing, money, reflash, refurbishing, returning, stock, triage
from emulator.logistics.books import Books, packed, unpacked
from emulator.logistics.columns import COLUMNS, Columns
from emulator.logistics.settings import LogisticsSettings
from emulator.logistics.state import Defect, LogisticsState, Lot, Policy
from emulator.logistics.tables import moves, states, truths, variants
from emulator.world import World, create_world, restore_world
from tests.engine.actions import stock_verbs

HUB = {"manufacturer": "10C0", "model": "00010101"}
OLD, NEW = 0x00010000, 0x00010100
RATES = {"radio": 4_000, "cellular": 20_000, "mesh": 4_000, "4g": 1_000_000}
START_MS = 1_767_600_000_000


def books_with(count: int = 100, *, owner: str = "one", variant: str = "cellular-single", **more: Any) -> Books:
    books = Books(LogisticsState(), LogisticsSettings(**more), seed=1)
    lot = Lot(0, count, 0, 1, HUB["manufacturer"], HUB["model"], "", notified=True)
    stock.book_in(books, START_MS, lot, variant, {OLD: 1, NEW: 1}, owner=owner)
    return books


def check_whole(books: Books) -> None:
    """Nothing is lost, doubled or nowhere."""
    assert books.units.count == sum(lot.count for lot in books.state.lots)
    assert sum(books.count_by_state().values()) == books.units.count
    rows = np.arange(books.units.count)
    euis = books.euis(rows)
    assert len(set(euis.tolist())) == books.units.count
    assert [books.row_of(int(eui)) for eui in euis[:: max(1, len(euis) // 20)]] == rows[:: max(1, len(euis) // 20)].tolist()
    under_way = [unpacked(each.rows) for each in books.state.shipments.values()]
    together = np.concatenate(under_way) if under_way else rows[:0]
    assert len(np.unique(together)) == len(together), "no unit is under way twice"
    assert all(len(column) == books.units.count for _, column in books.units.columns())


VERBS = stock_verbs()


@st.composite
def operations(draw: st.DrawFn) -> list[tuple[str, dict[str, Any]]]:
    names = draw(st.lists(st.sampled_from([*VERBS, "wait", "wait"]), min_size=5, max_size=25))
    return [(name, draw(VERBS[name]) if name in VERBS else {"days": draw(st.sampled_from([1, 3, 30]))}) for name in names]


def columns_of(world: World) -> bytes:
    return b"".join(column.tobytes() for _, column in world.engine.logistics.books.units.columns())


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(operations())
def test_no_unit_is_lost_or_doubled_whatever_happens(asked: list[tuple[str, dict[str, Any]]]) -> None:
    world = create_world()
    engine = world.engine
    first = {**HUB, "variant": "cellular-single", "count": 60, "versions": {"00010000": 1}, "owner": "supplier-one"}
    for verb, params in [("stock.book", first), *asked]:
        before = columns_of(world), len(engine.state.logistics.orders)
        if verb == "wait":
            engine.advance(engine.now_ms + params["days"] * DAY_MS)
        else:
            answer = engine.control(ControlInput(verb, {k: v for k, v in params.items() if v is not None}), engine.now_ms)
            if answer.error is not None:
                assert (columns_of(world), len(engine.state.logistics.orders)) == before, (verb, params)
                assert "Traceback" not in answer.error
        check_whole(engine.logistics.books)
    digest = engine.digest()
    engine.take_effects()
    again = restore_world("again", engine.snapshot())
    assert again.engine.digest() == digest == engine.digest()


def test_every_move_leads_somewhere_and_every_state_can_be_reached() -> None:
    known = {state.number for state in states().values()}
    assert all(move.to in known and move.come_from <= known and move.come_from for move in moves().values())
    assert {move.to for move in moves().values()} | {states()["csp_warehouse"].number} == known
    assert all(row.source and row.confidence for row in (*states().values(), *moves().values(), *variants().values()))
    assert truths()["none"].number == 0


def test_policies_choose_what_they_say() -> None:
    books = books_with()
    released = [OLD, NEW]
    for policy, version in (
        (Policy("newest"), NEW),
        (Policy("newest-minus", minus=1), OLD),
        (Policy("pinned", version="00010000"), OLD),
    ):
        stock.put_policy(books, "one", policy)
        rows = stock.pick(books, "one", 10, ("supplier_store",), released)
        assert set(books.versions_of(rows).tolist()) == {version}
    with pytest.raises(Malformed, match="50 hubs"):
        stock.pick(books, "one", 51, ("supplier_store",), released)
    stock.put_policy(books, "one", Policy("newest-minus", minus=1))
    with pytest.raises(Malformed, match="1 versions are released"):
        stock.wanted_version(books, "one", [NEW])


def test_an_update_makes_visits_longer_by_the_rate_of_the_region() -> None:
    assert installing.update_minutes(books_with(), "cellular", RATES) == 45
    assert installing.update_minutes(books_with(), "radio", RATES) == 225
    run, rows = installing.have_installed(books_with(), "one", 100, [OLD, NEW], RATES, START_MS, update=True)
    assert (run.minutes, run.updated, len(rows)) == (100 * 60 + 50 * 45, 50, 100)


def test_a_defect_grows_and_ends_with_the_fix() -> None:
    books = books_with(variant="cellular-dual")
    stock.put_defect(books, Defect(f"{NEW:08X}", "service", 100, 10, START_MS))
    _, rows = installing.have_installed(books, "one", 50, [OLD, NEW], RATES, START_MS, update=False)
    installing.put_in(books, rows, START_MS)
    counts = [installing.affected(books, START_MS + day * DAY_MS) for day in range(0, 22, 3)]
    assert counts == sorted(counts)
    assert counts[-1] == 50
    at_ms = START_MS + 30 * DAY_MS
    installing.update_installed(books, rows, 0x00010200, at_ms)
    assert installing.affected(books, at_ms) == 0
    assert installing.affected(books, at_ms - 1000) == 50, "what was so stays so"


def test_an_order_is_rejected_for_three_reasons_with_evidence() -> None:
    books = books_with(100, min_lot="carton")
    image = (*HUB.values(), NEW)
    assert reflash.place(books, "two", "carton", ["C1"], image, START_MS).reason == reflash.NOT_REGISTERED
    assert reflash.place(books, "one", "carton", ["C1"], image, START_MS, address="two").reason == reflash.OTHER_ADDRESS
    books.units.flags[0] |= 1
    order = reflash.place(books, "one", "carton", ["C1"], image, START_MS)
    assert (order.reason, order.state) == (reflash.DAMAGED_PACKAGING, "rejected")
    assert "1 of 20" in order.evidence
    with pytest.raises(Malformed, match="at least a carton"):
        reflash.place(books, "one", "unit", ["00-DB-50-00-00-00-00-00"], image, START_MS)
    assert books.count_by_state()["supplier_store"] == 100


def test_results_are_for_each_unit() -> None:
    books = books_with(40, reflash_failures_per_10000=0, min_lot="unit")
    returning.send_back(books, np.array([3]), START_MS, by="one")
    order = reflash.place(books, "one", "carton", ["C1", "C2"], (*HUB.values(), NEW), START_MS)
    assert reflash.tally(order) == {"waits": 39, "in the fault process": 1}
    assert reflash.arrive(books, order, START_MS + DAY_MS) == 20 * 60_000, "two rounds of ten minutes"
    back = reflash.done(books, order, START_MS + 2 * DAY_MS)
    assert reflash.tally(order) == {"re-flashed": 19, "has the version": 20, "in the fault process": 1}
    assert set(books.versions_of(back).tolist()) == {NEW}
    check_whole(books)


def test_linked_units_are_told_apart_only_by_a_swap() -> None:
    certain = LogisticsSettings(triage_false_alarms_percent=0, triage_dcc_finds_percent=100, triage_dcc_tries=50)
    books = Books(LogisticsState(), certain, seed=1)
    rows = returning.generate(books, 200, START_MS, by="one", installers=["one", "two"], version=OLD)
    hubs = rows[:200]
    plain = triage.run(books, hubs, triage.Look("one", "dcc", "dcc"), START_MS)
    swapped = triage.run(books, hubs, triage.Look("one", "dcc", "dcc", swap=True), START_MS)
    assert sum(each.found for each in plain) > sum(each.found for each in swapped) == int((books.units.truth[hubs] != 0).sum())
    found = triage.confusion(books)
    assert found["dcc", True] == {"found": found["dcc", True]["found"], "missed": 0, "false_alarms": 0,
                                  "no_fault": 200 - found["dcc", True]["found"]}  # fmt: skip
    assert int(books.units.triages[hubs].min()) == 2


def test_stock_is_charged_until_it_is_installed_or_returned() -> None:
    books = books_with(10, stock_day_pence=2)
    day_10, day_20 = START_MS + 10 * DAY_MS, START_MS + 20 * DAY_MS
    assert money.spent(books, "one", day_10)["stock"] == (10, 200)
    installing.put_in(books, np.array([0, 1, 2]), day_10)
    returning.send_back(books, np.array([3]), day_10, by="one")
    returning.send_back(books, np.array([0]), day_20, by="one", variant="8.14.4", reason="No Fault Return (general)")
    assert money.spent(books, "one", day_20)["stock"] == (10, 2 * (4 * 10 + 6 * 20))
    books.move("take back", np.array([0, 3]))
    books.units.since_s[[0, 3]] = day_20 // 1000
    assert money.spent(books, "one", day_20)["stock"] == (10, 2 * (4 * 10 + 6 * 20)), "what was spent stays spent"
    display = books_with(1, variant="ppmid")
    returning.send_back(display, np.array([0]), START_MS, by="one")
    assert money.spent(display, "one", day_10) == {"returns, no message": (1, 2_000)}


def test_what_is_felt_now_and_then_is_missed_by_who_looks_once() -> None:
    found = {}
    for truth in ("case", "han", "aerial", "environment"):
        books = books_with(400, triage_false_alarms_percent=0, triage_dcc_finds_percent=100, triage_local_finds_percent=100)
        rows = np.arange(400)
        books.units.truth[rows] = truths()[truth].number
        books.move("send back", rows)
        books.move("take back", rows)
        ways = (triage.Look("one", "manufacturer", "local"), triage.Look("one", "dcc", "dcc"))
        found[truth] = [sum(each.found for each in triage.run(books, rows, look, START_MS)) for look in ways]
    assert found["case"] == found["han"] == [400, 400], "seen, or felt each time"
    assert 170 <= found["aerial"][0] <= 230
    assert 330 <= found["aerial"][1] <= 370, "7 of 8 in three tries"
    assert 60 <= found["environment"][0] <= 100
    assert 170 <= found["environment"][1] <= 220


def test_a_version_that_fails_at_installation_is_found_until_it_is_another() -> None:
    books = books_with(20, triage_false_alarms_percent=0, triage_dcc_finds_percent=100)
    stock.put_defect(books, Defect(f"{books.version_of(0):08X}", "install", 100, 0, START_MS))
    rows = np.array([0])
    books.move("send back", rows)
    books.move("take back", rows)
    look = triage.Look("one", "dcc", "dcc")
    assert [each.found for each in triage.run(books, rows, look, START_MS)] == [True]
    books.units.version[rows] = books.version_number(0x77)
    assert [each.found for each in triage.run(books, rows, look, START_MS)] == [False]
    assert triage.confusion(books) == {("dcc", False): {"found": 1, "missed": 0, "false_alarms": 0, "no_fault": 1}}


def test_a_unit_is_used_again_only_wiped_reset_and_sealed() -> None:
    books = books_with(2, variant="esme-optical")
    returning.send_back(books, np.array([0]), START_MS, by="one")
    books.move("take back", np.array([0]))
    row = np.array([0])
    for step in ("open", "wipe", "reset"):
        refurbishing.take(books, row, step, START_MS)
    with pytest.raises(Malformed, match="seal"):
        refurbishing.take(books, row, "restock", START_MS)
    for step in ("reseal", "restock"):
        refurbishing.take(books, row, step, START_MS)
    assert books.state_of(0) == "supplier_store"
    assert int(books.units.generation[0]) == 1


def test_columns_come_back_and_cost_little() -> None:
    books = books_with(1000)
    assert books.units.bytes_per_unit() <= 48
    again = Columns.load(books.units.dump())
    assert again.dump() == books.units.dump()
    assert set(books.units.dump()) == set(COLUMNS)
    with pytest.raises(Malformed):
        Columns.load({**books.units.dump(), "state": b"\1"})
    assert unpacked(packed(np.array([1, 5]))).tolist() == [1, 5]


def test_break_even_is_where_it_begins_to_pay() -> None:
    settings_ = LogisticsSettings()
    at = money.break_even(settings_)
    assert at is not None
    assert money.volume(settings_, at).pays
    assert not money.volume(settings_, at - 1).pays
    lot = money.lot_break_even(settings_, 45)
    assert lot is not None
    assert lot * (45 * settings_.visit_minute_pence - settings_.reflash_pence) > settings_.reflash_lot_pence
    sweeps = {(each.level, each.holding): each for each in money.sweeps(settings_, 45)}
    assert sweeps["pallet", 30].stuck == 30, "a small supplier has no pallet (C-13)"
    assert sweeps["unit", 30].stuck == 0
