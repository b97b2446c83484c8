"""Signatures that hold: ours, the DCC's own, and the forms in which others write the same thing."""

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from emulator.domain.errors import Refusal
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER
from emulator.duis.decode import decode_request
from emulator.duis.messages import Signer
from emulator.duis.parse import parse_document
from emulator.duis.signature import (
    SignaturePolicy,
    check_originator,
    normalise_issuer,
    strip_signature,
    verify_document,
)
from tests.duis.parties import (
    DS,
    NOW_MS,
    OTHER_SUPPLIER,
    READ_FIRMWARE,
    SR,
    SUPPLIER,
    Registry,
    raw_ecdsa,
    registry,
    sign_otherwise,
    signxml_accepts,
    verify,
    xmlsec_accepts,
)

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SIGNED = SUPPLIER.sign(READ_FIRMWARE)
SIGNER = Signer(SUPPLIER.eui, 135, SUPPLIER.serial, "CN=Z1,OU=07")


def accepted(document: bytes) -> None:
    assert verify(document) == SIGNER


def test_ours() -> None:
    accepted(SIGNED)


def test_one_made_by_way_of_trees() -> None:
    accepted(sign_otherwise(READ_FIRMWARE))


@pytest.mark.parametrize("name", ["readfw-response.xml"])
def test_a_capture_of_the_dcc_has_the_right_digest_and_names_its_key(reference: Path, name: str) -> None:
    """Its certificate is in the DCC's tool only; the interoperability tests verify what that tool signs."""
    document = (reference / "duis" / "captures" / name).read_bytes()
    known = Registry()
    outcome = verify_document(parse_document(document), known, SignaturePolicy(), NOW_MS)
    assert known.asked[0] == ("CN=Z1,OU=07", 50669612984035780968362471400449834504)
    assert isinstance(outcome, Refusal)
    assert "is known" in outcome.detail
    changed = document.replace(b"I0<", b"I1<")
    outcome = verify_document(parse_document(changed), known, SignaturePolicy(), NOW_MS)
    assert isinstance(outcome, Refusal)
    assert "digest" in outcome.detail


def test_an_unsigned_capture_of_the_dcc_is_unsigned(reference: Path) -> None:
    root = parse_document((reference / "duis" / "captures" / "acknowledgement-error.xml").read_bytes())
    outcome = verify_document(root, Registry(), SignaturePolicy(), NOW_MS)
    assert isinstance(outcome, Refusal)
    assert outcome.detail == "the document is not signed"


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ('<ds:Signature xmlns:ds="', '<ds:Signature xmlns="http://www.w3.org/2000/09/xmldsig#" xmlns:ds="'),
        ("</ds:Reference></ds:SignedInfo>", "</ds:Reference>\n\t</ds:SignedInfo>"),
        ("<ds:KeyInfo><ds:X509Data>", "\n<ds:KeyInfo>\r\n  <ds:X509Data>\n"),
        ("SERIAL", "\n  SERIAL "),
        ("SERIAL", "000SERIAL"),
        ("ISSUER", "CN=Z1, OU=07"),
        ("ISSUER", " CN = Z1 , OU = 07\n"),
        ("ISSUER", 'cn="Z1",ou=07'),
        ("DIGEST", "\n  DIGEST\n"),
    ],
)
def test_other_ways_to_write_the_same_signature(written: str, instead: str) -> None:
    document = sign_otherwise(READ_FIRMWARE, change=(written, instead))
    accepted(document)
    assert xmlsec_accepts(document)


@pytest.mark.parametrize("line_break", ["\n", "&#13;\n", "&#xD;", "\r\n", " ", "\t"])
def test_line_breaks_in_the_value_do_not_matter(line_break: str) -> None:
    """The DCC's Java tool writes ``&#13;`` and a line feed after 76 characters (wire_contract.md 3.1, measured)."""
    text = SIGNED.decode()
    value = re.search(r"<ds:SignatureValue>(.*)</ds:SignatureValue>", text)
    assert value
    accepted(text.replace(value[1], value[1][:76] + line_break + value[1][76:]).encode())


@pytest.mark.parametrize("prefix", ["", "dsig", "ns3", "sr-signature"])
def test_any_prefix(prefix: str) -> None:
    document = sign_otherwise(READ_FIRMWARE, prefix=prefix)
    accepted(document)
    assert xmlsec_accepts(document)


def test_the_signature_namespace_may_be_declared_on_the_root() -> None:
    """Templates do so; then the declaration is inside the digest, and SignedInfo in exclusive form still carries it."""
    root = READ_FIRMWARE.replace(b" xmlns:sr", f' xmlns:ds="{DS}" xmlns:sr'.encode(), 1)
    document = sign_otherwise(root, change=(f'<ds:Signature xmlns:ds="{DS}">', "<ds:Signature>"))
    assert document.count(b"xmlns:ds") == 1
    accepted(document)
    assert xmlsec_accepts(document)


def test_the_root_may_use_the_default_namespace() -> None:
    document = sign_otherwise(READ_FIRMWARE.replace(b"sr:", b"").replace(b"xmlns:sr", b"xmlns"))
    accepted(document)
    assert decode_request(parse_document(document)).service_reference == "11.2"


def test_the_frame_of_a_document_is_not_signed() -> None:
    body = SIGNED.partition(b"?>")[2]
    for document in (
        body,
        b"\xef\xbb\xbf" + SIGNED,
        b'<?xml version="1.0" encoding="UTF-8" standalone="no"?>' + body,
        b"<!-- before -->\n" + body + b"\n<!-- after -->",
        SIGNED.replace(b"<sr:Body>", b"<!-- inside --><sr:Body>"),
        SIGNED.replace(b"<sr:Header>", b"<sr:Header\n >"),
        SIGNED.replace(b"<sr:ReadFirmwareVersion></sr:ReadFirmwareVersion>", b"<sr:ReadFirmwareVersion/>"),
    ):
        accepted(document)


def test_a_pretty_document_that_was_signed_as_it_is() -> None:
    """The enveloped-signature transform takes the Signature only: the white space on either side stays in the digest."""
    pretty = b"<a>\n  <b/>\n  \n</a>"
    document = sign_otherwise(pretty)
    moved = document.replace(b"\n  \n<ds:Signature", b"\n  <ds:Signature").replace(b"</ds:Signature>", b"</ds:Signature>\n")
    assert moved != document
    for form in (document, moved):
        assert verify(form) == SIGNER
        assert xmlsec_accepts(form)
        root = parse_document(form)
        assert strip_signature(root)
        assert etree.tostring(root, method="c14n") == b"<a>\n  <b></b>\n  \n</a>"


def test_a_signature_with_the_other_s_verifies() -> None:
    """ECDSA is malleable: requests are told apart by RequestID, never by the hash of a message."""

    def turned(data: bytes) -> bytes:
        value = raw_ecdsa(data)
        return value[:32] + (P256_ORDER - int.from_bytes(value[32:], "big")).to_bytes(32, "big")

    accepted(sign_otherwise(READ_FIRMWARE, make_value=turned))


def test_verification_leaves_the_document_as_it_is() -> None:
    root = parse_document(SIGNED)
    before = etree.tostring(root)
    assert verify_document(root, registry(), SignaturePolicy(), NOW_MS) == SIGNER
    assert verify_document(root, registry(), SignaturePolicy(), NOW_MS) == SIGNER
    assert etree.tostring(root) == before


def test_strip_signature_says_whether_there_was_one() -> None:
    root = parse_document(SIGNED)
    assert strip_signature(root)
    assert etree.tostring(root, method="c14n") == READ_FIRMWARE
    assert not strip_signature(root)
    assert not strip_signature(parse_document(b"<a/>"))
    lone = parse_document(f'<a> <ds:Signature xmlns:ds="{DS}"/>\n</a>'.encode())
    assert strip_signature(lone)
    assert etree.tostring(lone) == b"<a> \n</a>"


def test_the_originator_is_the_one_whose_certificate_signed() -> None:
    request = decode_request(parse_document(SIGNED))
    assert check_originator(SIGNER, request) is None
    other = verify_document(parse_document(OTHER_SUPPLIER.sign(READ_FIRMWARE)), registry(), SignaturePolicy(), NOW_MS)
    assert isinstance(other, Signer)
    refusal = check_originator(other, request)
    assert refusal is not None
    assert refusal.code == "http.403"
    assert refusal.evidence["signer"] == "90-B3-D5-1F-30-03-00-00"
    assert refusal.evidence["originator"] == "90-B3-D5-1F-30-01-00-00"


def test_roles_are_a_matter_of_policy() -> None:
    """Answers of the DCC are signed under role 137; imported key stores have others still."""
    dcc = SignaturePolicy(roles=frozenset({137}))
    outcome = verify(SIGNED, dcc, role=137, eui=ACCESS_CONTROL_BROKER)
    assert isinstance(outcome, Signer)
    assert outcome.role == 137
    assert isinstance(verify(SIGNED, dcc), Refusal)
    lenient = SignaturePolicy(check_role=False, check_dates=False, check_chain=False)
    assert isinstance(verify(SIGNED, lenient, now_ms=0, role=2, chain_trusted=False), Signer)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("CN=Z1,OU=07", "CN=Z1,OU=07"),
        ("CN=Z1, OU=07", "CN=Z1,OU=07"),
        (" cn = Z1 ; ou = 07 ", "CN=Z1,OU=07"),
        ('CN="Z1",OU=07', "CN=Z1,OU=07"),
        ("OU=07,CN=Z1", "OU=07,CN=Z1"),
        (r"CN=A\, B, O=C", r"CN=A\, B,O=C"),
        ('CN="A, B"+O=C', r"CN=A\, B+O=C"),
        ("CN=Big Co, O=x", "CN=Big Co,O=x"),
        ("2.5.4.45=#0309,OU=87", "2.5.4.45=#0309,OU=87"),
        ("CN=", "CN="),
        ("not a name", "not a name"),
        ("CN=Z1,", "CN=Z1,"),
        ('CN="x"y', 'CN="x"y'),
        ("", ""),
    ],
)
def test_issuers_have_one_spelling(written: str, normal: str) -> None:
    assert normalise_issuer(written) == normal


@given(st.text(max_size=60))
def test_normalising_an_issuer_twice_changes_nothing(text: str) -> None:
    once = normalise_issuer(text)
    assert normalise_issuer(once) == once


@given(st.integers(min_value=1, max_value=P256_ORDER - 1))
def test_values_with_leading_zeros_keep_their_width(scalar: int) -> None:
    party = type(SUPPLIER)(SUPPLIER.eui, scalar, SUPPLIER.serial)
    document = party.sign(READ_FIRMWARE)
    assert verify(document, public_key=ec.derive_private_key(scalar, ec.SECP256R1()).public_key()) == SIGNER


def test_both_oracles_accept_ours_for_documents_in_either_namespace_form() -> None:
    for document in (READ_FIRMWARE, f'<a xmlns="{SR}">\u00a3 &amp; &#xD;</a>'.encode()):
        signed = SUPPLIER.sign(document)
        assert xmlsec_accepts(signed)
        assert signxml_accepts(signed)
