"""Settings of homes and WAN: defaults from the fact table, and what is wrong with a bad value."""

import csv
import dataclasses
import re
from pathlib import Path

import pytest

from emulator.csp.regions import CspSettings
from emulator.domain.errors import Malformed
from emulator.domain.settings import KIB, read_settings
from emulator.domain.vocabulary import DeviceType
from emulator.premises.settings import HanSettings

UNITS = {
    "kB": KIB, "days": 86_400_000, "hours": 3_600_000, "minutes": 60_000, "seconds": 1_000,
    "bytes": 1, "images": 1, "blocks": 1, "blocks/s": 1, "devices": 1, "attempts": 1,
}  # fmt: skip


def test_defaults_are_those_of_the_fact_table(reference: Path) -> None:
    rows = {row["id"]: row for row in csv.DictReader((reference / "ota" / "limits.csv").read_text("utf-8").splitlines())}
    checked = 0
    for settings in (HanSettings, CspSettings):
        for field in dataclasses.fields(settings):
            source = field.metadata.get("source", "")
            if not re.fullmatch(r"L\d+", source) or field.name in ("backoff_max_ms", "store_policy"):
                continue
            row = rows[source]
            assert field.default == int(row["emulator_default"]) * UNITS[row["unit"]], field.name
            checked += 1
    assert checked >= 12


def test_every_setting_names_its_source() -> None:
    for settings in (HanSettings, CspSettings):
        for field in dataclasses.fields(settings):
            if field.name not in ("technologies", "pools"):
                assert field.metadata["source"], field.name
                assert field.metadata["confidence"], field.name


def test_reading() -> None:
    read = read_settings(HanSettings, {"store_images": 3, "check_manufacturer": False, "ccs08_for": ["PPMID"]})
    assert read == HanSettings(store_images=3, check_manufacturer=False, ccs08_for=(DeviceType.PPMID,))
    assert read_settings(CspSettings, {"session_retries": 1}).session_retries == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("store_image", 3),
        ("store_images", "3"),
        ("store_images", True),
        ("store_images", -1),
        ("check_manufacturer", 1),
        ("ccs08_for", ["TOASTER"]),
        ("ccs08_for", "PPMID"),
        ("ccs08_for", 5),
    ],
)
def test_bad_values_are_refused(name: str, value: object) -> None:
    with pytest.raises(Malformed) as caught:
        read_settings(HanSettings, {name: value}, "estate.settings.han")
    assert caught.value.where.startswith("estate.settings.han")
    assert caught.value.expected


def test_what_is_not_a_plain_value_cannot_be_set() -> None:
    with pytest.raises(Malformed, match="no setting 'technologies'"):
        read_settings(CspSettings, {"technologies": {}})
