"""Who may change firmware: agents under grants, change of supplier, quarantine, and the trail that all of it leaves."""

import base64

import pytest

from emulator.domain.identifiers import format_eui
from emulator.dsp.audit import verify
from emulator.gbcs.message import decode_message
from emulator.gbcs.results import read_result
from emulator.world import World, create_world
from tests.dsp.bench_world import (
    AGENT,
    DAY_MS,
    SUPPLIER,
    SUPPLIER_TWO,
    Bench,
    dcc_alerts,
    device,
    device_alerts,
    responses,
)
from tests.dsp.test_firmware import manufacturer_image_hash

ESME, NORTH_ESME, SOUTH_ESME, PPMID = device(0, "A0"), device(1, "A0"), device(2, "A0"), device(0, "A4")
FAR_MS = 4_000_000_000_000


def world(**settings: object) -> World:
    from emulator.estate.declaration import default_estate_toml

    lines = [f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for name, value in settings.items()]
    return create_world(estate_toml=default_estate_toml() + "\n[settings.dsp]\n" + "\n".join(lines) + "\n")


@pytest.fixture
def bench() -> Bench:
    """The controlled policy, with the agent appointed for all three electricity meters."""
    bench = Bench(world(rsa_policy="mp207_controlled"))
    for eui in (ESME, NORTH_ESME, SOUTH_ESME):
        appoint(bench, eui)
    return bench


def appoint(bench: Bench, eui: int, party: str = "meter-operator") -> None:
    mpan = bench.world.engine.state.dsp.inventory[eui].import_mpxn  # type: ignore[index]
    bench.control("registration.put", mpxn=mpan, role="RSA", party=party, from_ms=bench.now_ms)


def grant(bench: Bench, supplier: str = "supplier-one", **values: object) -> int:
    values = {"to_ms": FAR_MS, **values}
    return int(str(bench.control("grant.put", supplier=supplier, agent=format_eui(AGENT), **values)["grant"]))


def send(bench: Bench, devices: list[int], **options: object):  # type: ignore[no-untyped-def]
    return bench.distribute("11.1", "ESME", devices, user=AGENT, **options)


def job_state(bench: Bench, eui: int) -> str:
    return str(bench.world.views.device(eui)["job"]["state"])  # type: ignore[index]


def test_today_an_agent_may_not_distribute_whatever_was_granted() -> None:
    bench = Bench()
    appoint(bench, ESME)
    grant(bench)
    assert send(bench, [ESME]).code == "E2"
    assert bench.submit("11.2", to=ESME, user=AGENT).code == "I99"
    assert not bench.world.engine.state.dsp.jobs


def test_without_a_grant_nothing_starts(bench: Bench) -> None:
    answer = send(bench, [ESME, NORTH_ESME, SOUTH_ESME])
    assert answer.code == "E110101"
    assert not bench.world.engine.state.dsp.jobs


def test_a_grant_opens_exactly_its_suppliers_devices(bench: Bench) -> None:
    number = grant(bench)
    answer = send(bench, [ESME, SOUTH_ESME])
    assert answer.code == "W110101"
    assert answer.payload.value("InvalidDeviceIDList") == format_eui(SOUTH_ESME)
    fresh = bench.run_until_idle()
    told = {d.recipient for d in fresh if d.message in dcc_alerts(fresh, "N60")}
    assert told == {AGENT, SUPPLIER}
    assert [d.recipient for d in bench.deliveries if d.message in dcc_alerts(bench.deliveries, "N59")] == [SUPPLIER]
    decision = next(r.entry for r in bench.audit if r.entry.kind == "decision" and r.entry.variant == "11.1")
    assert (decision.acting_for, decision.grant, decision.outcome) == ("supplier-one", str(number), "W110101")
    bench.control("grant.revoke", grant=number)
    assert send(bench, [NORTH_ESME]).code == "E110101"


def test_an_agent_that_is_not_appointed_has_no_use_of_a_grant(bench: Bench) -> None:
    grant(bench)
    appoint(bench, ESME, "other-user")
    assert send(bench, [ESME]).code == "E110101"


def test_an_agent_hears_of_its_right_before_it_hears_of_the_products_list(bench: Bench) -> None:
    def asks(**options: object) -> str:
        return str(send(bench, [ESME], **options).code)

    row = next(row for row in bench.world.estate.cpl if (row.device_type, row.firmware_version) == ("ESME", "00010100"))
    values = {"type": "ESME", "manufacturer": row.manufacturer, "model": row.model, "firmware_version": "00010100"}
    bench.control("cpl.put", **values, status="Withdrawn")
    assert bench.distribute("11.1", "ESME", [ESME]).code == "E110102", "a supplier"
    assert asks() == "E110101"
    grant(bench, versions=["00090000"])
    assert asks() == "E110101", "granted, and not this version"
    grant(bench)
    assert asks() == "E110102"
    bench.control("cpl.put", **values, image_hash="00" * 32)
    assert asks() == "E110103"
    bench.control("cpl.put", **values, image_hash=row.image_hash)
    assert asks() == "I99"
    bench.control("cpl.put", **values, status="Withdrawn")
    assert asks() == "E110101", "another request is in progress"


def test_only_distribution_to_meters_is_opened(bench: Bench) -> None:
    grant(bench)
    assert bench.distribute("11.4", "PPMID", [PPMID], user=AGENT).code == "E2"
    first, _ = bench.activate(ESME, bytes(32), user=AGENT)
    assert first.code == "E2"


def test_batches_need_their_approval_and_their_size(bench: Bench) -> None:
    number = grant(bench, approval="per_batch", max_devices=2)
    image_hash = manufacturer_image_hash(bench, "ESME").hex()
    assert send(bench, [ESME, NORTH_ESME]).code == "E110101"
    approval = {"grant": number, "version": "00010100", "image_hash": image_hash}
    bench.control("grant.approve", **approval, devices=[format_eui(ESME)])
    assert send(bench, [ESME, NORTH_ESME]).code == "E110101"
    bench.control("grant.approve", **approval, devices=[format_eui(NORTH_ESME), format_eui(ESME)])
    assert send(bench, [ESME, NORTH_ESME]).code == "I99"
    bench.run_until_idle()
    assert send(bench, [ESME, NORTH_ESME]).code == "E110101"
    small = grant(bench, max_devices=1)
    bench.control("grant.revoke", grant=number)
    assert send(bench, [ESME, NORTH_ESME]).code == "E110101"
    assert send(bench, [ESME]).code == "I99"
    assert small


def test_a_lower_security_assurance_is_refused(bench: Bench) -> None:
    grant(bench)
    bench.world.engine.state.dsp.users[AGENT].security_assurance = 0
    assert send(bench, [ESME]).code == "E110101"


def test_an_exclusive_grant_keeps_the_supplier_out_too(bench: Bench) -> None:
    grant(bench, exclusive=True)
    assert bench.distribute("11.1", "ESME", [ESME]).code == "E110101"
    assert send(bench, [ESME]).code == "I99"


def test_what_an_exclusive_grant_keeps_back_is_one_entry_in_the_journal(bench: Bench) -> None:
    grant(bench, exclusive=True)
    assert bench.distribute("11.1", "ESME", [ESME, NORTH_ESME]).code == "E110101"
    (entry,) = [entry for entry in bench.journal if entry.kind == "grant"]
    assert entry.summary == "2 device(s) kept back: supplier-one keeps the device for its agent"
    assert entry.data["devices"] == [format_eui(ESME), format_eui(NORTH_ESME)]


@pytest.mark.parametrize("copy", [False, True])
def test_receipts_go_to_the_supplier_and_to_the_agent_on_a_switch(copy: bool) -> None:
    bench = Bench(world(rsa_policy="mp207_controlled", rsa_alert_copy=copy))
    appoint(bench, ESME)
    grant(bench)
    assert send(bench, [ESME]).code == "I99"
    fresh = bench.run_until_idle()
    told = [d.recipient for d in fresh if d.message in device_alerts(fresh, 0x8F72)]
    assert sorted(told) == sorted([AGENT, SUPPLIER] if copy else [SUPPLIER])


def test_an_image_that_the_agent_signed_itself_fails_on_the_device(bench: Bench) -> None:
    grant(bench)
    assert send(bench, [ESME], signer=AGENT).code == "I99"
    fresh = bench.run_until_idle()
    assert device_alerts(fresh, 0x8F1C)
    assert job_state(bench, ESME) == "FAILED_VERIFY"


@pytest.mark.parametrize(("guard", "code"), [("off", "I0"), ("warn", "I0"), ("block", "E55")])
def test_a_stale_hash_meets_the_guard_or_the_device(guard: str, code: str) -> None:
    bench = Bench(world(activation_hash_guard=guard))
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    first, sent = bench.activate(ESME, bytes(32))
    assert first.code == code
    if sent is not None:
        answer = next(r for r in responses(bench.run_until_idle()) if r.service_reference == "11.3")
        assert answer.payload is not None
        assert read_result(decode_message(base64.b64decode(answer.payload.text)))["activate_image_code"] == 2


def lose(bench: Bench, eui: int) -> None:
    """The meter changes to the second supplier now, credentials included."""
    mpan = bench.world.engine.state.dsp.inventory[eui].import_mpxn  # type: ignore[index]
    bench.control("registration.put", mpxn=mpan, role="IS", party="supplier-two", from_ms=bench.now_ms)
    bench.control("device.credentials", device=format_eui(eui), party=format_eui(SUPPLIER_TWO))


def test_change_of_supplier_before_the_device_checked_the_image(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    lose(bench, ESME)
    fresh = bench.run_until_idle()
    assert [d.recipient for d in fresh if d.message in device_alerts(fresh, 0x8F1C)] == [SUPPLIER_TWO]


def test_change_of_supplier_cancels_what_an_agent_sent_and_voids_its_grant(bench: Bench) -> None:
    grant(bench)
    assert send(bench, [ESME]).code == "I99"
    lose(bench, ESME)
    bench.advance(0)
    assert job_state(bench, ESME) == "CANCELLED"
    assert send(bench, [ESME]).code == "E110101"


def test_change_of_supplier_after_the_receipt(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    lose(bench, ESME)
    bench.advance(0)
    assert job_state(bench, ESME) == "ORPHANED"
    image_hash = manufacturer_image_hash(bench, "ESME")
    first, _ = bench.activate(ESME, image_hash)
    assert first.code == "E4"
    bench.activate(ESME, image_hash, user=SUPPLIER_TWO)
    assert [r.code for r in responses(bench.run_until_idle()) if r.service_reference == "11.3"] == ["I0"]
    assert job_state(bench, ESME) == "ACTIVATED"


def test_change_of_supplier_drops_a_dated_activation(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    bench.activate(ESME, manufacturer_image_hash(bench, "ESME"), at="2026-01-10T02:00:00Z")
    bench.run_until_idle()
    lose(bench, ESME)
    fresh = bench.advance(10 * DAY_MS)
    assert not [r for r in responses(fresh) if r.payload is not None]
    assert bench.world.engine.state.dsp.inventory[ESME].firmware_version == "00010000"


def test_a_breach_is_quarantined_released_and_deleted(bench: Bench) -> None:
    bench.control("anomaly.threshold", variant="11.1", devices=1)
    assert bench.distribute("11.1", "ESME", [ESME, NORTH_ESME]).code == "I99"
    alerts = dcc_alerts(bench.deliveries, "N47")
    assert len(alerts) == 1
    assert not bench.world.engine.state.dsp.jobs
    reference = int(alerts[0].body.required("ADDCCThresholdBreach", "QuarantineEventRef"))
    assert bench.control("quarantine.release", reference=reference)["code"] == "I99"
    assert len(bench.world.engine.state.dsp.jobs) == 2
    bench.run_until_idle()
    assert bench.distribute("11.1", "ESME", [ESME, NORTH_ESME]).code == "I99"
    bench.control("quarantine.delete", reference=reference + 1)
    assert len(bench.world.engine.state.dsp.jobs) == 2
    assert bench.distribute("11.1", "ESME", [ESME]).code == "I99"
    assert len(bench.world.engine.state.dsp.jobs) == 3


def test_what_is_refused_after_release_is_told(bench: Bench) -> None:
    bench.control("anomaly.threshold", variant="11.2", requests=0)
    assert bench.submit("11.2", to=ESME).code == "I99"
    lose(bench, ESME)
    bench.world.engine.state.dsp.users[SUPPLIER].roles = bench.world.engine.state.dsp.users[SUPPLIER].roles[:2]
    assert bench.control("quarantine.release", reference=1)["code"] == "E4"
    assert [r.code for r in responses(bench.deliveries)] == ["E4"]


def test_everything_is_on_one_chain_that_ends_where_the_world_says(bench: Bench) -> None:
    grant(bench)
    send(bench, [ESME])
    bench.run_until_idle()
    lose(bench, ESME)
    bench.submit("11.2", to=ESME, user=SUPPLIER_TWO)
    bench.run_until_idle()
    end = bench.world.engine.state.dsp.audit
    assert verify(bench.audit, expected_end=(end.number, end.digest)) is None
    kinds = {record.entry.kind for record in bench.audit}
    assert {"decision", "message", "grant", "control"} <= kinds
    assert sum(record.entry.kind == "message" for record in bench.audit) == len(bench.deliveries)
