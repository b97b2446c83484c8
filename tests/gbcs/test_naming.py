"""Names of fields for people: of cluster commands, of COSEM attributes and of what is inside them."""

import pytest

from emulator.domain.errors import Malformed
from emulator.gbcs.dlms import Attribute, Operation
from emulator.gbcs.naming import attribute_name, name_nodes, value_template, zcl_attributes
from emulator.gbcs.zcl_fields import cluster_name, command_layout, payload_nodes, status_name, zcl_date

TO_CLIENT, TO_SERVER = 0x09, 0x01


def test_fields_of_a_cluster_command() -> None:
    layout = command_layout(0x0703, TO_CLIENT, 0x00)
    assert layout is not None
    assert (cluster_name(0x0703), layout.name) == ("messaging", "display message")
    nodes = payload_nodes(layout, bytes.fromhex("804a371c0000000000ffff055265736574"), 10)
    assert [(node["name"], node["offset"], node["value"]) for node in nodes[-2:]] == [
        ("duration_minutes", 19, 0xFFFF),
        ("text", 21, "Reset"),
    ]
    assert nodes[2]["meaning"] == "now"
    with pytest.raises(Malformed):
        payload_nodes(layout, bytes.fromhex("804a371c00"), 0)


def test_groups_stand_as_often_as_said_or_until_the_end() -> None:
    layout = command_layout(0x0702, TO_CLIENT, 0x06)
    assert layout is not None
    head = "00000000006c0e1c0100010800000006900000000000"
    nodes = payload_nodes(layout, bytes.fromhex(head + "0201000000000002000000000014030000000000"), 0)
    named = {node["name"]: node for node in nodes}
    assert [field["value"] for field in named["tier_registers"]["fields"]] == [1, 2]
    assert [field["value"] for field in named["block_registers"]["fields"]] == [3]


def test_dates_and_statuses() -> None:
    assert zcl_date(bytes.fromhex("730405ff")) == "2015-04-05"
    assert zcl_date(bytes.fromhex("ff0c1903")) == "*-12-25, weekday 3"
    assert status_name(0x8B) == "not found"
    assert command_layout(0x0702, TO_SERVER, 0xEE) is None


def test_names_of_cosem_attributes() -> None:
    price = Attribute.parse("113 0-0:19.20.0.255 6")
    assert attribute_name(price, Operation.SET).endswith("charge, passive prices")
    assert attribute_name(Attribute.parse("77 1-2:3.4.5.6 7"), Operation.GET) == ""
    entries = {
        "name": "data",
        "fields": [{"name": "item 1", "fields": [{"name": "0", "value": 3}, {"name": "1", "value": "07df0501ff"}]}],
    }
    told = name_nodes(entries, value_template(Attribute.parse("11 0-1:11.0.3.255 2"), Operation.SET, answer=False))
    (day,) = told["fields"]
    assert [(field["name"], field.get("meaning")) for field in day["fields"]] == [("number", None), ("date", "2015-05-01")]


def test_names_of_zcl_attributes_come_from_the_rows() -> None:
    assert len(zcl_attributes()) > 20
