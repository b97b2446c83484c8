"""Reports on a world that things have happened to."""

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceStatus
from emulator.dsp.audit import select
from emulator.dsp.grants import devices_digest
from emulator.reports.registry import REPORTS
from emulator.world import restore_world
from tests.access.test_policy import ESME, FAR_MS, NORTH_ESME, PPMID, SOUTH_ESME, appoint, grant, lose, send, world
from tests.dsp.bench_world import AGENT, DAY_MS, HOUR_MS, MINUTE_MS, SUPPLIER, SUPPLIER_TWO, Bench, bench_with, device, responses
from tests.dsp.test_firmware import manufacturer_image_hash
from tests.engine.large import FIRST, large_world

GSME, NORTH_PPMID = device(0, "A1"), device(1, "A4")
EVERY_DEVICE = [device(home, f"A{kind}") for home in range(3) for kind in range(6)]


def rows(
    bench: Bench, name: str, *, lists: dict[str, frozenset[str]] | None = None, **filters: object
) -> list[dict[str, object]]:
    views = bench.world.views
    gathering = views.gathering(name, filters)
    if gathering is not None:
        named = {**{devices_digest([eui]): frozenset([format_eui(eui)]) for eui in EVERY_DEVICE}, **(lists or {})}
        for query in gathering.queries():
            for record in select(bench.audit, query, named):
                wanted = gathering.wants_list(record.entry)
                gathering.take(record, sorted(named.get(record.entry.devices_digest, ())) if wanted else ())
    found = views.report(name, filters, gathering)
    assert found["name"] == name
    assert found["count"] == len(found["rows"])
    assert all(list(row) == [column["name"] for column in found["columns"]] for row in found["rows"])
    return list(found["rows"])


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def controlled() -> Bench:
    bench = Bench(world(rsa_policy="mp207_controlled"))
    for eui in (ESME, NORTH_ESME):
        appoint(bench, eui)
    return bench


COUNTED_AHEAD = {"update-census", "stock-break-even", "stock-lots", "combinations"}
"""Reports on what is there from the start, or on what would be."""


@pytest.mark.parametrize("name", sorted(REPORTS.keys() - COUNTED_AHEAD))
def test_of_a_new_world_every_report_is_empty(bench: Bench, name: str) -> None:
    assert rows(bench, name) == []


def funnel(bench: Bench) -> tuple[object, ...]:
    (row,) = rows(bench, "campaign-funnel")
    stages = ("requested", "accepted", "at_hub", "downloaded", "verified", "activated", "confirmed", "open")
    return tuple(row[name] for name in stages)


def test_a_funnel_from_request_to_confirmation(bench: Bench) -> None:
    assert bench.distribute("11.1", "ESME", [ESME, NORTH_ESME, SOUTH_ESME]).code == "W110101"
    assert funnel(bench) == (3, 2, 0, 0, 0, 0, 0, 2)
    bench.run_until_idle()
    assert funnel(bench) == (3, 2, 2, 2, 2, 0, 0, 0)
    bench.activate(ESME, manufacturer_image_hash(bench, "ESME"))
    bench.run_until_idle()
    assert funnel(bench) == (3, 2, 2, 2, 2, 1, 0, 0)
    bench.submit("11.2", to=ESME)
    bench.run_until_idle()
    assert funnel(bench) == (3, 2, 2, 2, 2, 1, 1, 0)


def test_the_funnel_can_be_limited(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.distribute("11.4", "PPMID", [PPMID])
    by_device = rows(bench, "campaign-funnel", device=format_eui(PPMID))
    assert [row["variant"] for row in by_device] == ["11.4"]
    request_id = str(by_device[0]["request_id"])
    assert rows(bench, "campaign-funnel", request_id=request_id.lower()) == by_device
    assert len(rows(bench, "campaign-funnel", user=SUPPLIER)) == 2
    assert rows(bench, "campaign-funnel", user=format_eui(SUPPLIER_TWO)) == []


def test_a_job_that_fails_keeps_the_stage_it_came_to(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME], signer=SUPPLIER_TWO)
    bench.run_until_idle()
    (row,) = rows(bench, "campaign-funnel")
    assert (row["at_hub"], row["downloaded"], row["verified"], row["failed"]) == (1, 1, 0, 1)


def test_what_reports_need_survives_a_snapshot(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME, NORTH_ESME])
    bench.run_until_idle()
    bench.submit("11.2", to=ESME)
    bench.run_until_idle()
    before = {name: rows(bench, name) for name in ("campaign-funnel", "held-images", "transfer-time")}
    again = Bench(restore_world("again", bench.world.engine.snapshot()))
    assert {name: rows(again, name) for name in before} == before
    assert again.world.engine.state.dsp.inventory[ESME].reported_version == "00010000"


def test_jobs_of_an_old_snapshot_are_counted_by_their_states(bench: Bench) -> None:
    """It did not hold how far a job came and when its image was at the hub."""
    bench.distribute("11.1", "ESME", [ESME, NORTH_ESME])
    bench.run_until_idle()
    for job in bench.world.engine.state.dsp.jobs.values():
        job.furthest, job.at_hub_ms = "", None
    for request in bench.world.engine.state.dsp.firmware_requests.values():
        request.listed = 0
    assert funnel(bench) == (2, 2, 2, 2, 2, 0, 0, 0)
    assert {(row["count"], row["waiting"], row["never"]) for row in rows(bench, "transfer-time")} == {(0, 0, 0)}


def test_an_inventory_that_lags_is_found_until_it_follows(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    assert rows(bench, "version-disagreement") == []
    bench.world.engine.premises.side_channel(ESME, 0x00010100, bench.now_ms)
    (row,) = rows(bench, "version-disagreement")
    assert (row["device"], row["inventory"], row["running"], row["differs"]) == (
        format_eui(ESME),
        "00010000",
        "00010100",
        "running",
    )
    assert rows(bench, "version-disagreement", device=format_eui(NORTH_ESME)) == []
    assert len(rows(bench, "version-disagreement", supplier="supplier-one")) == 1
    assert rows(bench, "version-disagreement", supplier="supplier-two") == []
    bench.submit("11.2", to=ESME)
    bench.run_until_idle()
    assert rows(bench, "version-disagreement") == []


def test_a_version_that_was_read_and_is_not_listed_stays_a_disagreement(bench: Bench) -> None:
    bench.world.engine.premises.side_channel(ESME, 0x0009_0000, bench.now_ms)
    bench.submit("11.2", to=ESME)
    bench.run_until_idle()
    (row,) = rows(bench, "version-disagreement")
    assert (row["reported"], row["differs"]) == ("00090000", "running reported")
    assert row["reported_ms"] is not None


def test_an_activation_is_no_disagreement_with_what_was_read_before(bench: Bench) -> None:
    bench.submit("11.2", to=ESME)
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    bench.activate(ESME, manufacturer_image_hash(bench, "ESME"))
    bench.run_until_idle()
    assert bench.world.engine.state.dsp.inventory[ESME].firmware_version == "00010100"
    assert rows(bench, "version-disagreement") == []


def test_what_can_be_activated_and_with_which_hash(controlled: Bench) -> None:
    number = grant(controlled)
    assert send(controlled, [ESME]).code == "I99"
    controlled.run_until_idle()
    (row,) = rows(controlled, "held-images", supplier="supplier-one")
    expected = {
        "device": format_eui(ESME),
        "version": "00010100",
        "image_hash": manufacturer_image_hash(controlled, "ESME").hex(),
        "running": "00010000",
        "sender": format_eui(AGENT),
        "acting_for": "supplier-one",
        "grant": number,
        "supplier_changed": False,
        "activates_ms": None,
        "job": "VERIFIED",
    }
    assert {name: row[name] for name in expected} == expected
    controlled.activate(ESME, bytes.fromhex(str(row["image_hash"])))
    assert [r.code for r in responses(controlled.run_until_idle()) if r.service_reference == "11.3"] == ["I0"]
    assert rows(controlled, "held-images") == []


def test_images_held_after_a_change_of_supplier(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME, NORTH_ESME])
    bench.run_until_idle()
    assert rows(bench, "held-images", supplier_changed=True) == []
    lose(bench, ESME)
    bench.advance(0)
    (row,) = rows(bench, "held-images", supplier_changed="true")
    assert (row["device"], row["sender"], row["suppliers"]) == (format_eui(ESME), format_eui(SUPPLIER), "supplier-two")
    assert row["job"] == "ORPHANED"
    assert rows(bench, "held-images", supplier="supplier-two") == [row]
    assert [each["device"] for each in rows(bench, "held-images", supplier_changed=False)] == [format_eui(NORTH_ESME)]
    assert len(rows(bench, "held-images", sender=SUPPLIER)) == 2
    assert rows(bench, "held-images", sender=SUPPLIER_TWO) == []


def test_a_dated_activation_is_shown(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    bench.activate(ESME, manufacturer_image_hash(bench, "ESME"), at="2026-01-10T02:00:00Z")
    bench.advance(DAY_MS)
    (row,) = rows(bench, "held-images")
    assert row["activates_ms"] == 1_768_010_400_000


def test_what_an_agent_did_and_what_stopped_it(controlled: Bench) -> None:
    grant(controlled)
    assert send(controlled, [ESME]).code == "I99"
    assert send(controlled, [SOUTH_ESME]).code == "E110101"
    assert controlled.distribute("11.4", "PPMID", [PPMID], user=AGENT).code == "E2"
    for _ in range(2):
        assert controlled.submit("11.2", to=ESME, user=AGENT).code == "I99"
    controlled.submit("11.2", to=ESME)
    found = rows(controlled, "rsa-activity")
    assert {row["user"] for row in found} == {format_eui(AGENT)}
    told = {(row["variant"], row["verdict"], row["check"]): (row["requests"], row["devices"]) for row in found}
    assert told == {
        ("11.1", "accepted", None): (1, 1),
        ("11.1", "refused", "no_valid_device"): (1, 1),
        ("11.2", "accepted", None): (2, 2),
        ("11.4", "refused", "role_not_eligible"): (1, 1),
    }
    assert rows(controlled, "rsa-activity", user=AGENT, variant="11.4") == [row for row in found if row["variant"] == "11.4"]
    assert rows(controlled, "rsa-activity", user=SUPPLIER) == []
    assert rows(controlled, "rsa-activity", to_ms=controlled.now_ms) == []


def test_what_was_quarantined_is_no_acceptance(controlled: Bench) -> None:
    controlled.control("anomaly.threshold", variant="11.2", requests=0)
    assert controlled.submit("11.2", to=ESME, user=AGENT).code == "I99"
    assert [row["verdict"] for row in rows(controlled, "rsa-activity")] == ["quarantined"]
    controlled.control("quarantine.release", reference=1)
    assert [row["verdict"] for row in rows(controlled, "rsa-activity")] == ["accepted", "quarantined"]


def test_grants_that_end_soon(controlled: Bench) -> None:
    now_ms = controlled.now_ms
    grant(controlled)
    second = grant(controlled, to_ms=now_ms + 2 * DAY_MS)
    first = grant(controlled, "supplier-two", to_ms=now_ms + DAY_MS)
    assert [row["grant"] for row in rows(controlled, "expiring-grants")] == [first, second]
    (row,) = rows(controlled, "expiring-grants", within_ms=DAY_MS)
    assert (row["supplier"], row["left_ms"], row["live"]) == ("supplier-two", DAY_MS, True)
    assert len(rows(controlled, "expiring-grants", within_ms=str(FAR_MS))) == 3
    assert [row["grant"] for row in rows(controlled, "expiring-grants", supplier="supplier-one")] == [second]
    assert rows(controlled, "expiring-grants", user=SUPPLIER) == []
    controlled.control("grant.revoke", grant=first)
    controlled.advance(DAY_MS)
    assert [row["grant"] for row in rows(controlled, "expiring-grants")] == [second]


def test_what_other_suppliers_did_on_a_shared_device(bench: Bench) -> None:
    """The home in the north has electricity of one supplier and gas of another."""
    assert bench.distribute("11.4", "PPMID", [NORTH_PPMID]).code == "I99"
    bench.run_until_idle()
    bench.submit("11.2", to=device(1, "A0"))
    hub = bench.world.engine.state.dsp.inventory[NORTH_PPMID].hub
    assert hub is not None
    bench.submit("11.2", to=hub)
    told = [(row["device"], row["party"], row["variant"]) for row in rows(bench, "other-supplier-actions", user=SUPPLIER_TWO)]
    assert told == [(format_eui(NORTH_PPMID), "supplier-one", "11.4"), (format_eui(hub), "supplier-one", "11.2")]
    assert rows(bench, "other-supplier-actions", user=SUPPLIER) == []
    assert len(rows(bench, "other-supplier-actions")) == 2
    assert [row["type"] for row in rows(bench, "other-supplier-actions", user=SUPPLIER_TWO, device=hub)] == ["CHF"]
    assert rows(bench, "other-supplier-actions", user=0x1234) == []


def test_what_was_done_before_a_change_of_supplier_was_done_to_the_one_before(bench: Bench) -> None:
    """The gas of the northern home goes to the company that has its electricity."""
    bench.distribute("11.4", "PPMID", [NORTH_PPMID])
    bench.run_until_idle()
    bench.advance(60_000)
    bench.control("registration.put", mpxn="7400001001", role="GS", party="supplier-one", from_ms=bench.now_ms)
    bench.submit("11.2", to=NORTH_PPMID)
    found = rows(bench, "other-supplier-actions", user=SUPPLIER_TWO)
    assert [row["variant"] for row in found] == ["11.4"]


def test_a_device_that_was_refused_in_a_mixed_list_was_not_acted_upon(bench: Bench) -> None:
    """Both PPMIDs are shared; one of them is not commissioned."""
    bench.control("registration.put", mpxn="7400000001", role="GS", party="supplier-two", from_ms=0)
    home = [PPMID, NORTH_PPMID]
    bench.world.engine.state.dsp.inventory[PPMID].status = DeviceStatus.PENDING
    assert bench.distribute("11.4", "PPMID", home).code == "W110401"
    assert [r.entry.devices for r in bench.audit if r.entry.kind in ("decision", "exclusion")] == [2, 1]
    lists = {devices_digest(home): home, devices_digest([PPMID]): [PPMID]}
    named = {digest: frozenset(map(format_eui, euis)) for digest, euis in lists.items()}
    for device_filter, expected in (({}, [NORTH_PPMID]), ({"device": NORTH_PPMID}, [NORTH_PPMID]), ({"device": PPMID}, [])):
        filters = {"user": SUPPLIER_TWO, **device_filter}
        found = rows(bench, "other-supplier-actions", lists=named, **filters)
        assert [row["device"] for row in found] == [format_eui(eui) for eui in expected]


def test_times_of_transfer_by_region(bench: Bench) -> None:
    start_ms = bench.now_ms
    bench.distribute("11.1", "ESME", [ESME, NORTH_ESME])
    assert [(row["count"], row["waiting"], row["median_ms"]) for row in rows(bench, "transfer-time")] == [(0, 1, None)] * 2
    bench.run_until_idle()
    found = {row["region"]: row for row in rows(bench, "transfer-time")}
    assert set(found) == {"Central", "North"}
    jobs = bench.world.engine.state.dsp.jobs.values()
    assert {found["Central"]["max_ms"], found["North"]["max_ms"]} == {(job.at_hub_ms or 0) - start_ms for job in jobs}
    assert [row["region"] for row in rows(bench, "transfer-time", region="North")] == ["North"]
    assert all(row["late"] == row["never"] == 0 for row in found.values())


def test_jobs_that_met_a_full_store() -> None:
    bench = bench_with("han", store_images=1)
    bench.distribute("11.1", "GSME", [GSME])
    bench.advance(10 * 60_000)
    bench.distribute("11.4", "PPMID", [PPMID])
    bench.run_until_idle()
    (row,) = rows(bench, "buffer-contention")
    assert (row["device"], row["type"], row["hub"] is not None) == (format_eui(PPMID), "PPMID", True)
    assert rows(bench, "buffer-contention", hub=str(row["hub"])) == [row]
    assert rows(bench, "buffer-contention", device=GSME) == []
    assert [each["never"] for each in rows(bench, "transfer-time")] == [1]


def test_unknown_names_and_values_are_told_with_those_there_are(bench: Bench) -> None:
    views = bench.world.views
    with pytest.raises(Malformed, match=r"there is no report 'x'.*campaign-funnel, version-disagreement"):
        views.report("x", {})
    with pytest.raises(Malformed, match=r"no filter 'model'.*supplier, sender, device"):
        views.report("held-images", {"model": "1"})
    for name, filters in (
        ("held-images", {"device": "x"}),
        ("held-images", {"supplier_changed": "maybe"}),
        ("held-images", {"supplier": 7}),
        ("expiring-grants", {"within_ms": "-1"}),
        ("expiring-grants", {"user": 2**64}),
        ("transfer-time", {"region": "East"}),
    ):
        with pytest.raises(Malformed) as caught:
            views.report(name, filters)
        assert caught.value.where in filters
        assert caught.value.expected
    with pytest.raises(Malformed, match="audit trail"):
        views.report("rsa-activity", {})


def test_a_page_of_a_report(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME, NORTH_ESME])
    bench.run_until_idle()
    every = bench.world.views.report("held-images", {})
    second = bench.world.views.report("held-images", {}, offset=1, limit=1)
    assert (every["count"], second["count"]) == (2, 2)
    assert second["rows"] == every["rows"][1:]


def test_a_report_reads_and_changes_nothing(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    before = bench.world.engine.digest()
    for name in REPORTS:
        rows(bench, name)
    assert bench.world.engine.digest() == before
    assert not bench.world.engine.take_effects()


def test_every_report_is_described() -> None:
    for report in REPORTS.values():
        described = report.described()
        assert described["says"].endswith(".")
        assert described["columns"]
        assert all(part["says"] for part in described["columns"] + described["filters"])


def test_a_mass_outage_is_one_of_more_than_fifty_hubs() -> None:
    bench = Bench(large_world(51))
    hubs = [Eui64(FIRST + 4 * number) for number in range(51)]

    def outages(hubs: list[Eui64], on: bool = False) -> list[tuple[object, ...]]:
        for hub in hubs:
            bench.world.engine.premises.power(hub, on, bench.now_ms)
        bench.advance(0)
        return [tuple(row[name] for name in ("region", "hubs", "reported", "mass")) for row in rows(bench, "power-outages")]

    assert outages(hubs[:50]) == [("North", 50, 0, False)]
    bench.advance(2 * MINUTE_MS)
    assert outages(hubs[50:]) == [("North", 51, 0, True)], "it went dark soon after the others"
    bench.advance(MINUTE_MS)
    assert outages([]) == [("North", 51, 50, True)]
    bench.advance(HOUR_MS)
    other = bench.world.estate.homes[0].hub
    assert outages([other]) == [("North", 51, 51, True), ("Central", 1, 0, False)]
    assert rows(bench, "power-outages", region="Central")[0]["since_ms"] == bench.now_ms
    assert outages([*hubs[:49], other], on=True) == [("North", 2, 2, False)]
