"""Samples of our own for everything the schemas cover."""

from pathlib import Path

import pytest
from lxml import etree

from emulator.duis.schema import SchemaSet, default_folder
from tests.schema.sample_answers import ALERTS, PAYLOADS
from tests.schema.sample_requests import REQUESTS
from tests.schema.samples import samples

XS = "{http://www.w3.org/2001/XMLSchema}"


@pytest.fixture(scope="module")
def ours() -> SchemaSet:
    return SchemaSet()


@pytest.mark.parametrize(("name", "document"), [pytest.param(name, document, id=name) for name, document in samples()])
def test_sample_is_valid(ours: SchemaSet, name: str, document: etree._Element) -> None:
    refusal = ours.validate(document)
    assert refusal is None, f"{name}: {refusal}"


def _declared(file: str, group: str) -> set[str]:
    """Names of the elements that a group offers, through the groups it names in the same file."""
    root = etree.parse(str(default_folder() / file)).getroot()
    found = next(element for element in root.iter(f"{XS}group") if element.get("name") == group)
    names: set[str] = set()
    for particle in found[0]:
        if particle.tag == f"{XS}element":
            names.add(str(particle.get("name")))
        elif particle.tag == f"{XS}group":
            names |= _declared(file, str(particle.get("ref")).removeprefix("sr:"))
    return names


def _families() -> dict[str, str]:
    """File of each family of requests by its group's name."""
    root = etree.parse(str(default_folder() / "duis.xsd")).getroot()
    body = next(element for element in root.iter(f"{XS}element") if element.get("name") == "Body")
    groups = [str(group.get("ref")).removeprefix("sr:") for group in body.iter(f"{XS}group")]
    files = {path.name: path.read_text() for path in default_folder().glob("*.xsd")}
    return {group: next(name for name, text in files.items() if f'<xs:group name="{group}">' in text) for group in groups}


def test_every_request_body_has_a_sample() -> None:
    bodies = {name for group, file in _families().items() for name in _declared(file, group)}
    assert bodies == {body.name for _, body in REQUESTS}


def test_every_payload_has_a_sample() -> None:
    payloads = {payload.name for _, payload in PAYLOADS if payload is not None}
    assert len(payloads) == 13
    assert payloads == _declared("responses.xsd", "payload") | {"GBCSPayload"}


def test_every_alert_body_but_that_of_smets1_has_a_sample() -> None:
    bodies = {body.name for _, body in ALERTS}
    groups = ("devices", "requests", "firmware", "suppliers")
    declared = set().union(*(_declared("dcc-alerts.xsd", f"alerts-about-{group}") for group in groups))
    assert bodies == declared | _declared("dcc-alerts.xsd", "alerts-from-hubs")
    assert len(bodies) == 23


def test_a_family_is_one_file_named_after_its_group() -> None:
    assert all(file == f"{group}.xsd" for group, file in _families().items())


def test_every_schema_file_says_where_its_facts_come_from() -> None:
    for path in sorted(Path(default_folder()).glob("*.xsd")):
        head = path.read_text()[:1200]
        assert "Source: " in head, path.name
        assert "confidence " in head, path.name
