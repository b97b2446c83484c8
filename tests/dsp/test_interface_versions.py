"""DUISVersionMismatch: who gets it in place of what, and settings that say so."""

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.settings import read_settings
from emulator.dsp.interface_versions import expressed, version_of
from emulator.dsp.settings import DspSettings
from emulator.duis.messages import DccAlert, element

USER = 0x90B3D51F30030000
DEVICE = 0x00DB1234567890A4
ALERT = DccAlert(1_767_600_000_000, "90-B3-D5-1F-30-00-00-02:90-B3-D5-1F-30-03-00-00:7", "N39", element("PPMIDAlert"))


@pytest.mark.parametrize(
    ("version", "since", "changed"),
    [
        ("5.1", "PPMIDAlert=5.2", True),
        ("5.1", "N60=5.2 N39=5.2", True),
        ("5.2", "PPMIDAlert=5.2", False),
        ("5.20", "PPMIDAlert=5.2", False),
        ("5.1", "N60=5.2", False),
        ("5.1", "", False),
        (None, "PPMIDAlert=5.2", False),
    ],
)
def test_an_alert_that_is_newer_than_its_user_is_named_in_another(version: str | None, since: str, changed: bool) -> None:
    found = expressed(ALERT, version, since, device=DEVICE, request_id=None)
    assert (found != ALERT) is changed
    if changed:
        assert (found.alert_code, found.at_ms, found.response_id) == ("N999", ALERT.at_ms, ALERT.response_id)
        assert found.body.value("DCCAlertVersionMismatch", "DCCAlertCode") == "N39"
        assert found.body.value("DCCAlertVersionMismatch", "DeviceID") == "00-DB-12-34-56-78-90-A4"
        assert found.body.value("DCCAlertVersionMismatch", "RequestID") is None
        assert found.body.value("ServiceUserDUISVersion") == version


def test_the_request_is_named_where_there_is_one() -> None:
    request = "90-B3-D5-1F-30-03-00-00:00-00-00-00-00-00-00-00:8"
    found = expressed(ALERT, "5.1", "N39=5.2", device=None, request_id=request)
    assert [child.name for child in found.body.children[0].children] == ["DCCAlertCode", "RequestID"]


def test_users_are_found_in_any_form() -> None:
    users = "90b3d51f30030000=5.1 90-B3-D5-1F-30-01-00-00=5.3"
    assert [version_of(users, eui) for eui in (USER, 0x90B3D51F30010000, DEVICE)] == ["5.1", "5.3", None]
    assert version_of("", USER) is None


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("duis_versions", "supplier2=5.1", "'supplier2' is not an EUI-64; expected User IDs with versions"),
        ("duis_versions", "90-B3-D5-1F-30-03-00-00", "'90-B3-D5-1F-30-03-00-00' names no version"),
        ("duis_versions", "90-B3-D5-1F-30-03-00-00=new", "names no version"),
        ("duis_since", "PPMIDAlarm=5.2", "there is no DCC Alert 'PPMIDAlarm'; expected numbers or bodies of DCC Alerts"),
        ("duis_since", "N39", "'N39' names no version"),
    ],
)
def test_settings_that_say_nothing_are_refused(name: str, text: str, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_settings(DspSettings, {name: text}, "settings.dsp")
    assert words in str(caught.value)
    assert f"settings.dsp.{name}" in str(caught.value)
