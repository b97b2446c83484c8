"""Every published message: reads, re-encodes identically, verifies, and can be explained."""

import json
from collections.abc import Iterator
from typing import Any

from emulator.gbcs import asn1, dlms, gbz
from emulator.gbcs.explain import explain
from emulator.gbcs.message import Cra, decode_message
from emulator.gbcs.messagecodes import MESSAGE_NAMES
from emulator.gbcs.protect import add_mac, verify_mac, verify_signature
from tests.gbcs.vectors import Pack, Vector


def test_messages_round_trip(pack: Pack) -> None:
    assert len(pack.vectors) > 900
    assert [vector.name for vector in pack.vectors if decode_message(vector.octets).encode() != vector.octets] == []


def test_signatures_verify(pack: Pack) -> None:
    checked = 0
    for vector in pack.vectors:
        if vector.message.signature:
            assert verify_signature(vector.message, pack.public[vector.message.originator, "DS"]), vector.name
            checked += 1
    assert checked > 300


def test_macs_verify_and_are_made_again(pack: Pack) -> None:
    checked, without_keys = 0, []
    for vector in pack.vectors:
        if vector.message.mac is None:
            continue
        pair = pack.pair(vector.message)
        # Top-ups from a PPMID to a gas meter run between two devices (gbcs.md section 2).
        if pair is None or "PCS0" in vector.name:
            without_keys.append(vector.name)
            continue
        assert verify_mac(vector.message, *pair), vector.name
        assert add_mac(vector.message, *pair).encode() == vector.octets, vector.name
        checked += 1
    assert checked > 600
    assert all("PCS0" in name for name in without_keys)


def payload_again(vector: Vector) -> bytes:
    content = vector.message.content
    match content[:1]:
        case b"\xd9":
            return dlms.decode_access_request(content).encode()
        case b"\xda":
            return dlms.decode_access_response(content).encode()
        case b"\x0f":
            return dlms.decode_notification(content).encode()
    if content[:2] == gbz.PROFILE:
        if vector.message.cra is Cra.ALERT:
            return gbz.decode_alert(content).encode()
        return gbz.encode_components(gbz.decode_components(content))
    return asn1.decode_element(content).raw


def test_payloads_round_trip(pack: Pack) -> None:
    assert [vector.name for vector in pack.vectors if payload_again(vector) != vector.message.content] == []


def leaves(fields: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for field in fields:
        yield field
        yield from leaves(field.get("fields", []))


def test_every_message_can_be_explained(pack: Pack) -> None:
    for vector in pack.vectors:
        told = explain(vector.octets, pack)
        json.dumps(told)
        assert told["use_case"], vector.name
        verdicts = {check["what"]: check["verdict"] for check in told["checks"]}
        assert "invalid" not in verdicts.values(), vector.name
        if "PCS0" not in vector.name:
            assert "unchecked" not in verdicts.values(), (vector.name, told["checks"])
        for field in leaves(told["fields"]):
            assert "unreadable" not in field, vector.name
            if "offset" not in field:
                continue  # inside a compact array
            octets = vector.octets[field["offset"] : field["offset"] + field["length"]]
            assert len(octets) == field["length"], (vector.name, field)
            if field.get("type") == "octet-string":
                assert octets.hex().endswith(field["value"]), (vector.name, field)


def unnamed(fields: list[dict[str, Any]]) -> Iterator[str]:
    """Fields that only have a number or a DER type, or octets that nobody took apart."""
    for field in fields:
        name = field["name"]
        if name.isdigit() or name.isupper() or name.startswith(("[", "tag ")) or name in ("payload", "alert content"):
            yield name
        yield from unnamed(field.get("fields", []))
        inner = field.get("plaintext")
        yield from unnamed(inner["fields"]) if isinstance(inner, dict) else ()


def test_every_field_has_a_name(pack: Pack) -> None:
    for vector in pack.vectors:
        (content,) = (field for field in explain(vector.octets, pack)["fields"] if field["name"] == "content")
        assert list(unnamed(content["fields"])) == [], vector.name


def test_codes_have_names(pack: Pack) -> None:
    plain = {vector.message.message_code for vector in pack.vectors} - set(MESSAGE_NAMES)
    assert plain <= {0x00CA, 0x00CE, 0x00CF, 0x1000, 0x1001}  # these have rows


def test_what_cannot_be_checked_says_why(pack: Pack) -> None:
    vector = next(vector for vector in pack.vectors if vector.name == "ECS17b_4.1.1_SINGLE_SUCCESS_RESPONSE")
    told = explain(vector.octets)
    verdicts = {check["what"]: check for check in told["checks"]}
    assert verdicts["MAC"]["verdict"] == verdicts["encryption"]["verdict"] == "unchecked"
    assert "90-B3-D5-1F-30-01-00-00" in verdicts["encryption"]["reason"]
    broken = vector.octets[:-1] + bytes((vector.octets[-1] ^ 1,))
    assert {check["what"]: check["verdict"] for check in explain(broken, pack)["checks"]}["MAC"] == "invalid"
