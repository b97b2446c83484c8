"""Counters are stamped once and rise; users' own XML is signed as it would be verified."""

import re
from itertools import count

import pytest

from emulator.client.errors import KeyMissing
from emulator.client.requests import read_firmware_version
from emulator.client.signing import CounterSource, sign_request, sign_template, stamp
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import RequestId
from emulator.duis.decode import decode_request
from emulator.duis.messages import Signer
from emulator.duis.parse import parse_document
from emulator.duis.signature import SignaturePolicy, verify_document
from emulator.pki.keystore import KeyStore
from tests.client.conftest import ESME, USER

STRICT = SignaturePolicy()
NOW_MS = 1_767_600_000_000

TEMPLATE = b"""<?xml version="1.0" encoding="UTF-8"?>
<sr:Request xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"
  schemaVersion="5.4">
  <sr:Header>
    <!-- a note -->
    <sr:RequestID>
      90-b3-d5-1f-30-01-00-00:00-DB-12-34-56-78-90-A0:1000
    </sr:RequestID>
    <sr:CommandVariant>1</sr:CommandVariant>
    <sr:ServiceReference>11.2</sr:ServiceReference>
    <sr:ServiceReferenceVariant>11.2</sr:ServiceReferenceVariant>
  </sr:Header>
  <sr:Body>
    <sr:ReadFirmwareVersion/>
  </sr:Body>
  <ds:Signature>placeholder</ds:Signature>
</sr:Request>
"""


def test_counters_rise_even_when_the_clock_does_not() -> None:
    source = CounterSource(clock=lambda: 1000)
    assert [source.take() for _ in range(3)] == [1000, 1001, 1002]


def test_counters_never_go_back_with_the_clock() -> None:
    clock = count(5000, -1000)
    source = CounterSource(clock=lambda: next(clock))
    assert [source.take() for _ in range(3)] == [5000, 5001, 5002]


def test_a_request_is_stamped_only_once() -> None:
    source = CounterSource(clock=lambda: 7)
    request = stamp(read_firmware_version(USER, ESME), source)
    assert request.request_id.counter == 7
    assert stamp(request, source) is request


def test_signed_request_verifies_under_the_strict_policy(world_keys: KeyStore) -> None:
    document = sign_request(stamp(read_firmware_version(USER, ESME), CounterSource()), world_keys)
    signer = verify_document(parse_document(document), world_keys, STRICT, NOW_MS)
    assert isinstance(signer, Signer)
    assert (signer.eui, signer.role) == (USER, 135)


def test_template_is_compacted_stamped_and_signed_anew(world_keys: KeyStore) -> None:
    request_id, command_variant, document = sign_template(TEMPLATE, CounterSource(clock=lambda: 77), world_keys)
    assert (request_id, command_variant) == (RequestId(USER, ESME, 77), 1)
    root = parse_document(document)
    assert isinstance(verify_document(root, world_keys, STRICT, NOW_MS), Signer)
    assert decode_request(root).request_id.text == "90-b3-d5-1f-30-01-00-00:00-DB-12-34-56-78-90-A0:77"
    assert not re.search(rb">\s+<", document)


def test_template_counter_is_kept_on_request(world_keys: KeyStore) -> None:
    request_id, _, _ = sign_template(TEMPLATE, CounterSource(), world_keys, preserve_counter=True)
    assert request_id.counter == 1000


def test_line_breaks_in_base64_go_before_signing(world_keys: KeyStore) -> None:
    broken = TEMPLATE.replace(b"<sr:ReadFirmwareVersion/>", b"<sr:X>AAAA\n  BBBB\n</sr:X><sr:Y>two\n words!</sr:Y>")
    _, _, document = sign_template(broken, CounterSource(), world_keys)
    assert b"<sr:X>AAAABBBB</sr:X><sr:Y>two words!</sr:Y>" in document


def test_missing_key_names_the_party() -> None:
    with pytest.raises(KeyMissing, match="90-B3-D5-1F-30-01-00-00"):
        sign_request(read_firmware_version(USER, ESME), KeyStore())


@pytest.mark.parametrize("gone", [b"sr:RequestID", b"sr:CommandVariant"])
def test_template_without_what_routing_needs_is_refused(gone: bytes, world_keys: KeyStore) -> None:
    with pytest.raises(Malformed, match="no RequestID or no CommandVariant"):
        sign_template(TEMPLATE.replace(gone, b"sr:Else"), CounterSource(), world_keys)
