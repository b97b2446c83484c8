"""Images on their way to the hubs: rates, channels, refusals, repetition, give-up (ota.md 11.3)."""

from dataclasses import replace

import pytest

from emulator.csp.pools import default_pools
from emulator.csp.regions import CspSettings
from emulator.domain.errors import Broken
from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import DeviceStatus
from emulator.premises.row_views import stored, waits
from emulator.premises.settings import HanSettings
from tests.premises.homes import (
    DAY_MS,
    ESME,
    GSME,
    HCALCS,
    HOUR_MS,
    HUB,
    MINUTE_MS,
    NORTH_ESME,
    NORTH_HUB,
    PPMID,
    SECOND_MS,
    Rig,
)


def outcomes(rig: Rig) -> dict[str, tuple[int, str]]:
    return {job: (ok, reason) for _, job, ok, reason in rig.deliveries}


def limited(parallel: int) -> CspSettings:
    pools = dict(default_pools())
    pools["cellular"] = replace(pools["cellular"], channels=parallel)
    return CspSettings(pools=pools)


def test_the_time_follows_from_size_and_rate() -> None:
    rig = Rig()
    image = rig.image(ESME, size=100_000)
    rig.distribute(ESME, image)
    begun_ms = rig.now_ms
    rig.run(SECOND_MS)
    described = rig.csp.describe_job("job", rig.now_ms)
    assert described is not None
    assert described["waiting_for"] == {
        "what": "image 00010100, which is on its way to the hub",
        "until_ms": begun_ms + -(-len(image) * 8 // 20_000) * SECOND_MS,
    }
    rig.run(HOUR_MS)
    assert outcomes(rig) == {"job": (1, "")}
    assert rig.csp.describe_job("job", rig.now_ms) is None
    assert not rig.csp_state.jobs


def test_a_radio_hub_hears_its_image_in_rounds_and_gets_the_rest_by_itself() -> None:
    rig = Rig()
    image = rig.image(NORTH_ESME, size=100_000)
    rig.distribute(NORTH_ESME, image)
    rig.run(SECOND_MS)
    described = rig.csp.describe_job("job", rig.now_ms)
    assert described is not None
    assert described["waiting_for"]["what"] == "image 00010100, which is broadcast to its cell"
    rig.run(HOUR_MS)
    assert outcomes(rig) == {"job": (1, "")}
    round_ms = -(-len(image) * 8 // 4_000) * SECOND_MS
    assert rig.deliveries[0][0] - rig.estate.start_ms > round_ms, "no hub hears 500 segments in one round (L054)"


def test_jobs_wait_for_a_channel_in_their_order() -> None:
    rig = Rig(csp=limited(1))
    for eui in (ESME, GSME, PPMID):
        rig.distribute(eui, rig.image(eui), hex(eui))
    rig.run(SECOND_MS)
    described = rig.csp.describe_job(hex(PPMID), rig.now_ms)
    assert described is not None
    assert described["waiting_for"]["what"] == "a session for image 00010100, 1 image(s) before it"
    rig.run(HOUR_MS)
    assert [job for _, job, *_ in rig.deliveries] == [hex(ESME), hex(GSME), hex(PPMID)]


def test_regions_do_not_share_channels() -> None:
    rig = Rig(csp=limited(1))
    rig.distribute(ESME, rig.image(ESME), "central")
    south = Eui64(0x00DB1234567892A0)
    rig.distribute(south, rig.image(south), "south")
    rig.run(2 * SECOND_MS)
    assert len(rig.csp_state.jobs) == 2
    assert [waits(rig.rows, eui)[0][0] for eui in (ESME, south)] == ["image 00010100, which is on its way to the hub"] * 2


def test_a_refusal_of_the_hub_is_the_reason() -> None:
    rig = Rig(HanSettings(store_images=1))
    rig.distribute(GSME, rig.image(GSME), "first")
    rig.distribute(ESME, rig.image(ESME), "second")
    rig.run(MINUTE_MS)
    assert outcomes(rig) == {"first": (1, ""), "second": (0, "store full")}
    assert len(rig.state.images) == 1, "nobody uses the refused image"


def test_a_refused_file_and_an_unknown_hub() -> None:
    rig = Rig()
    rig.faults.add("csp.rejects_image", HUB, times=1)
    rig.distribute(ESME, rig.image(ESME), "damaged")
    rig.csp.distribute("nowhere", Eui64(1), ESME, rig.csp.hold_image(rig.image(ESME)), rig.now_ms)
    rig.run(MINUTE_MS)
    assert outcomes(rig) == {"damaged": (0, "image rejected"), "nowhere": (0, "unknown hub")}


def test_sessions_that_break_off_are_repeated_with_growing_waits() -> None:
    rig = Rig()
    rig.faults.add("wan.transfer_fails", HUB, times=2)
    rig.distribute(ESME, rig.image(ESME))
    rig.run(10 * MINUTE_MS)
    described = rig.csp.describe_job("job", rig.now_ms)
    assert described is not None
    assert described["waiting_for"]["what"] == "the next try to send image 00010100 to its hub"
    assert [each.state for each in stored(rig.rows, HUB)] == ["RECEIVING"], "what it has stays until the next try"
    rig.run(DAY_MS)
    assert outcomes(rig) == {"job": (1, "")}
    assert rig.deliveries[0][0] - rig.estate.start_ms > 45 * MINUTE_MS


def test_after_too_many_sessions_the_job_fails() -> None:
    rig = Rig()
    rig.faults.add("wan.transfer_fails", HUB)
    rig.distribute(ESME, rig.image(ESME))
    rig.run(2 * DAY_MS)
    assert outcomes(rig) == {"job": (0, "transfer failed")}
    assert not rig.state.images


def test_an_unreachable_hub_is_tried_until_the_window_ends() -> None:
    for until_days, expected in ((3, (1, "")), (9, (0, "hub unreachable"))):
        rig = Rig()
        rig.faults.add("wan.unreachable", HUB, to_ms=rig.now_ms + until_days * DAY_MS)
        rig.distribute(ESME, rig.image(ESME))
        rig.run(9 * DAY_MS)
        assert outcomes(rig) == {"job": expected}


def test_a_hub_that_loses_power_during_the_transmission() -> None:
    rig = Rig()
    rig.distribute(ESME, rig.image(ESME))
    rig.run(4 * SECOND_MS)
    rig.premises.power(HUB, False, rig.now_ms)
    rig.run(10 * MINUTE_MS)
    assert [each.state for each in stored(rig.rows, HUB)] == ["RECEIVING"]
    rig.premises.power(HUB, True, rig.now_ms)
    rig.run(HOUR_MS)
    assert outcomes(rig) == {"job": (1, "")}
    assert rig.alerts(0x8F72)


@pytest.mark.parametrize("moment_ms", [0, 4 * SECOND_MS, 20 * MINUTE_MS])
def test_cancelling(moment_ms: int) -> None:
    rig = Rig(csp=limited(1))
    rig.faults.add("wan.transfer_fails", HUB, times=1)
    rig.distribute(ESME, rig.image(ESME), "cancelled")
    rig.distribute(HCALCS, rig.image(HCALCS), "other")
    rig.run(moment_ms)
    cancelled = rig.csp.cancel("cancelled", rig.now_ms)
    assert cancelled is (moment_ms < 20 * MINUTE_MS)
    rig.run(DAY_MS)
    assert ("cancelled" in outcomes(rig)) is not cancelled
    assert outcomes(rig)["other"] == (1, "")
    assert not rig.csp.cancel("cancelled", rig.now_ms)
    assert not rig.csp_state.jobs
    assert not rig.state.images


def test_cancelling_a_job_that_waits_for_its_next_try() -> None:
    rig = Rig()
    rig.faults.add("wan.unreachable", HUB)
    rig.distribute(ESME, rig.image(ESME))
    rig.run(MINUTE_MS)
    assert rig.csp.cancel("job", rig.now_ms)
    rig.run(DAY_MS)
    assert not rig.deliveries
    assert not rig.state.images


def test_a_job_key_is_used_once() -> None:
    rig = Rig()
    rig.distribute(ESME, rig.image(ESME))
    with pytest.raises(Broken):
        rig.distribute(ESME, rig.image(ESME))


def test_one_file_is_kept_once_for_many_devices() -> None:
    rig = Rig()
    image = rig.image(ESME)
    hubs = {ESME: HUB, NORTH_ESME: NORTH_HUB}
    for eui, hub in hubs.items():
        rig.csp.distribute(hex(eui), hub, eui, rig.csp.hold_image(image), rig.now_ms)
    assert list(rig.state.images.values()) == [image]
    assert rig.definition(ESME).status is DeviceStatus.COMMISSIONED
    rig.run(DAY_MS)
    assert len(rig.alerts(0x8F72)) == 2
    assert not rig.state.images


def test_a_csp_takes_no_file_above_its_limit() -> None:
    rig = Rig()
    image = rig.image(ESME, size=100_000)
    for limit, outcome in ((len(image) - 1, (0, "image larger than the csp takes")), (len(image), (1, ""))):
        limited_rig = Rig(csp=CspSettings(max_image_bytes=limit))
        limited_rig.distribute(ESME, limited_rig.image(ESME, size=100_000))
        limited_rig.run(HOUR_MS)
        assert outcomes(limited_rig) == {"job": outcome}
        assert not limited_rig.csp_state.jobs
