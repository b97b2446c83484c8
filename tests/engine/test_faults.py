"""The fault plan in a whole world: what selectors know, what users see of faults, and that a run with faults repeats itself."""

from typing import Any

import pytest

from emulator.domain.identifiers import format_eui
from emulator.dsp.inputs import ControlInput
from emulator.simulation.faults import FACTS, Subject
from emulator.world import restore_world
from tests.dsp.bench_world import DAY_MS, HOUR_MS, SUPPLIER_TWO, Bench, device, device_alerts, responses

ESME, GSME, HUB, PPMID = (device(0, last) for last in ("A0", "A1", "A2", "A4"))
NORTH_HUB, NORTH_ESME = device(1, "A2"), device(1, "A0")
SOUTH_ESME = device(2, "A0")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def chosen(bench: Bench, **who: Any) -> set[str]:
    """Which of the devices a selector takes."""
    number = bench.control("fault.add", kind="device.silent", who=who)["fault"]
    faults, entities = bench.world.engine.faults, bench.world.engine.entities
    found = {format_eui(eui) for eui in entities.population(Subject.DEVICE) if faults.active("device.silent", eui, bench.now_ms)}
    bench.control("fault.remove", fault=number)
    return found


def test_what_is_told_of_a_device_and_a_hub(bench: Bench) -> None:
    entities, estate = bench.world.engine.entities, bench.world.estate
    home = next(home for home in estate.homes if home.hub == HUB)
    meter, hub = entities.facts(ESME), entities.facts(HUB)
    assert (dict(meter).keys(), len(meter)) == (FACTS.keys(), len(FACTS))
    assert (meter["eui"], meter["hub"], hub["hub"]) == ((format_eui(ESME),), (format_eui(HUB),), (format_eui(HUB),))
    assert (meter["type"], hub["type"]) == (("ESME",), ("CHF",))
    for facts in (meter, hub):
        assert facts["region"] == (home.region.value,)
        assert facts["technology"] == (home.wan_technology,)
        assert facts["hub_variant"] == (home.han_variant,)
        assert facts["connectivity"] == (home.connectivity,)
    assert meter["firmware_version"] == ("00010000",)
    supplier = next(
        party for party in estate.parties if party.eui == bench.world.engine.premises.state.devices[ESME].credentials[2]
    )
    assert meter["supplier"] == (format_eui(supplier.eui), supplier.party, supplier.name)
    assert set(meter["supplier"]) <= set(hub["supplier"])
    assert dict(entities.facts(0x77)) == {}


def test_selectors_over_the_default_estate(bench: Bench) -> None:
    everyone = chosen(bench, type="*")
    assert len(everyone) == len(bench.world.engine.state.premises.devices)
    north = chosen(bench, region="North")
    assert format_eui(NORTH_ESME) in north
    assert format_eui(ESME) not in north
    assert chosen(bench, region="north", type=["esme", "chf"]) == {format_eui(NORTH_ESME), format_eui(NORTH_HUB)}
    assert chosen(bench, hub=format_eui(HUB), type="?SME") == {format_eui(ESME), format_eui(GSME)}
    assert chosen(bench, eui=["00db1234567890*", format_eui(NORTH_ESME)]) == {
        eui for eui in everyone if eui.startswith("00-DB-12-34-56-78-90")
    } | {format_eui(NORTH_ESME)}
    assert chosen(bench, firmware_version="00099999") == set()
    assert chosen(bench, share=[1, 1]) == everyone


def test_a_selector_follows_what_changes(bench: Bench) -> None:
    """The fault waits for devices that run the new version."""
    bench.control("fault.add", kind="device.silent", who={"firmware_version": "00010100"})
    faults = bench.world.engine.faults
    assert not faults.active("device.silent", ESME, bench.now_ms)
    bench.world.engine.premises.side_channel(ESME, 0x00010100, bench.now_ms)
    assert faults.active("device.silent", ESME, bench.now_ms)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"kind": "wan.unreachable", "device": format_eui(ESME)}, f"is of type ESME; expected its hub, {format_eui(HUB)}"),
        ({"kind": "wan.unreachable", "who": {"type": "ESME"}}, "who.type: no hub has type 'ESME'; expected one of CHF"),
        ({"kind": "device.silent", "device": "00-00-00-00-00-00-00-07"}, "is in no home"),
        ({"kind": "device.silent", "who": {"region": "SMETS1"}}, "who.region: no device has region 'SMETS1'"),
        ({"kind": "device.silent", "who": {"region": "North", "eui": format_eui(ESME)}}, "who: no device is all of this"),
    ],
)
def test_what_can_match_nobody_is_refused_and_changes_nothing(bench: Bench, params: dict[str, Any], said: str) -> None:
    before = bench.world.engine.digest()
    answer = bench.world.engine.control(ControlInput("fault.add", params), bench.now_ms)
    assert said in str(answer.error)
    assert bench.world.engine.digest() == before


def test_the_receipt_that_the_user_never_gets(bench: Bench) -> None:
    """The DCC knows that the image was verified, the supplier does not (F30)."""
    bench.control("fault.add", kind="dsp.loses_message", device=format_eui(ESME), params={"code": "8F72"})
    bench.distribute("11.1", "ESME", [ESME, NORTH_ESME])
    found = bench.advance(3 * DAY_MS)
    assert len(device_alerts(found, 0x8F72)) == 1
    job = bench.world.views.device(ESME)
    assert job is not None
    assert job["job"]["state"] == "VERIFIED"
    assert [entry.kind for entry in bench.journal if "is lost, by fault" in entry.summary] == ["dropped"]


def test_a_message_that_comes_twice(bench: Bench) -> None:
    bench.control("fault.add", kind="dsp.repeats_message", device=format_eui(ESME), params={"code": "I0", "copies": 2}, times=1)
    for _ in range(2):
        assert bench.submit("11.2", to=ESME).code == "I99"
    found = responses(bench.run_until_idle())
    assert [(len({answer.request_id for answer in found}), len(found))] == [(2, 4)]


def test_an_inventory_that_does_not_follow(bench: Bench) -> None:
    bench.control("fault.add", kind="dsp.inventory_not_updated", device=format_eui(ESME), times=1)
    bench.control("fault.add", kind="device.wrong_version", device=format_eui(ESME), params={"version": "00010100"}, times=2)
    entry, seen = bench.world.engine.state.dsp.inventory[ESME], []
    for _ in range(2):
        bench.submit("11.2", to=ESME)
        bench.run_until_idle()
        seen.append(entry.firmware_version)
    assert seen == ["00010000", "00010100"]


PLAN: list[dict[str, Any]] = [
    {"kind": "wan.loses_upstream", "who": {"region": ["North", "Central"]}, "chance": [1, 3]},
    {"kind": "wan.delays_messages", "chance": [1, 2], "params": {"delay_ms": "20 min"}},
    {"kind": "device.message_repeated", "who": {"type": "*SME", "share": [1, 2]}, "counted": "each", "times": 2, "after": 1},
    {"kind": "device.slow", "daily": ["10:00", "16:00"], "chance": [1, 2]},
    {"kind": "dsp.loses_message", "chance": "1/4", "from": "2 h"},
]


def played(*, restarts: bool) -> tuple[str, list[str], list[tuple[int, int]]]:
    """A week of reads under a plan: the digest, all hits, and when what came; with restarts the world goes through snapshots."""
    bench = Bench()
    for fault in PLAN:
        bench.control("fault.add", **fault)
    for _ in range(28):
        for eui in (ESME, GSME, NORTH_ESME):
            bench.submit("11.2", to=eui)
        bench.advance(6 * HOUR_MS)
        if restarts:
            bench.world = restore_world("default", bench.world.engine.snapshot())
    hits = [entry.summary for entry in bench.journal if entry.kind == "fault"]
    return bench.world.engine.digest(), hits, [(each.at_ms, each.number) for each in bench.deliveries]


def test_a_run_with_faults_repeats_itself_with_and_without_restarts() -> None:
    first = played(restarts=False)
    assert first == played(restarts=False)
    assert first == played(restarts=True)
    assert {summary.split("(")[1].split(")")[0] for summary in first[1]} == {fault["kind"] for fault in PLAN}


def test_looking_changes_nothing(bench: Bench) -> None:
    bench.control("fault.add", kind="wan.unreachable", times=1, chance=[1, 2])
    before = bench.world.engine.digest()
    views = bench.world.views
    views.faults(), views.fault(1), views.fault(2), [views.device(eui) for eui in bench.world.engine.state.dsp.inventory]
    bench.world.engine.csp.describe_hub(HUB, bench.now_ms)
    assert bench.world.engine.digest() == before


STARTED_BY_COLUMNS = ("device.refuses_image", "han.transfer_fails", "device.verify_fails", "hub.store_full", "hub.loses_image")
"""Kinds of which the columns of the network decide when they happen."""


@pytest.mark.parametrize("kind", STARTED_BY_COLUMNS)
def test_a_list_of_devices_hits_these_and_nobody_else(bench: Bench, kind: str) -> None:
    """An image for two electricity meters and one gas meter, of which the fault names one each."""
    named = [format_eui(eui) for eui in ((NORTH_HUB, device(2, "A2")) if kind.startswith("hub") else (NORTH_ESME, PPMID))]
    number = bench.control("fault.add", kind=kind, device=named)["fault"]
    bench.distribute("11.1", "ESME", [ESME, NORTH_ESME])
    bench.distribute("11.1", "GSME", [GSME])
    bench.advance(3 * DAY_MS)
    states = {}
    for eui in (ESME, GSME, NORTH_ESME):
        found = bench.world.views.device(eui)
        assert found is not None
        states[eui] = found["job"]["state"]
    assert (states[ESME], states[GSME]) == ("VERIFIED", "VERIFIED")
    assert states[NORTH_ESME] != "VERIFIED"
    hit = {entry.device for entry in bench.journal if entry.kind == "fault" and entry.data["fault"] == number}
    assert hit == {NORTH_HUB if kind.startswith("hub") else NORTH_ESME}


@pytest.mark.parametrize("kind", STARTED_BY_COLUMNS)
@pytest.mark.parametrize("who", [{}, {"who": {"region": ["Central", "South"]}}])
@pytest.mark.parametrize("when", [{"times": 1}, {"times": 1, "after": 1}])
def test_occasions_of_all_regions_count_together(bench: Bench, kind: str, who: dict[str, Any], when: dict[str, int]) -> None:
    """Two meters in different regions get an image at the same time, and the fault is for one of them only."""
    number = bench.control("fault.add", kind=kind, **who, **when)["fault"]
    bench.distribute("11.1", "ESME", [ESME])
    bench.distribute("11.1", "ESME", [SOUTH_ESME], signer=SUPPLIER_TWO, user=SUPPLIER_TWO)
    bench.advance(3 * DAY_MS)
    failed = []
    for eui in (ESME, SOUTH_ESME):
        found = bench.world.views.device(eui)
        assert found is not None
        failed += [eui] if found["job"]["state"] != "VERIFIED" else []
    (hit,) = [entry.device for entry in bench.journal if entry.kind == "fault" and entry.data["fault"] == number]
    assert len(failed) == 1
    assert hit == (failed[0] if not kind.startswith("hub") else device(0 if failed == [ESME] else 2, "A2"))
    shown = bench.world.views.fault(int(str(number)))
    assert shown is not None
    assert (shown["hits"], shown["condition"]) == (1, "used up")


def test_a_fault_for_everyone_says_whom_it_hit(bench: Bench) -> None:
    bench.control("fault.add", kind="device.verify_fails")
    bench.distribute("11.1", "ESME", [ESME, NORTH_ESME])
    bench.distribute("11.1", "ESME", [SOUTH_ESME], signer=SUPPLIER_TWO, user=SUPPLIER_TWO)
    bench.advance(3 * DAY_MS)
    hit = [entry.device for entry in bench.journal if entry.kind == "fault"]
    assert sorted(map(int, filter(None, hit))) == [ESME, NORTH_ESME, SOUTH_ESME]


@pytest.mark.parametrize("kind", ["wan.transfer_fails", "device.verify_fails", "device.response_lost"])
def test_of_two_faults_of_a_kind_the_first_hits(bench: Bench, kind: str) -> None:
    first, second = (int(str(bench.control("fault.add", kind=kind)["fault"])) for _ in range(2))
    bench.distribute("11.1", "ESME", [ESME])
    bench.submit("11.2", to=ESME)
    bench.advance(3 * DAY_MS)
    hits = []
    for number in (first, second):
        shown = bench.world.views.fault(number)
        assert shown is not None
        hits.append(shown["hits"])
    assert hits[0] > 0
    assert hits[1] == 0


def test_a_hit_of_which_nothing_shows_whom_it_hit_names_nobody(bench: Bench) -> None:
    number = int(str(bench.control("fault.add", kind="wan.unreachable", chance="1/2")["fault"]))
    faults = bench.world.engine.faults
    faults.struck(faults.entries[0], 0, bench.now_ms)
    bench.collect()
    (entry,) = [each for each in bench.journal if each.kind == "fault"]
    assert entry.device is None
    assert "one of those whom it can hit" in entry.summary
    shown = bench.world.views.fault(number)
    assert shown is not None
    assert shown["last_hit"]["entity"] is None
