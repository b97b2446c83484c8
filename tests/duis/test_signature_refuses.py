"""Signatures that must not hold: wrapping, smuggling, other algorithms, other keys. Each is consistent but for its one fault."""

import base64
import hashlib
import hmac
import re
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from emulator.domain.errors import Malformed, Refusal
from emulator.duis.messages import Signer
from emulator.duis.parse import parse_document
from emulator.duis.signature import SignaturePolicy
from tests.duis.parties import (
    DS,
    EXCLUSIVE,
    INCLUSIVE,
    NOW_MS,
    OTHER_SUPPLIER,
    READ_FIRMWARE,
    SIGNATURE,
    SIGNED_INFO,
    SR,
    STRANGER,
    SUPPLIER,
    YEAR_MS,
    raw_ecdsa,
    refused,
    sign_otherwise,
    signxml_accepts,
    verify,
    xmlsec_accepts,
)

SIGNED = SUPPLIER.sign(READ_FIRMWARE)
START = SIGNED.index(b"<ds:Signature ")
END = SIGNED.index(b"</ds:Signature>") + len(b"</ds:Signature>")
OURS = SIGNED[START:END]
"""The Signature element as it was made."""
MORE = "http://www.w3.org/2001/04/xmldsig-more#"


def with_signature(*signatures: bytes, before: bytes = b"", document: bytes = READ_FIRMWARE) -> bytes:
    """The document with these elements before its end tag."""
    end = document.rindex(b"</")
    return document[:end] + before + b"".join(signatures) + document[end:]


# absence, number and place


def test_unsigned() -> None:
    assert refused(READ_FIRMWARE).detail == "the document is not signed"


def test_a_signature_of_another_namespace_is_none() -> None:
    assert refused(SIGNED.replace(DS.encode(), b"urn:not-xmldsig#")).detail == "the document is not signed"


def test_the_placeholder_of_a_template_is_not_a_digest() -> None:
    assert "32 octets" in refused(sign_otherwise(READ_FIRMWARE, digest=b"default")).detail


@pytest.mark.parametrize(
    "document",
    [
        with_signature(OURS, OURS),
        with_signature(f'<ds:Signature xmlns:ds="{DS}"/>'.encode(), OURS),
        SIGNED.replace(b"<sr:Header>", OURS + b"<sr:Header>", 1),
        SIGNED.replace(b"</sr:Body>", OURS + b"</sr:Body>", 1),
        SIGNED.replace(b"</ds:KeyInfo>", b"</ds:KeyInfo><ds:Object>" + OURS + b"</ds:Object>", 1),
    ],
    ids=["twice", "empty first", "also before Header", "also in Body", "also in Object"],
)
def test_a_second_signature(document: bytes) -> None:
    refused(document)


@pytest.mark.parametrize(
    "document",
    [
        READ_FIRMWARE.replace(b"<sr:Header>", OURS + b"<sr:Header>"),
        READ_FIRMWARE.replace(b"<sr:Body>", OURS + b"<sr:Body>"),
        READ_FIRMWARE.replace(b"</sr:Body>", OURS + b"</sr:Body>"),
        READ_FIRMWARE.replace(b"</sr:Header>", OURS + b"</sr:Header>"),
        with_signature(OURS, b"<sr:More></sr:More>"),
        with_signature(b"<sr:Wrap>" + OURS + b"</sr:Wrap>"),
    ],
    ids=["before Header", "before Body", "in Body", "in Header", "not last", "one level down"],
)
def test_a_signature_in_another_place(document: bytes) -> None:
    refusal = refused(document)
    assert refusal.detail == "the Signature is not the last element of the root"
    assert refusal.where.endswith("Signature")


# wrapping


EVIL = READ_FIRMWARE.replace(b":1000<", b":6666<").replace(b"11.2", b"11.3")


def test_the_signed_request_inside_an_evil_one() -> None:
    whole = SIGNED.partition(b"?>")[2]
    for document in (
        with_signature(whole, document=EVIL),
        EVIL.replace(b"<sr:ReadFirmwareVersion></sr:ReadFirmwareVersion>", whole),
        with_signature(OURS, before=READ_FIRMWARE, document=EVIL),
        with_signature(OURS, before=b"<sr:Original>" + READ_FIRMWARE + b"</sr:Original>", document=EVIL),
        with_signature(
            OURS.replace(b"</ds:KeyInfo>", b"</ds:KeyInfo><ds:Object>" + READ_FIRMWARE + b"</ds:Object>"), document=EVIL
        ),
        with_signature(OURS, document=EVIL),
    ):
        refused(document)


def test_an_evil_request_inside_the_signed_one() -> None:
    """What is put in Object is outside the digest: the schema, xmlsec and signxml all let a whole request pass there."""
    document = SIGNED.replace(b"</ds:KeyInfo>", b"</ds:KeyInfo><ds:Object>" + EVIL + b"</ds:Object>")
    assert xmlsec_accepts(document)
    assert signxml_accepts(document)
    refusal = refused(document)
    assert "Object" in refusal.detail
    assert refusal.where == "Request/Signature"


@pytest.mark.parametrize("reference", ["#body", "#xpointer(/)", "http://127.0.0.1/", "file:///etc/passwd"])
def test_references_to_anything_but_the_whole_document(reference: str) -> None:
    body = READ_FIRMWARE.replace(b"<sr:Body>", b'<sr:Body Id="body">')
    assert "URI" in refused(sign_otherwise(body, change=('URI=""', f'URI="{reference}"'))).detail
    missing = refused(sign_otherwise(body, change=('Reference URI=""', "Reference")))
    assert missing.detail == "attribute URI is missing"


@pytest.mark.parametrize(
    ("element", "attribute"),
    [("Signature", "Id"), ("SignedInfo", "Id"), ("SignatureValue", "Id"), ("KeyInfo", "Id"), ("Reference", "Type")],
)
def test_attributes_that_the_profile_has_not(element: str, attribute: str) -> None:
    refusal = refused(sign_otherwise(READ_FIRMWARE, change=(f"<ds:{element}", f'<ds:{element} {attribute}="x"')))
    assert refusal.detail == f"attribute {attribute} is not allowed"
    assert refusal.where.endswith(element)


TRANSFORM = '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
REFERENCE = SIGNED_INFO[SIGNED_INFO.index("<ds:Reference") : SIGNED_INFO.index("</ds:SignedInfo>")]
XPATH = (
    '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">'
    "<ds:XPath>not(ancestor-or-self::sr:Evil)</ds:XPath></ds:Transform>"
)


@pytest.mark.parametrize(
    ("written", "instead", "words"),
    [
        (TRANSFORM, f'{TRANSFORM}<ds:Transform Algorithm="{EXCLUSIVE}"/>', "Transform is not allowed here"),
        (TRANSFORM, f'{TRANSFORM}<ds:Transform Algorithm="{INCLUSIVE}"/>', "Transform is not allowed here"),
        (TRANSFORM, TRANSFORM + XPATH, "Transform is not allowed here"),
        (TRANSFORM, XPATH, "Algorithm is"),
        (TRANSFORM, "", "Transform is missing"),
        (REFERENCE, REFERENCE + REFERENCE, "Reference is not allowed here"),
        (REFERENCE, "", "Reference is missing"),
        (
            "</ds:X509IssuerSerial>",
            "</ds:X509IssuerSerial><ds:X509Certificate>AAAA</ds:X509Certificate>",
            "X509Certificate is not",
        ),
        ("<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyName>x</ds:KeyName>", "KeyName is not allowed here"),
        ("</ds:KeyInfo>", "</ds:KeyInfo><ds:Object/>", "Object is not allowed here"),
        ("</ds:KeyInfo>", '</ds:KeyInfo><x:Extra xmlns:x="urn:x"/>', "Extra is not allowed here"),
        ("<ds:SignatureValue>", "stray<ds:SignatureValue>", "text 'stray' between elements"),
        ("</ds:X509Data>", "</ds:X509Data>stray", "text 'stray' between elements"),
        (TRANSFORM, TRANSFORM + "stray", "text 'stray' between elements"),
        ("DIGEST", "<x/>DIGEST", "not allowed here"),
        ("SERIAL", "<!-- x --><x/>SERIAL", "not allowed here"),
        ("<ds:X509IssuerSerial>", '<ds:X509IssuerSerial xmlns:x="urn:x">', "declares namespaces inside"),
        ("<ds:SignedInfo>", '<ds:SignedInfo xmlns:x="urn:x">', "declares namespaces inside"),
    ],
)
def test_anything_more_or_less(written: str, instead: str, words: str) -> None:
    assert words in refused(sign_otherwise(READ_FIRMWARE, change=(written, instead))).detail


def test_no_key_info() -> None:
    key_info = SIGNATURE[SIGNATURE.index("<ds:KeyInfo>") : SIGNATURE.index("</ds:Signature>")]
    assert refused(sign_otherwise(READ_FIRMWARE, change=(key_info, ""))).detail == "element KeyInfo is missing"


def test_inclusive_namespaces() -> None:
    canonicalisation = f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>'
    instead = canonicalisation.replace(
        "/>", '><x:InclusiveNamespaces xmlns:x="urn:x" PrefixList="sr"/></ds:CanonicalizationMethod>'
    )
    assert "not allowed here" in refused(sign_otherwise(READ_FIRMWARE, change=(canonicalisation, instead))).detail


def test_text_after_the_signature_is_in_the_digest() -> None:
    assert refused(SIGNED.replace(b"</sr:Request>", b"smuggled</sr:Request>"))
    assert "digest" in refused(SIGNED.replace(b"</sr:Request>", b" </sr:Request>")).detail


def test_a_second_prefix_for_the_same_namespace() -> None:
    document = sign_otherwise(READ_FIRMWARE)
    mixed = document.replace(b"<ds:Signature ", f'<ds:Signature xmlns:d2="{DS}" '.encode()).replace(
        b"ds:KeyInfo>", b"d2:KeyInfo>"
    )
    assert xmlsec_accepts(mixed)
    assert "mixes prefixes" in refused(mixed).detail


# algorithms


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = SUPPLIER.private_key.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def raw_over(algorithm: hashes.HashAlgorithm) -> Any:
    def value(data: bytes) -> bytes:
        digest = hashes.Hash(algorithm)
        digest.update(data)
        r, s = decode_dss_signature(SUPPLIER.private_key.sign(digest.finalize(), ec.ECDSA(Prehashed(algorithm))))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return value


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        (f"{MORE}rsa-sha256", lambda data: RSA.sign(data, padding.PKCS1v15(), hashes.SHA256())),
        (f"{MORE}hmac-sha256", lambda data: hmac.digest(PUBLIC, data, "sha256")),
        (f"{DS}hmac-sha1", lambda data: hmac.digest(PUBLIC, data, "sha1")),
        (f"{DS}dsa-sha1", raw_ecdsa),
        (f"{DS}rsa-sha1", raw_ecdsa),
        (f"{MORE}ecdsa-sha1", raw_over(hashes.SHA1())),
        (f"{MORE}ecdsa-sha384", raw_over(hashes.SHA384())),
        (f"{MORE}ecdsa-sha512", raw_over(hashes.SHA512())),
        (f"{MORE}ecdsa-sha256 ", raw_ecdsa),
        ("", raw_ecdsa),
    ],
)
def test_other_signature_algorithms(algorithm: str, value: Any) -> None:
    refusal = refused(sign_otherwise(READ_FIRMWARE, change=(f"{MORE}ecdsa-sha256", algorithm), make_value=value))
    assert refusal.where == "Request/Signature/SignedInfo/SignatureMethod"
    assert refusal.detail == f"Algorithm is {algorithm!r}"
    assert refusal.expected == f"'{MORE}ecdsa-sha256'"


@pytest.mark.parametrize(
    ("algorithm", "function"),
    [
        (f"{DS}sha1", "sha1"),
        (f"{MORE}sha384", "sha384"),
        ("http://www.w3.org/2001/04/xmlenc#sha512", "sha512"),
        (f"{MORE}md5", "md5"),
    ],
)
def test_other_digest_algorithms(algorithm: str, function: str) -> None:
    change = ("http://www.w3.org/2001/04/xmlenc#sha256", algorithm)
    refusal = refused(sign_otherwise(READ_FIRMWARE, change=change, digest=hashlib.new(function, READ_FIRMWARE).digest()))
    assert refusal.where == "Request/Signature/SignedInfo/Reference/DigestMethod"


@pytest.mark.parametrize("algorithm", [INCLUSIVE, f"{INCLUSIVE}#WithComments", f"{EXCLUSIVE}WithComments", "urn:none"])
def test_other_canonicalisations_of_signed_info(algorithm: str) -> None:
    document = sign_otherwise(READ_FIRMWARE, change=(EXCLUSIVE, algorithm), exclusive=not algorithm.startswith(INCLUSIVE))
    assert refused(document).where == "Request/Signature/SignedInfo/CanonicalizationMethod"


def test_signed_info_in_inclusive_form_under_the_name_of_the_exclusive() -> None:
    assert "was not made with" in refused(sign_otherwise(READ_FIRMWARE, exclusive=False)).detail


# digest


def test_a_changed_document_shows_both_digests() -> None:
    refusal = refused(SIGNED.replace(b":1000<", b":1001<"))
    computed = base64.b64encode(hashlib.sha256(READ_FIRMWARE.replace(b":1000<", b":1001<")).digest()).decode()
    declared = base64.b64encode(hashlib.sha256(READ_FIRMWARE).digest()).decode()
    assert refusal.evidence == {"computed_digest": computed, "declared_digest": declared}
    assert refusal.where == "Request/Signature/SignedInfo/Reference/DigestValue"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"', b""),
        (b'"5.2"', b'"5.20"'),
        (b"00-db-", b"00-DB-"),
        (b"<sr:Header>", b"<sr:Header> "),
        (b"</sr:RequestID>", b" </sr:RequestID>"),
        (b"<sr:Header>", b'<sr:Header x="">'),
        (b"xmlns:sr", b'xmlns:unused="urn:x" xmlns:sr'),
        (b"11.2<", b"11&#13;.2<"),
    ],
)
def test_the_smallest_change_of_the_body(before: bytes, after: bytes) -> None:
    assert "digest" in refused(SIGNED.replace(before, after, 1)).detail


def test_mistakes_in_digesting_are_named() -> None:
    root = etree.fromstring(READ_FIRMWARE)
    exclusive = hashlib.sha256(etree.tostring(root, method="c14n", exclusive=True)).digest()
    assert refused(sign_otherwise(READ_FIRMWARE, digest=exclusive)).detail == "the digest is that of exclusive Canonical XML"

    pretty = READ_FIRMWARE.replace(b"><", b">\n<").replace(b">\n</sr:ReadFirm", b"></sr:ReadFirm")
    compact = hashlib.sha256(READ_FIRMWARE).digest()
    refusal = refused(sign_otherwise(pretty, digest=compact))
    assert refusal.detail == "the digest is that of the document without white space between elements"
    assert "exclusive" in refused(sign_otherwise(pretty, digest=exclusive)).detail

    assert "changed after it was signed" in refused(sign_otherwise(READ_FIRMWARE, digest=bytes(32))).detail


def test_a_digest_with_bits_to_spare() -> None:
    """The last character of the base64 of 32 octets has two bits that say nothing: there is one way to write them."""
    digest = re.search(rb"<ds:DigestValue>(.*)=</ds:DigestValue>", SIGNED)
    assert digest
    altered = digest[1][:-1] + bytes([digest[1][-1] + 1])
    assert base64.b64decode(altered + b"=") == base64.b64decode(digest[1] + b"=")
    assert "32 octets" in refused(SIGNED.replace(digest[1], altered)).detail


def test_relative_namespace_names_have_no_canonical_form() -> None:
    assert "no canonical form" in refused(SIGNED.replace(b"<sr:Body>", b'<sr:Body xmlns:x="relative">')).detail


# value and key


def test_der_is_named() -> None:
    def der(data: bytes) -> bytes:
        return SUPPLIER.private_key.sign(data, ec.ECDSA(hashes.SHA256()))

    assert refused(sign_otherwise(READ_FIRMWARE, make_value=der)).detail == "the signature value is DER"


@pytest.mark.parametrize(
    "value", [b"\x01", bytes(63), bytes(64), bytes(65), b"\xff" * 64, bytes(96), bytes(31) + b"\x01" + bytes(32)]
)
def test_values_that_are_no_signature(value: bytes) -> None:
    assert refused(sign_otherwise(READ_FIRMWARE, make_value=lambda _: value)).where.endswith("SignatureValue")


def test_a_value_that_is_not_base64() -> None:
    document = sign_otherwise(READ_FIRMWARE)
    assert "cannot be read" in refused(re.sub(rb"(<ds:SignatureValue>)..", rb"\1*!", document)).detail
    assert "64 octets" in refused(re.sub(rb"(<ds:SignatureValue>).", rb"\1", document)).detail
    assert refused(re.sub(rb"(<ds:SignatureValue>)[^<]*", rb"\1", document)).where.endswith("SignatureValue")


def test_another_key_under_a_known_serial() -> None:
    forged = replace(STRANGER, serial=SUPPLIER.serial).sign(READ_FIRMWARE)
    refusal = refused(forged)
    assert "was not made with the key of 90-B3-D5-1F-30-01-00-00" in refusal.detail
    assert str(refusal.evidence["signed_info"]).startswith('<ds:SignedInfo xmlns:ds="')


def test_a_known_key_under_an_unknown_serial() -> None:
    refusal = refused(STRANGER.sign(READ_FIRMWARE))
    assert refusal.evidence == {"issuer": "CN=Z1,OU=07", "serial": "4711"}
    assert "4711" in refusal.detail


@pytest.mark.parametrize(
    "serial", ["14BE4AD2EA1D0E4EC7F7156BD24624A7", "0x14be", "-5", "+5", "1.0", "5 5", "", "1" * 50, "\u0661"]
)
def test_serials_are_decimal(serial: str) -> None:
    refusal = refused(sign_otherwise(READ_FIRMWARE, change=("SERIAL", serial)))
    assert refusal.expected == "a decimal number"
    assert refusal.where.endswith("X509IssuerSerial/X509SerialNumber")


def test_issuers_count() -> None:
    """The DCC's own tool looks at the serial alone; the key of a request is issuer and serial."""
    other = refused(replace(SUPPLIER, issuer="CN=Z2,OU=07").sign(READ_FIRMWARE))
    assert "'CN=Z2,OU=07'" in other.detail
    turned = refused(replace(SUPPLIER, issuer="OU=07,CN=Z1").sign(READ_FIRMWARE))
    assert "reverse order" in turned.detail
    assert turned.expected == "CN=Z1,OU=07"
    assert "cannot be read" in refused(replace(SUPPLIER, issuer="").sign(READ_FIRMWARE)).detail
    assert "cannot be read" in refused(replace(SUPPLIER, issuer="CN=" + "x" * 600).sign(READ_FIRMWARE)).detail


@pytest.mark.parametrize(
    ("change", "now_ms", "words"),
    [
        ({"role": 2}, NOW_MS, "role 2"),
        ({"role": 137}, NOW_MS, "role 137"),
        ({}, NOW_MS - YEAR_MS - 1, "not valid at"),
        ({}, NOW_MS + YEAR_MS + 1, "not valid at"),
        ({"chain_trusted": False}, NOW_MS, "trusted authority"),
        ({"revoked": True}, NOW_MS, "revoked"),
    ],
)
def test_certificates_that_may_not_sign(change: dict[str, Any], now_ms: int, words: str) -> None:
    refusal = refused(SIGNED, now_ms=now_ms, **change)
    assert words in refusal.detail
    assert refusal.evidence["eui"] == "90-B3-D5-1F-30-01-00-00"
    lenient = SignaturePolicy(check_role=False, check_dates=False, check_chain=False)
    outcome = verify(SIGNED, lenient, now_ms, **change)
    assert isinstance(outcome, Refusal if change.get("revoked") else Signer)


def test_the_days_of_validity_are_inclusive() -> None:
    assert isinstance(verify(SIGNED, now_ms=NOW_MS - YEAR_MS), Signer)
    assert isinstance(verify(SIGNED, now_ms=NOW_MS + YEAR_MS), Signer)


def test_the_signature_of_one_party_does_not_serve_another() -> None:
    borrowed = SIGNED.replace(str(SUPPLIER.serial).encode(), str(OTHER_SUPPLIER.serial).encode())
    assert "was not made with the key of 90-B3-D5-1F-30-03-00-00" in refused(borrowed).detail


# all together


def canonical(document: bytes) -> bytes:
    root = etree.fromstring(document)
    return etree.tostring(root, method="c14n", with_comments=False)


def test_no_changed_bit_verifies() -> None:
    """Every bit of the whole document, except where the change is none to XML (a line feed for a space inside a tag) or to
    the name of the key (``cN=Z1``), which is not signed."""
    expected = canonical(SIGNED).partition(b"<ds:KeyInfo>")[0]
    for position in range(len(SIGNED)):
        for bit in range(8):
            document = bytearray(SIGNED)
            document[position] ^= 1 << bit
            try:
                outcome = verify(bytes(document))
            except Malformed:
                continue
            if isinstance(outcome, Signer):
                assert outcome.serial == SUPPLIER.serial
                assert b"".join(canonical(bytes(document)).partition(b"<ds:KeyInfo>")[0].split()) == b"".join(expected.split())


@given(st.data())
def test_moved_pieces_never_verify(data: Any) -> None:
    """Whole elements copied to other places: whatever verifies says what was signed."""
    root = parse_document(SIGNED)
    nodes = list(root.iter())
    chosen = etree.fromstring(etree.tostring(data.draw(st.sampled_from(nodes))))
    target = data.draw(st.sampled_from(nodes))
    target.insert(data.draw(st.integers(min_value=0, max_value=len(target))), chosen)
    refused(etree.tostring(root))


def test_responses_verify_by_the_same_rules() -> None:
    response = f'<sr:Response xmlns:sr="{SR}" schemaVersion="5.4"></sr:Response>'.encode()
    assert refused(response).where == "Response"
    assert isinstance(verify(SUPPLIER.sign(response)), Signer)
