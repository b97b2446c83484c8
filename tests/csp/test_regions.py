"""The profiles of the WAN technologies: values, sources, and what is wrong with a bad table."""

import csv
from pathlib import Path

import pytest

from emulator.csp.pools import change_pools, default_pools, read_pools
from emulator.csp.regions import CspSettings, default_technologies, read_technologies
from emulator.domain.errors import Malformed
from emulator.estate.declaration import default_estate_toml, load_estate

GOOD = """
[radio]
meaning = "radio"
command_latency_min_ms = { value = 1, source = "L018", estimate = true }
command_latency_max_ms = { value = 2, source = "L018", estimate = true }
image_rate_bits_per_s = { value = 4_000, source = "L051", estimate = true }
hub_update_minutes = { value = 4_320, source = "L041", estimate = true }
"""


def test_every_technology_of_the_default_estate_has_a_profile() -> None:
    homes = load_estate(default_estate_toml()).homes
    assert {home.wan_technology for home in homes} <= set(default_technologies())


def test_values_are_those_of_the_fact_table(reference: Path) -> None:
    rows = {row["id"]: row for row in csv.DictReader((reference / "ota" / "limits.csv").read_text("utf-8").splitlines())}
    kilobits = {"L051", "L059", "L060", "L065"}
    hours = dict(zip(("radio", "cellular", "4g"), rows["L041"]["emulator_default"].split(" / "), strict=True))
    hours["mesh"] = hours["cellular"]
    for technology in default_technologies().values():
        for name, source in technology.sources.items():
            row = rows[source.row]
            value = getattr(technology, name)
            if source.row in kilobits:
                assert value == int(row["emulator_default"]) * 1_000, name
            elif source.row == "L041":
                assert value == float(hours[technology.name]) * 60
            elif source.row != "L018":
                assert value == int(row["emulator_default"].split()[0]), name
            else:
                assert 2 * value <= int(row["value_or_range"]) * 1_000, "there and back within the bound"
            assert source.estimate is (row["estimate"] == "yes") or source.row == "L018"


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
        (GOOD.replace("image_rate_bits_per_s", "rate"), "test: radio.rate"),
        (GOOD.replace('source = "L051", ', ""), "test: radio.image_rate_bits_per_s"),
        (GOOD[: GOOD.index("hub_update")], "test: radio.hub_update_minutes"),
        (GOOD.replace("value = 1,", "value = 3,"), "test: radio"),
    ],
)
def test_bad_tables_are_refused_with_their_place(text: str, where: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_technologies(text, "test")
    assert caught.value.where == where


POOL = """
[cellular]
meaning = "sessions"
technologies = { value = "cellular mesh", source = "L059", estimate = false }
channels = { value = 5, source = "L062", estimate = true }
window_h = { value = 24, source = "EMU", estimate = true }
unreachable_permille = { value = 10, source = "L067", estimate = true }
"""


def test_every_technology_has_a_pool() -> None:
    pooled = [name for kind in default_pools().values() for name in kind.technologies]
    assert sorted(pooled) == sorted(default_technologies())


def test_pools_are_those_of_the_fact_table(reference: Path) -> None:
    rows = {row["id"]: row for row in csv.DictReader((reference / "ota" / "limits.csv").read_text("utf-8").splitlines())}
    units = {"L054": 10, "L057": 1_000, "L067": -10}
    for kind in default_pools().values():
        for name, source in kind.sources.items():
            if source.row == "EMU" or name == "technologies":
                continue
            default = int(rows[source.row]["emulator_default"].split()[0])
            unit = units.get(source.row, 1)
            expected = (100 - default) * -unit if unit < 0 else default * unit
            assert getattr(kind, name) == expected, name
            assert source.estimate is (rows[source.row]["estimate"] == "yes")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (POOL.replace("value = 24", "value = 25"), "test: cellular.window_h"),
        (POOL.replace("value = 5,", "value = 0,"), "test: cellular.channels"),
        (POOL + 'cells = { value = 9, source = "L050", estimate = true }', "test: cellular.segment_bytes"),
    ],
)
def test_bad_pools_are_refused_with_their_place(text: str, where: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_pools(text, "test")
    assert caught.value.where == where


def test_an_estate_changes_what_it_names() -> None:
    changed = change_pools({"radio": {"channels": 1, "segment_loss_permille": 0}}, "settings.pools")
    assert (changed["radio"].channels, changed["radio"].segment_loss_permille) == (1, 0)
    assert changed["radio"].cells == default_pools()["radio"].cells
    assert changed["cellular"] == default_pools()["cellular"]


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"canal": {"channels": 1}}, "settings.pools"),
        ({"radio": 1}, "settings.pools"),
        ({"radio": {"technologies": "4g"}}, "settings.pools.radio"),
        ({"cellular": {"cells": 3}}, "settings.pools.cellular"),
        ({"radio": {"channels": 0}}, "settings.pools.radio.channels"),
        ({"radio": {"window_h": 25}}, "settings.pools.radio.window_h"),
        ({"radio": {"segment_loss_permille": True}}, "settings.pools.radio.segment_loss_permille"),
    ],
)
def test_what_pools_cannot_be_is_refused_with_its_place(values: dict[str, object], where: str) -> None:
    with pytest.raises(Malformed) as caught:
        change_pools(values, "settings.pools")
    assert caught.value.where == where
