"""Reports over HTTP, of worlds in which real signed requests have been carried out."""

import pytest

from emulator.client.errors import Rejected
from emulator.client.requests import read_firmware_version, update_ppmid_firmware
from emulator.domain.identifiers import format_eui
from emulator.reports.registry import REPORTS
from tests.http.images import VERSION, distribute, image, image_hash
from tests.http.side import CHF, ESME, OTHER_USER, SUPPLIER, SUPPLIER_TWO, Side, device

NORTH_PPMID = device(1, "A4")


async def rows(side: Side, name: str, **filters: object) -> list[dict[str, object]]:
    found = await side.control.report(name, **filters)
    assert (found["name"], found["count"]) == (name, len(found["rows"]))
    return list(found["rows"])


async def test_all_are_described_and_answer(default: Side) -> None:
    described = {each["name"]: each for each in await default.control.reports()}
    assert list(described) == list(REPORTS)
    for name, each in described.items():
        found = await default.control.report(name)
        assert found["columns"] == each["columns"]


async def test_a_distribution_from_its_funnel_to_what_is_held(side: Side) -> None:
    assert (await side.ask(distribute(image(side, "ESME"), [ESME]))).code == "I99"
    await side.control.run_until_idle()
    (funnel,) = await rows(side, "campaign-funnel", user=format_eui(SUPPLIER))
    assert (funnel["accepted"], funnel["verified"], funnel["activated"], funnel["version"]) == (1, 1, 0, VERSION)
    (held,) = await rows(side, "held-images", supplier="supplier-one", supplier_changed=False)
    assert held["image_hash"] == image_hash("ESME").hex()
    assert (held["device"], held["request_id"]) == (format_eui(ESME), funnel["request_id"])
    assert [row["count"] for row in await rows(side, "transfer-time", region="Central")] == [1]
    assert await rows(side, "version-disagreement", device=format_eui(ESME)) == []


async def test_decisions_come_from_the_trail(side: Side) -> None:
    assert (await side.ask(read_firmware_version(OTHER_USER, ESME))).code == "I99"
    assert (await side.ask(distribute(image(side, "ESME"), [ESME], user=OTHER_USER))).code == "E2"
    await side.control.run_until_idle()
    verdicts = {
        (row["variant"], row["verdict"], row["check"]) for row in await rows(side, "rsa-activity", user=format_eui(OTHER_USER))
    }
    assert verdicts == {("11.2", "accepted", None), ("11.1", "refused", "role_not_eligible")}
    assert [row["variant"] for row in await rows(side, "rsa-activity", variant="11.1")] == ["11.1"]


async def test_another_suppliers_action_on_a_shared_device_is_found_through_its_list(side: Side) -> None:
    sent = update_ppmid_firmware(SUPPLIER, image(side, "PPMID"), VERSION, [device(0, "A4"), NORTH_PPMID])
    assert (await side.ask(sent)).code == "I99"
    assert (await side.ask(read_firmware_version(SUPPLIER, CHF))).code == "I99"
    (row,) = await rows(side, "other-supplier-actions", user=format_eui(SUPPLIER_TWO))
    assert (row["device"], row["variant"], row["version"]) == (format_eui(NORTH_PPMID), "11.4", VERSION)
    assert await rows(side, "other-supplier-actions", user=format_eui(SUPPLIER)) == []


async def test_a_portion_of_the_rows(side: Side) -> None:
    await side.ask(distribute(image(side, "ESME"), [ESME, device(1, "A0")]))
    await side.control.run_until_idle()
    whole = await side.control.report("held-images")
    second = await side.control.report("held-images", offset=1, limit=1)
    assert (whole["count"], second["count"]) == (2, 2)
    assert second["rows"] == whole["rows"][1:]


@pytest.mark.parametrize(
    ("name", "filters", "status", "words"),
    [
        ("funnel", {}, 404, "there is no report 'funnel'; expected one of campaign-funnel, "),
        ("held-images", {"region": "North"}, 400, "region: report held-images has no filter 'region'; expected supplier, sender"),
        ("held-images", {"nonsense": 1}, 400, "nonsense: report held-images has no filter 'nonsense'; expected supplier"),
        ("rsa-activity", {"user": "x"}, 400, "user: "),
        ("expiring-grants", {"within_ms": "soon"}, 400, "within_ms: 'soon' is not a number"),
        ("transfer-time", {"region": "East"}, 400, "region: there is no region 'East'; expected North, "),
        ("transfer-time", {"limit": 0}, 400, "limit: "),
        ("stock-costs", {"supplier": "nobody"}, 400, "supplier: 'nobody' is not a company; expected one of csp, "),
    ],
)
async def test_what_is_wrong_is_said(default: Side, name: str, filters: dict[str, object], status: int, words: str) -> None:
    with pytest.raises(Rejected) as caught:
        await default.control.report(name, **filters)
    assert caught.value.status == status
    assert words in caught.value.explanation


async def test_the_openapi_document_has_every_filter(default: Side) -> None:
    async with default.http.get(f"{default.emulator.url('control')}/control/v1/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    operation = paths["/control/v1/worlds/{world}/reports/{name}"]["get"]
    named = {each["name"]: each["schema"] for each in operation["parameters"] if each["in"] == "query"}
    assert set(named) == {each.name for report in REPORTS.values() for each in report.filters} | {"offset", "limit"}
    assert "held-images: devices of this supplier now" in named["supplier"]["description"]
