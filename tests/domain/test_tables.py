"""The fact tables are whole, agree with the published facts, and refuse to load when they are wrong."""

import csv
import json
from pathlib import Path

import pytest

from emulator.domain import tables
from emulator.domain.errors import Broken, Malformed
from emulator.domain.tables import (
    LOCAL_DELIVERY_VARIANTS,
    SIGNED_PRE_COMMAND_VARIANTS,
    WEB_SERVICE,
    CheckCodes,
    Confidence,
    FutureDated,
    alert_by_purpose,
    dcc_alerts,
    response_codes,
    service_reference_variants,
    variant_by_body,
)
from emulator.domain.vocabulary import DeviceType, UserRole, WebService


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_counts() -> None:
    assert len(service_reference_variants()) == len(variant_by_body()) == 129
    assert len(response_codes()) == 194
    assert len(dcc_alerts()) == 66


def test_critical_variants_are_transformed_and_the_others_not() -> None:
    for variant in service_reference_variants().values():
        services = {WEB_SERVICE[number] for number in variant.command_variants}
        assert variant.critical == (WebService.TRANSFORM in services), variant.srv
        assert variant.non_device == (variant.command_variants == (8,)), variant.srv
        assert not variant.critical or set(variant.command_variants) <= SIGNED_PRE_COMMAND_VARIANTS | {4}, variant.srv
    assert set(WEB_SERVICE) == set(range(1, 9))
    assert set(WEB_SERVICE) > LOCAL_DELIVERY_VARIANTS


def test_firmware_variants() -> None:
    variants = service_reference_variants()
    assert variants["11.1"].device_types == (DeviceType.ESME, DeviceType.GSME, DeviceType.HCALCS)
    assert variants["11.4"].device_types == (DeviceType.PPMID,)
    assert variants["11.3"].future_dated is FutureDated.DEVICE
    assert variants["11.1"].roles == (UserRole.IS, UserRole.GS)
    assert variant_by_body()["ActivateFirmware"].srv == "11.3"


@pytest.mark.reference
def test_variants_agree_with_the_published_matrix(reference: Path) -> None:
    rows = read_csv(reference / "duis" / "srv_matrix.csv")
    variants = service_reference_variants()
    assert [row["srv"] for row in rows] == list(variants)
    future_dated = {"No": "no", "DSP": "dsp", "Device": "device", "DSP & Device": "dsp_and_device"}
    for row in rows:
        variant = variants[row["srv"]]
        assert variant.body_element == row["body_element"], row["srv"]
        assert set(variant.roles) == set(row["eligible_roles"].split()), row["srv"]
        assert variant.critical == (row["critical"] == "Yes"), row["srv"]
        assert variant.non_device == (row["non_device"] == "Yes"), row["srv"]
        assert variant.future_dated == future_dated[row["future_dated"]], row["srv"]
        assert variant.dcc_scheduled == (row["dsp_schedulable_xsd"] == "Yes"), row["srv"]
        assert variant.command_variants == tuple(int(number) for number in row["cv_effective"].split()), row["srv"]
        seen = {name for name in row["device_types_templates"].split() if name in DeviceType.__members__}
        assert seen <= set(variant.device_types), row["srv"]


@pytest.mark.reference
def test_variants_agree_with_the_published_templates(reference: Path) -> None:
    variants = service_reference_variants()
    for template in json.loads((reference / "duis" / "template_index.json").read_text()):
        variant = variants[template["srv"]]
        assert variant.service_reference == template["sr"], template["file"]
        assert variant.body_element == template["body"], template["file"]
        assert int(template["cv"]) in variant.command_variants, template["file"]


@pytest.mark.reference
def test_codes_agree_with_the_published_enumerations(reference: Path) -> None:
    rows = read_csv(reference / "duis" / "response_codes.csv")
    assert [(row["code"], row["severity"], row["sr"]) for row in rows] == [
        (code.code, code.severity, code.service_reference) for code in response_codes().values()
    ]
    rows = [row for row in read_csv(reference / "duis" / "dcc_alert_codes.csv") if row["code"] != "N32"]
    assert [row["code"] for row in rows] == list(dcc_alerts())
    bodies = json.loads((reference / "duis" / "duis_alert_bodies.json").read_text())["dcc_alert_bodies"]
    assert {alert.body for alert in dcc_alerts().values()} == set(bodies)
    for row in rows:
        assert row["body"].startswith(dcc_alerts()[row["code"]].body), row["code"]


@pytest.mark.reference
def test_published_descriptions_are_not_copied(reference: Path) -> None:
    published = {row["meaning"].lower() for row in read_csv(reference / "duis" / "response_codes.csv")}
    published |= {row["meaning"].lower() for row in read_csv(reference / "duis" / "dcc_alert_codes.csv")}
    published -= {"not established"}
    ours = {code.meaning.lower() for code in response_codes().values()} | {a.meaning.lower() for a in dcc_alerts().values()}
    assert not published & ours


def test_unexplained_codes_say_so() -> None:
    for code in response_codes().values():
        assert (code.confidence is Confidence.NONE) <= code.meaning.startswith("not established"), code.code


def test_alert_purposes() -> None:
    purposes = alert_by_purpose()
    assert purposes["firmware_delivered"].code == "N60"
    assert purposes["firmware_delivered"].variant == "Success"
    assert purposes["comms_hub_firmware_transfer"].body == "CommsHubAlert"
    assert "" not in purposes


def test_check_codes_prefer_the_service() -> None:
    codes = CheckCodes()
    assert codes.code("image_malformed", "11.1") == "E110105"
    assert codes.code("image_malformed", "11.4") == "E110405"
    assert codes.code("device_unknown", "11.2") == "E19"
    with pytest.raises(Broken, match="no check"):
        codes.code("image_malformed", "11.3")


def test_a_world_may_set_other_codes() -> None:
    codes = CheckCodes({"request_id_used": "E71", "image_malformed@11.4": "E100", "partly_accepted": "I0"})
    assert codes.code("request_id_used") == "E71"
    assert codes.code("image_malformed", "11.1") == "E110105"
    assert codes.code("image_malformed", "11.4") == "E100"
    assert {codes.code("partly_accepted", service) for service in ("11.1", "11.4")} == {"I0"}


@pytest.mark.parametrize("overrides", [{"no_such_check": "E1"}, {"device_unknown": "E6"}, {"device_unknown@11.1": "E1"}])
def test_wrong_settings_are_refused(overrides: dict[str, str]) -> None:
    with pytest.raises(Malformed, match="check"):
        CheckCodes(overrides)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('"WIX"]', '"WIX"]\nextra = 1'), "not columns, rows and sources"),
        (('"confidence"]', '"confidence", "more"]'), "not the fields"),
        (('"WIX", "high"]', '"", "high"]'), "does not explain"),
        (('"WIX", "high"]', '"HEARSAY", "high"]'), "does not explain"),
        (('"WIX", "high"]', '"WIX", "sure"]'), "sure"),
        (('"WIX", "high"]', '"WIX"]'), "values for"),
        (('["E2",', '["E1",'), "two rows"),
    ],
)
def test_wrong_tables_do_not_load(
    change: tuple[str, str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(tables.__file__).parent / "data" / "response_codes.toml").read_text()
    text = text.replace("[sources]", "extra = 1\n[sources]", 1) if "extra" in change[1] else text.replace(*change, 1)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "response_codes.toml").write_text(text)
    monkeypatch.setattr(tables.resources, "files", lambda package: tmp_path)
    response_codes.cache_clear()
    try:
        with pytest.raises(Broken, match=complaint):
            response_codes()
    finally:
        response_codes.cache_clear()
