"""What the other interoperability tests rest on: the official packages install, list, sign and validate."""

import json

from emulator.client.official import OfficialTools

SUPPLIER = "90-b3-d5-1f-30-01-00-00"


def test_all_published_templates_are_listed(interop: OfficialTools) -> None:
    templates = interop.templates()
    assert len(templates) == 297
    assert len({entry["service_reference_variant"] for entry in templates}) == 129
    assert all(entry["body"] for entry in templates)


def test_official_tool_trusts_what_it_signed_and_refuses_what_was_altered(interop: OfficialTools) -> None:
    (signed,) = interop.sign([{"name": "read", "template": "CS08_11.2_SUCCESS_REQUEST_DUIS.XML", "originator": SUPPLIER}])
    assert signed["request_id"].startswith(f"{SUPPLIER}:00-db-12-34-56-78-90-a4:")
    genuine, altered = interop.validate(
        [{"name": "genuine", "xml": signed["xml"]}, {"name": "altered", "xml": signed["xml"].replace(":00-db", ":00-dc")}]
    )
    assert "error" not in genuine
    assert genuine["guards"]["response"] is False
    assert altered["error"].startswith("validation failed")


def test_signing_for_a_party_without_key_is_an_error_of_that_item_only(interop: OfficialTools) -> None:
    template = "CS08_11.2_SUCCESS_REQUEST_DUIS.XML"
    unknown, known = interop.sign(
        [
            {"name": "unknown", "template": template, "originator": "00-db-12-34-56-78-90-a4"},
            {"name": "known", "template": template, "originator": SUPPLIER, "counter": 5},
        ]
    )
    assert unknown["error"].startswith("missing credentials")
    assert known["request_id"].endswith(":5")


def test_bundled_key_store_is_there_for_import(interop: OfficialTools) -> None:
    content = json.loads(interop.keystore_json.read_text())
    assert sum(len(entries) for usages in content.values() for entries in usages.values()) == 33
