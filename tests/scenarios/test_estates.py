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

        [[changes]]
        home = "n*w"
        hub_variant = "dual-band"
    """)
    assert len(select(estate, "*@new")) == 2
    assert [home.name for home in estate.homes if home.hub_variant == "dual-band"] == ["new"]
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


REGISTRATIONS = {
    "held.csv": "mpxn,role,party,from,to\n"
    "1200000000001,IS,supplier-two,2025-02-01,2025-03-01\n"
    "9900000000001,IS,supplier-one,2025-02-01,\n",
    "held.toml": """
        [[registrations]]
        mpxn = "1200000000001"
        role = "IS"
        party = "supplier-two"
        start = 2025-02-01T00:00:00Z
        end = 2025-03-01T00:00:00Z
        [[registrations]]
        mpxn = "9900000000001"
        role = "IS"
        party = "supplier-one"
        start = 2025-02-01T00:00:00Z
    """,
}


@pytest.mark.parametrize("name", REGISTRATIONS)
def test_registrations_from_a_file_beside_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_text(REGISTRATIONS[name], "utf-8")
    estate = built(f"registration_file = 'data/{name}'", tmp_path)
    found = [entry for entry in estate.registrations if (entry.mpxn, entry.role) == ("1200000000001", UserRole.IS)]
    assert [(entry.party, entry.from_ms, entry.to_ms) for entry in found] == [
        ("supplier-two", 1_738_368_000_000, 1_740_787_200_000)
    ]
    assert [entry.to_ms for entry in estate.registrations if entry.mpxn == "9900000000001"] == [None]
    own = "[[registrations]]\nmpxn = '1200000000001'\nrole = 'IS'\nparty = 'supplier-one'\nstart = 2025-01-01T00:00:00Z"
    again = built(f"registration_file = 'data/{name}'\n{own}", tmp_path).registrations
    assert [entry.party for entry in again if (entry.mpxn, entry.role) == ("1200000000001", UserRole.IS)] == ["supplier-one"]


def test_the_registration_file_of_an_estate_file(tmp_path: Path) -> None:
    (tmp_path / "held.csv").write_text(REGISTRATIONS["held.csv"], "utf-8")
    (tmp_path / "estate.toml").write_text('registration_file = "held.csv"\n' + default_estate_toml(), "utf-8")
    estate = built("file = 'estate.toml'", tmp_path)
    assert not estate.registration_file
    assert {entry.mpxn for entry in estate.registrations} >= {"9900000000001"}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("registration_file = '../held.csv'", r"estate\.registration_file: '\.\./held\.csv' is not below"),
        ("registration_file = '/etc/hostname'", r"is not below the scenario's folder"),
        ("registration_file = 'link/held.csv'", r"is not below the scenario's folder"),
        ("file = '../estate.toml'", r"estate\.file: .* is not below the scenario's folder"),
        ("registration_file = 'absent.csv'", r"absent\.csv cannot be read: No such file"),
        ("registration_file = 'absent.toml'", r"absent\.toml cannot be read"),
        (
            "registration_file = 'wrong.toml'",
            r"'homes' is not a key of wrong\.toml; expected registrations and registration_rules",
        ),
        ("registration_file = 'wrong.csv'", r"wrong\.csv line 2"),
    ],
)
def test_files_that_cannot_be(section: str, message: str, tmp_path: Path) -> None:
    folder, outside = tmp_path / "inside", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    for place in (tmp_path, outside):
        (place / "held.csv").write_text(REGISTRATIONS["held.csv"], "utf-8")
    (folder / "wrong.toml").write_text("homes = []\n", "utf-8")
    (folder / "wrong.csv").write_text("mpxn,role,party,from,to\n1200000000001,IS,nobody,2025-02-01,\n", "utf-8")
    with pytest.raises(Malformed, match=message):
        built(section, folder)


def test_settings_are_checked() -> None:
    with pytest.raises(Malformed, match=r"settings\.dsp"):
        built("[settings.dsp]\nno_such_setting = 1")
