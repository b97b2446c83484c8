"""What a scenario may do to its estate."""

import tomllib
from pathlib import Path

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import parse_eui
from emulator.domain.vocabulary import DeviceStatus, DeviceType, UserRole
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.estate.model import Estate
from emulator.scenarios.estates import EstateSection, build_estate
from emulator.scenarios.names import select


def built(text: str, folder: Path = Path()) -> Estate:
    toml, estate = build_estate(EstateSection.model_validate(tomllib.loads(text)), folder, 5)
    assert load_estate(toml) == estate
    return estate


def test_the_default_is_the_embedded_one() -> None:
    assert built("") == load_estate(default_estate_toml().replace("seed = 1", "seed = 5"))


def test_copies_are_homes_of_their_own() -> None:
    estate = built("[[copies]]\nhome = 'central'\ncount = 500")
    homes = [home for home in estate.homes if home.name.startswith("central")]
    euis = [device.eui for home in homes for device in home.devices]
    assert len(homes) == 501
    assert len(set(euis)) == len(euis) == 501 * 6
    assert len({home.uprn for home in homes}) == 501
    mpxns = {device.import_mpxn for home in homes for device in home.devices if device.device_type is DeviceType.ESME}
    assert len(mpxns) == 501
    held = {entry.mpxn for entry in estate.registrations if entry.role is UserRole.IS and entry.party == "supplier-one"}
    assert mpxns <= held


def test_a_copy_keeps_its_joins_to_itself() -> None:
    home = next(home for home in built("[[copies]]\nhome = 'central'\ncount = 2").homes if home.name == "central-2")
    own = {device.eui for device in home.devices}
    assert all(set(device.joined_to) <= own for device in home.devices)


def test_a_copy_may_leave_out_types() -> None:
    home = built("[[copies]]\nhome = 'central'\ncount = 1\ntypes = ['PPMID', 'ESME']").homes[-1]
    assert {device.device_type for device in home.devices} == {"CHF", "ESME", "PPMID"}
    ppmid = next(device for device in home.devices if device.device_type is DeviceType.PPMID)
    assert [parse_eui("00-DB-12-34-57-78-90-A0")] == list(ppmid.joined_to)


def test_changes_and_additions() -> None:
    estate = built("""
        [[homes]]
        name = "new"
        region = "South"
        wan_technology = "4g"
        [[homes.devices]]
        type = "CHF"
        eui = "00-DB-12-34-56-78-95-A2"
        manufacturer = "10C0"
        model = "00010101"
        firmware_version = "00010000"
        status = "Commissioned"

        [[devices]]
        home = "new"
        type = "IHD"
        eui = "00-DB-12-34-56-78-95-A6"
        manufacturer = "10C0"
        model = "00010101"
        firmware_version = "00010000"

        [[parties]]
        eui = "90-B3-D5-1F-30-01-00-00"
        name = "renamed"

        [[registrations]]
        mpxn = "1200000000001"
        role = "IS"
        party = "supplier-two"
        start = 2025-01-01T00:00:00Z

        [[cpl]]
        type = "ESME"
        manufacturer = "11E5"
        model = "00020101"
        firmware_version = "00010100"
        status = "Withdrawn"

        [settings.dsp]
        in_progress_guard = false

        [[changes]]
        device = ["ESME@*", "00-DB-12-34-56-78-95-A2"]
        status = "Suspended"
    """)
    assert len(select(estate, "*@new")) == 2
    assert {party.name for party in estate.parties} >= {"renamed", "supplier2"}
    assert [entry.party for entry in estate.registrations if (entry.mpxn, entry.role) == ("1200000000001", "IS")] == [
        "supplier-two"
    ]
    rows = [row for row in estate.cpl if row.firmware_version == "00010100" and row.device_type is DeviceType.ESME]
    assert [row.status for row in rows] == ["Withdrawn"]
    assert rows[0].image_bytes == 48_000
    assert estate.settings == {"dsp": {"in_progress_guard": False}}
    suspended = [device.eui for home in estate.homes for device in home.devices if device.status is DeviceStatus.SUSPENDED]
    assert len(suspended) == 4


def test_an_estate_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "estate.toml").write_text(default_estate_toml().replace('name = "default"', 'name = "mine"'), "utf-8")
    assert built("file = 'estate.toml'", tmp_path).name == "mine"


def test_settings_are_checked() -> None:
    with pytest.raises(Malformed, match=r"settings\.dsp"):
        built("[settings.dsp]\nno_such_setting = 1")
