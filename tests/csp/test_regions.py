"""The profiles of the WAN technologies: values, sources, and what is wrong with a bad table."""

import csv
from pathlib import Path

import pytest

from emulator.csp.regions import CspSettings, default_technologies, read_technologies
from emulator.domain.errors import Malformed
from emulator.estate.declaration import default_estate_toml, load_estate

GOOD = """
[radio]
meaning = "radio"
command_latency_min_ms = { value = 1, source = "L018", estimate = true }
command_latency_max_ms = { value = 2, source = "L018", estimate = true }
image_rate_bits_per_s = { value = 4_000, source = "L051", estimate = true }
parallel_images = { value = 2, source = "L049", estimate = true }
"""


def test_every_technology_of_the_default_estate_has_a_profile() -> None:
    homes = load_estate(default_estate_toml()).homes
    assert {home.wan_technology for home in homes} <= set(default_technologies())


def test_values_are_those_of_the_fact_table(reference: Path) -> None:
    rows = {row["id"]: row for row in csv.DictReader((reference / "ota" / "limits.csv").read_text("utf-8").splitlines())}
    kilobits = {"L051", "L059", "L060", "L065"}
    for technology in default_technologies().values():
        for name, source in technology.sources.items():
            row = rows[source.row]
            value = getattr(technology, name)
            if source.row in kilobits:
                assert value == int(row["emulator_default"]) * 1_000, name
            elif source.row != "L018":
                assert value == int(row["emulator_default"].split()[0]), name
            else:
                assert 2 * value <= int(row["value_or_range"]) * 1_000, "there and back within the bound"
            assert source.estimate is (row["estimate"] == "yes") or source.row == "L018"


def test_transmission_time_is_rounded_up() -> None:
    radio = read_technologies(GOOD, "test")["radio"]
    assert [radio.transmission_ms(size) for size in (0, 1, 500, 501)] == [0, 2, 1_000, 1_002]


def test_waits_double_up_to_a_limit() -> None:
    settings = CspSettings()
    minutes = [settings.backoff_after(attempts) // 60_000 for attempts in range(1, 8)]
    assert minutes == [15, 30, 60, 120, 240, 360, 360]
    assert settings.backoff_after(10_000) == settings.backoff_max_ms


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[radio", "test"),
        (GOOD.replace("value = 4_000", "value = 0"), "test: radio.image_rate_bits_per_s"),
        (GOOD.replace("parallel_images", "channels"), "test: radio.parallel_images"),
        (GOOD.replace("value = 1,", "value = 3,"), "test: radio"),
    ],
)
def test_bad_tables_are_refused_with_their_place(text: str, where: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_technologies(text, "test")
    assert caught.value.where == where
