"""Alerts of a dual-band hub become DualBandCHAlert, of a form that the schema takes."""

import pytest
from lxml import etree

from emulator.domain.errors import Malformed
from emulator.dsp import dual_band
from emulator.dsp.dual_band import EVENTS
from emulator.duis.messages import Element
from emulator.duis.schema import SchemaSet
from emulator.gbcs.usecases import rows_of
from tests.schema.samples import response, text

GSME = 0x00DB1234567890A1
PAGES = {f"page_{page}": f"{page:05b}{1 << place:027b}" for page, place in ((28, 0), (29, 7), (30, 26), (31, 26))}
NUMBERS = dict.fromkeys((name for _, name, _ in dual_band.NUMBERS), 100) | {
    "channel_changes_per_week": 7, "channel_noisier_threshold": 20, "normal_limited_threshold": 130,
    "limited_critical_threshold": 220, "poor_communications_percentage": 6000,
}  # fmt: skip
RESULTS: dict[int, dict[str, object]] = {
    0x0110: {"device": GSME},
    0x0111: {"channel": PAGES["page_30"], "reason": "00"},
    0x0112: {"status": "07", "trigger": "06"},
    0x0113: PAGES | NUMBERS,
    0x0114: {"discarded": "90B3D51F3001000000DB1234567890A00100000000000003E8"},
    0x0115: {"device": GSME},
}


class Nobody:
    """A context that knows no device."""

    class state:
        inventory: dict[int, object] = {}


def event(code: int, result: dict[str, object]) -> Element:
    return EVENTS[code](Nobody, result)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", sorted(EVENTS))
def test_each_alert_has_its_element(code: int) -> None:
    (row,) = rows_of(code)
    (alert_code,) = row.alert_codes
    body = Element(
        "DualBandCHAlert",
        children=(
            text("CHFDeviceID", "00-DB-12-34-56-78-90-A2"), text("DeviceAlertCode", f"{alert_code:04X}"),
            text("GBCSHexadecimalMessageCode", f"{code:04X}"), event(code, RESULTS[code]),
        ),
    )  # fmt: skip
    alert = Element("DCCAlertMessage", children=(text("DCCAlertCode", "N54"), Element("DCCAlert", children=(body,))))
    document = response("I0", alert, request_id=None)
    refused = SchemaSet().validate(document)
    assert refused is None, (str(refused), etree.tostring(document))


def test_channels_are_read_back() -> None:
    changed = event(0x0111, {"channel": f"{30:05b}{1 << 26:027b}", "reason": "01"})
    assert changed.children[0].children[0].name == "OperatingLowerBandSubGHzChannel"
    assert changed.children[0].children[0].children[0].name == "Channel61"
    assert changed.children[1].text == "GSMERequest"
    assert event(0x0114, RESULTS[0x0114]).children[0].text == "90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:1000"


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (0x0110, {}), (0x0111, {"channel": "0" * 32, "reason": "00"}), (0x0111, {"channel": f"{28:05b}{3:027b}", "reason": "00"}),
        (0x0112, {"status": "08", "trigger": "00"}), (0x0113, PAGES), (0x0114, {"discarded": "00"}),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused(code: int, result: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        event(code, result)
