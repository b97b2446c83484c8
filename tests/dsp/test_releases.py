"""Firmware for PPMIDs and HCALCSs goes live in stages, and each stage can be backed out with jobs on their way."""

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.dsp.inputs import ControlInput
from emulator.dsp.job_states import TERMINAL
from emulator.dsp.upgrade_paths import read_paths
from emulator.engine import restore_state
from tests.dsp.bench_world import DAY_MS, Bench, bench_with, device
from tests.dsp.telling import told

ESME, HUB, PPMID, HCALCS = (device(0, last) for last in ("A0", "A2", "A4", "A5"))


def states(bench: Bench) -> set[str]:
    return {job.state for job in bench.world.engine.state.dsp.jobs.values()}


def refused(bench: Bench, **params: object) -> str:
    answer = bench.world.engine.control(ControlInput("release.set", dict(params)), bench.now_ms)
    assert answer.error is not None
    return str(answer.result["where"])


def test_before_any_release_11_4_does_not_exist_and_meters_are_not_reported_on() -> None:
    bench = bench_with(dsp_release=False, csp_release=False)
    assert bench.distribute("11.4", "PPMID", [PPMID]).code == "E100"
    assert bench.distribute("11.1", "HCALCS", [HCALCS]).code == "E110101"
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"
    assert told(bench.run_until_idle()) == {"one": ["8F72"]}


def test_what_fails_before_the_release_is_told_as_a_distribution_failure() -> None:
    bench = bench_with(dsp_release=False)
    bench.control("fault.add", kind="hub.store_full", device=format_eui(HUB))
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"
    bench.run_until_idle()
    assert told(bench.deliveries) == {"one": ["N18"]}


def test_with_the_dsp_alone_meters_are_reported_on_and_no_ppmid_may_have_an_image() -> None:
    bench = bench_with(csp_release=False)
    assert bench.distribute("11.4", "PPMID", [PPMID]).code == "E110401"
    assert "InvalidGBCSVersionList: 1" in bench.journal[-1].summary
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"
    assert told(bench.run_until_idle()) == {"one": ["N60", "N62", "8F72"]}
    bench.control("release.set", feature="csp_release", on=True)
    assert bench.distribute("11.4", "PPMID", [PPMID]).code == "I99"


def test_hubs_follow_by_firmware_version() -> None:
    bench = Bench()
    hubs = bench.world.engine.state.dsp.inventory
    hubs[device(1, "A2")].firmware_version = "000200FF"
    bench.control("release.set", feature="ch", firmware_version="000200ff", on=False)
    answer = bench.distribute("11.4", "PPMID", [PPMID, device(1, "A4")])
    assert answer.code == "W110401"
    assert answer.payload is not None
    assert answer.payload.value("InvalidGBCSVersionList") == format_eui(device(1, "A4"))
    bench.control("release.set", feature="ch", firmware_version="000200FF", on=True)
    hubs[device(1, "A2")].gbcs_version = "1.0"
    assert bench.distribute("11.4", "PPMID", [device(1, "A4")]).code == "I99", "what an operator says comes first"


def test_11_4_alone_can_be_switched_off_and_on() -> None:
    bench = bench_with(sr_11_4=False)
    assert bench.distribute("11.4", "PPMID", [PPMID]).code == "E100"
    assert bench.distribute("11.1", "HCALCS", [HCALCS]).code == "I99"
    bench.control("release.set", feature="sr_11_4", on=True)
    assert bench.distribute("11.4", "PPMID", [PPMID]).code == "I99"


@pytest.mark.parametrize(("feature", "version"), [("csp_release", None), ("sr_11_4", None), ("ch", "hub"), ("dsp_release", None)])
@pytest.mark.parametrize("jobs", ["cancel", "let_run"])
def test_backing_out_leaves_no_job_stuck(feature: str, version: str | None, jobs: str) -> None:
    bench = Bench()
    running = bench.world.engine.state.dsp.inventory[HUB].firmware_version
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(HUB), to="1 day")
    assert bench.distribute("11.4", "PPMID", [PPMID]).code == "I99"
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"
    bench.advance(1_000)
    switched = bench.control(
        "release.set", feature=feature, on=False, jobs=jobs, **({"firmware_version": running} if version else {})
    )
    assert switched["ended_jobs"] == (1 if jobs == "cancel" else 0)
    ppmid = bench.world.views.device(PPMID)["job"]  # type: ignore[index]
    assert ppmid["state"] == ("FAILED_CSP" if jobs == "cancel" else "WITH_CSP")
    bench.run_until_idle()
    assert states(bench) <= TERMINAL
    assert bench.world.views.device(ESME)["job"]["state"] == "VERIFIED"  # type: ignore[index]
    if jobs == "cancel" and feature != "dsp_release":
        assert told(bench.deliveries)["one"].count("N61") == 1


def test_the_setting_says_what_becomes_of_jobs_where_the_operator_does_not() -> None:
    for policy, ended in (("cancel", 1), ("let_run", 0)):
        bench = bench_with(on_back_out=policy)
        bench.control("fault.add", kind="wan.unreachable", device=format_eui(HUB))
        assert bench.distribute("11.1", "HCALCS", [HCALCS]).code == "I99"
        bench.advance(1_000)
        assert bench.control("release.set", feature="csp_release", on=False)["ended_jobs"] == ended


def test_a_wrong_switch_changes_nothing() -> None:
    bench = Bench()
    assert refused(bench, feature="everything", on=True) == "feature"
    assert refused(bench, feature="csp_release", on="no") == "on"
    assert refused(bench, feature="csp_release", on=True, firmware_version="00010000") == "firmware_version"
    assert refused(bench, feature="ch", on=True, firmware_version="v1") == "firmware_version"
    assert refused(bench, feature="ch", on=True, firmware_version="00010000", jobs="keep") == "jobs"
    assert refused(bench, feature="ch", on=True, more=1) == "more"
    assert not bench.world.engine.state.dsp.releases.switched
    assert not bench.world.engine.state.dsp.releases.hub_versions


def test_what_is_released_is_shown_and_survives_a_snapshot() -> None:
    bench = Bench()
    bench.control("release.set", feature="sr_11_4", on=False)
    bench.control("release.set", feature="ch", firmware_version="000200ff", on=False)
    shown = bench.world.views.releases()
    assert {row["feature"]: row["on"] for row in shown["features"]} == {
        "dsp_release": True,
        "csp_release": True,
        "sr_11_4": False,
    }
    assert shown["hub_versions"] == {"000200FF": False}
    assert all(row["source"] and row["confidence"] for row in shown["features"])
    restored = restore_state(bench.world.engine.snapshot())
    assert restored.dsp.releases == bench.world.engine.state.dsp.releases


# The order of versions


PATH = {"type": "ESME", "manufacturer": "11E5", "model": "00020101", "firmware_version": "00010200"}


def test_a_version_that_is_not_reached_from_the_one_that_runs_is_not_applicable() -> None:
    bench = Bench()
    bench.control("upgrade_path.put", **PATH, from_versions=["00010100"])
    bench.world.engine.state.dsp.inventory[device(1, "A0")].firmware_version = "00010100"
    answer = bench.distribute("11.1", "ESME", [ESME, device(1, "A0")], "00010200")
    assert answer.code == "W110101"
    assert answer.payload is not None
    assert answer.payload.value("NotApplicableFirmwareDeviceIDList") == format_eui(ESME)
    assert bench.distribute("11.1", "ESME", [ESME], "00010100").code == "I99"
    bench.run_until_idle()
    bench.control("upgrade_path.put", **PATH, from_versions=[])
    assert bench.world.views.upgrade_paths() == []
    assert bench.distribute("11.1", "ESME", [ESME], "00010200").code == "I99"


@pytest.mark.parametrize(("order", "warned"), [("warn", 1), ("off", 0)])
def test_the_order_can_be_bypassed(order: str, warned: int) -> None:
    bench = bench_with(upgrade_order=order)
    bench.control("upgrade_path.put", **PATH, from_versions=["00010100"])
    assert bench.distribute("11.1", "ESME", [ESME], "00010200").code == "I99"
    assert sum("is not reached" in entry.summary for entry in bench.journal if entry.kind == "warning") == warned


def test_an_estate_may_declare_the_order() -> None:
    rows = {"rows": [{**PATH, "model": "00020101", "from_versions": ["00010100", "0001010a"]}]}
    (path,) = read_paths(rows, "settings.upgrade_paths")
    assert path.from_versions == ("00010100", "0001010A")
    for wrong in ({"rows": 1}, {"else": []}, {"rows": [{**PATH}]}, {"rows": [{**PATH, "from_versions": ["x"]}]}):
        with pytest.raises(Malformed, match="upgrade_paths"):
            read_paths(wrong, "settings.upgrade_paths")
    for name, value in (("type", "TOASTER"), ("model", "1"), ("more", 1)):
        with pytest.raises(Malformed):
            read_paths({"rows": [{**PATH, "from_versions": [], name: value}]}, "settings.upgrade_paths")


# The time a distribution may take


def test_who_misses_the_service_time_is_counted_and_what_never_arrives_ends() -> None:
    bench = bench_with(distribution_deadline_ms=DAY_MS, distribution_limit_ms=3 * DAY_MS)
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(HUB), to="36 h")
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(device(1, "A2")), to="10 days")
    devices = [ESME, device(1, "A0")]
    assert bench.distribute("11.1", "ESME", devices).code == "I99"
    bench.advance(DAY_MS)
    assert (bench.world.views.jobs().items[0]["missed"], bench.world.views.jobs().items[0]["overdue"]) == (0, False)
    bench.advance(1)
    assert (bench.world.views.jobs().items[0]["missed"], bench.world.views.jobs().items[0]["overdue"]) == (2, True)
    assert [entry.data["overdue"] for entry in bench.journal if entry.summary.startswith("overdue")] == [2]
    bench.advance(2 * DAY_MS)
    (shown,) = bench.world.views.jobs().items
    assert shown["counts"] == {"FAILED_CSP": 1, "VERIFIED": 1}
    assert (shown["missed"], shown["overdue"]) == (2, False)
    assert told(bench.deliveries)["one"].count("N61") == 1
    assert bench.world.views.device(device(1, "A0"))["job"]["reason"] == "not delivered in time"  # type: ignore[index]


def test_what_is_in_time_is_not_overdue_later() -> None:
    bench = Bench()
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"
    bench.run_until_idle()
    bench.advance(30 * DAY_MS)
    (shown,) = bench.world.views.jobs().items
    assert (shown["missed"], shown["overdue"]) == (0, False)
    assert not [entry for entry in bench.journal if entry.summary.startswith("overdue")]
