"""Reports and views on service time, held images and versions that nobody has read."""

from emulator.domain.identifiers import format_eui
from emulator.engine import restore_state
from emulator.simulation.agenda import Agenda
from tests.dsp.bench_world import DAY_MS, HOUR_MS, Bench, bench_with, device
from tests.dsp.test_firmware import manufacturer_image_hash

ESME, NORTH_ESME, PPMID, HUB = device(0, "A0"), device(1, "A0"), device(0, "A4"), device(0, "A2")


def rows(bench: Bench, name: str, **filters: object) -> list[dict[str, object]]:
    return list(bench.world.views.report(name, filters)["rows"])


def of(bench: Bench, name: str, **filters: object) -> set[object]:
    return {row["device"] for row in rows(bench, name, **filters)}


def test_the_funnel_has_when_images_are_due_and_who_missed_that() -> None:
    bench = bench_with(distribution_deadline_ms=HOUR_MS)
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(HUB), to="3 h")
    began_ms = bench.now_ms
    bench.distribute("11.1", "ESME", [ESME, NORTH_ESME])
    (row,) = rows(bench, "campaign-funnel")
    assert (row["due_ms"], row["missed"]) == (began_ms + HOUR_MS, 0)
    bench.advance(2 * HOUR_MS)
    assert rows(bench, "campaign-funnel")[0]["missed"] == 1
    bench.run_until_idle()
    (row,) = rows(bench, "campaign-funnel")
    assert (row["at_hub"], row["missed"], row["open"]) == (2, 1, 0)
    assert [each["late"] for each in rows(bench, "transfer-time")] == [0, 1]


def test_the_deadlines_of_a_request_go_with_it_and_survive_a_snapshot() -> None:
    bench = bench_with(distribution_deadline_ms=HOUR_MS)
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(HUB))
    bench.distribute("11.1", "ESME", [ESME])
    assert _waiting(bench.world.engine.state.agenda) == ["dsp.distribution_due"]
    bench.advance(HOUR_MS + 1)
    restored = restore_state(bench.world.engine.snapshot())
    assert _waiting(restored.agenda) == ["dsp.distribution_limit"]
    bench.control("job.cancel", device=format_eui(ESME))
    assert _waiting(bench.world.engine.state.agenda) == []


def _waiting(agenda: Agenda) -> list[str]:
    """Topics of the looks at requests that are still to come."""
    agenda.settle()
    return [event.topic for event in agenda.entries if event.topic.startswith("dsp.distribution_")]


def test_images_that_are_held_for_long() -> None:
    bench = Bench()
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    since_ms = rows(bench, "held-images")[0]["held_since_ms"]
    assert isinstance(since_ms, int)
    bench.advance(2 * DAY_MS)
    bench.distribute("11.1", "ESME", [NORTH_ESME])
    bench.run_until_idle()
    bench.advance(1)
    assert of(bench, "held-images", longer_than_ms=DAY_MS) == {format_eui(ESME)}
    assert of(bench, "held-images", longer_than_ms=0) == {format_eui(ESME), format_eui(NORTH_ESME)}
    assert of(bench, "held-images", longer_than_ms=bench.now_ms - since_ms) == set()


def test_who_waits_without_a_receipt_holds_its_image_since_it_was_at_the_hub() -> None:
    bench = Bench()
    bench.control("fault.add", kind="device.alert_lost", device=format_eui(ESME), params={"code": "8F72"})
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    (row,) = rows(bench, "held-images")
    assert row["job"] == "UNKNOWN"
    assert row["held_since_ms"] == bench.world.engine.state.dsp.jobs[max(bench.world.engine.state.dsp.jobs)].at_hub_ms


def test_versions_that_nobody_has_read() -> None:
    bench = Bench()
    bench.control("fault.add", kind="device.response_lost", device=format_eui(NORTH_ESME), times=1)
    bench.distribute("11.1", "ESME", [ESME, NORTH_ESME])
    bench.distribute("11.4", "PPMID", [PPMID])
    bench.run_until_idle()
    assert of(bench, "never-read") == {format_eui(PPMID)}
    for eui in (ESME, NORTH_ESME):
        bench.activate(eui, manufacturer_image_hash(bench, "ESME"))
    bench.run_until_idle()
    told = {
        row["device"]: (row["route"], row["inventory"], row["reported_ms"] is None, row["job"])
        for row in rows(bench, "never-read")
    }
    assert told == {
        format_eui(PPMID): ("DCC", "00010100", False, "ACTIVATED"),
        format_eui(ESME): ("DCC", "00010100", False, "ACTIVATED"),
        format_eui(NORTH_ESME): ("DCC", "00010000", True, "VERIFIED"),
    }
    bench.submit("11.2", to=NORTH_ESME)
    bench.run_until_idle()
    assert of(bench, "never-read", supplier="supplier-one") == {format_eui(PPMID), format_eui(ESME)}
    assert of(bench, "never-read", device=format_eui(PPMID)) == {format_eui(PPMID)}
    assert of(bench, "never-read", supplier="supplier-two") == set()


def test_firmware_that_came_another_way_shows_too() -> None:
    bench = Bench()
    bench.world.engine.premises.side_channel(PPMID, 0x0001FFFF, bench.now_ms)
    (row,) = rows(bench, "never-read")
    assert (row["device"], row["route"], row["running"], row["request_id"]) == (format_eui(PPMID), "other", "0001FFFF", None)
    bench.submit("11.2", to=PPMID)
    bench.run_until_idle()
    assert rows(bench, "never-read") == []
