"""The sub-GHz radio of dual-band hubs: settings, channel, scans, the log of channels."""

from collections.abc import Mapping
from dataclasses import replace

from emulator.domain.identifiers import Eui64
from emulator.estate.model import Estate
from emulator.gbcs import dlms
from emulator.gbcs.times import as_text, utc_time
from emulator.premises import sub_ghz
from tests.premises.homes import DAY_MS, HOUR_MS, HUB, Heard, Rig, default_estate

PAGES = (
    "LowerBandSubGHzChannels0To26",
    "LowerBandSubGHzChannels27To34",
    "LowerBandSubGHzChannels35To61",
    "UpperBandSubGHzChannels0To26",
)
SETTINGS: dict[str, object] = {
    **{page: {f"Channel{first + 1}": "", f"Channel{first + 2}": ""} for page, first in zip(PAGES, (0, 27, 35, 0), strict=True)},
    "NormalLimitedDutyCycleThreshold": "1.30", "LimitedCriticalDutyCycleThreshold": "2.20",
    "MaximumSubGHzChannelChangesPerWeek": "5", "GSMECurfew": "7", "ChannelQuieterThreshold": "7", "ChannelNoisierThreshold": "12",
    "NonGSMEPoorCommsPercentageThreshold": "60.00", "NonGSMEPoorCommsMeasurementPeriods": "130",
    "LocalCHNoiseMeasurementPeriod": "100", "LocalCHFailurePercentage": "40.00", "LocalCHRetryPercentage": "30.00",
}  # fmt: skip


def dual_band() -> Estate:
    estate = default_estate()
    return replace(estate, homes=tuple(replace(home, hub_variant="dual-band") for home in estate.homes))


def ask(rig: Rig, variant: str, parameters: Mapping[str, object] | None = None, hub: Eui64 = HUB) -> Heard:
    message = rig.send(variant, hub, parameters)
    rig.run(HOUR_MS)
    (answer,) = rig.answers(message)
    rig.assert_all_authentic()
    return answer


def log(rig: Rig) -> list[tuple[int, int, str]]:
    period = {"StartDateTime": as_text(rig.now_ms - 300 * DAY_MS), "EndDateTime": as_text(rig.now_ms + DAY_MS)}
    (item,) = dlms.decode_access_response(ask(rig, "6.32", {"ReadLogPeriod": period}).message.content).items
    return [(row.items[0].number, row.items[1].number, row.items[2].octets.hex()) for row in item.data.items]


def settings(rig: Rig) -> dlms.Data:
    (item,) = dlms.decode_access_response(ask(rig, "6.30").message.content).items
    return item.data


def test_settings_are_read_back_and_reported() -> None:
    rig = Rig(estate=dual_band())
    assert settings(rig) == dlms.decode_data(sub_ghz.DEFAULT_SETTINGS)
    assert ask(rig, "6.28", SETTINGS).says["ok"]
    assert [item.number for item in settings(rig).items[4:]] == [130, 220, 5, 7, 7, 12, 6000, 130, 100, 4000, 3000]
    (alert,) = rig.alerts(0x8F2A)
    assert alert.says["gsme_curfew"] == 7


def test_the_channel_is_one_that_is_allowed() -> None:
    rig = Rig(estate=dual_band())
    channel = str(ask(rig, "6.31").says["sub_ghz_channel"])
    pages = [str(page.value) for page in settings(rig).items[:4]]
    assert any(page[:5] == channel[:5] and page[channel.index("1", 5)] == "1" for page in pages)
    assert channel[5:].count("1") == 1


def test_scans_change_to_the_quietest_channel() -> None:
    rig = Rig(estate=dual_band())
    before = str(ask(rig, "6.31").says["sub_ghz_channel"])
    for _ in range(3):
        ask(rig, "6.29")
        rig.run(DAY_MS)
    assert len(rig.alerts(0x8F28)) == 3
    changes = rig.alerts(0x8F26)
    assert changes
    after = str(ask(rig, "6.31").says["sub_ghz_channel"])
    assert after == changes[-1].says["channel"] != before or len(changes) > 1
    entries = log(rig)
    assert [entry[1] for entry in entries] == [0x8F26] * len(changes)
    assert entries[-1][2] == f"{int(after, 2):08x}090100"
    assert entries[0][0] <= utc_time(changes[0].at_ms)


def test_no_more_changes_in_a_week_than_are_allowed() -> None:
    rig = Rig(estate=dual_band())
    ask(rig, "6.28", SETTINGS | {"MaximumSubGHzChannelChangesPerWeek": "0"})
    ask(rig, "6.29")
    rig.run(DAY_MS)
    assert not rig.alerts(0x8F26)
    assert len(rig.alerts(0x8F28)) == 1
    assert log(rig) == []


def test_a_hub_of_one_band_has_none_of_it() -> None:
    rig = Rig()
    assert ask(rig, "6.30").says["results"] == [250]
    assert ask(rig, "6.31").says["results"] == [250]
    assert ask(rig, "6.28", SETTINGS).says["results"] == [250]
    assert ask(rig, "6.29").says["results"] == [250]
