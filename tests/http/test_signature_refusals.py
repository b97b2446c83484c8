"""Signatures over the wire: every one that must not hold is 403 with the place, and nothing has happened.

The cases are consistent but for their one fault; :mod:`tests.duis.test_signature_refuses` has many more of them below HTTP.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.client.requests import read_firmware_version, read_inventory
from emulator.domain.identifiers import format_eui
from tests.duis.parties import (
    DS,
    EXCLUSIVE,
    INCLUSIVE,
    SIGNATURE,
    SIGNED_INFO,
    signxml_accepts,
    xmlsec_accepts,
)
from tests.http.conftest import MakeSide, wait_until_it_explains
from tests.http.running import Emulator
from tests.http.side import CHF, ESME, NETWORK_OPERATOR, RECOVERY, SUPPLIER, SUPPLIER_TWO, Side, party_of

MORE = "http://www.w3.org/2001/04/xmldsig-more#"
TRANSFORM = f'<ds:Transform Algorithm="{DS}enveloped-signature"/>'
REFERENCE = SIGNED_INFO[SIGNED_INFO.index("<ds:Reference") : SIGNED_INFO.index("</ds:SignedInfo>")]
FAR_FUTURE_MS = 32_503_680_000_000 - 1
"""The end of the year 2999: after every date of the test PKI that is a date."""


def unsigned(side: Side) -> bytes:
    return side.xml(read_inventory(SUPPLIER, ESME))


def signed(side: Side) -> bytes:
    return side.signed(read_inventory(SUPPLIER, ESME))


def signature_of(document: bytes) -> bytes:
    end = b"</ds:Signature>"
    return document[document.index(b"<ds:Signature ") : document.index(end) + len(end)]


async def refusal(side: Side, body: bytes, service: str = "D") -> str:
    answer = await side.refuses(body, service)
    assert answer.status == 403, answer.text
    assert "\nwhere: " in answer.text
    assert "\nexpected: " in answer.text
    return answer.text


# what is not signed, or not by whom it says


async def test_unsigned(default: Side) -> None:
    text = await refusal(default, unsigned(default))
    assert text.startswith("the document is not signed\nwhere: Request\n")


async def test_wrong_digest(default: Side) -> None:
    text = await refusal(default, signed(default).replace(format_eui(ESME).encode(), format_eui(CHF).encode()))
    assert text.startswith("the digest is not that of the document: it was changed after it was signed")
    assert "where: Request/Signature/SignedInfo/Reference/DigestValue\n" in text


async def test_wrong_digests_that_are_often_made_are_named(default: Side) -> None:
    pretty = signed(default).replace(b"><sr:Header>", b">\n  <sr:Header>")
    assert "the digest is that of the document without white space between elements" in await refusal(default, pretty)


async def test_wrong_key(default: Side) -> None:
    """Another key under the supplier's serial number."""
    forged = replace(default.party(), scalar=4711).sign(unsigned(default))
    text = await refusal(default, forged)
    assert f"the signature was not made with the key of {format_eui(SUPPLIER)}" in text
    assert "where: Request/Signature/SignatureValue\n" in text


async def test_the_key_for_gbcs_under_the_serial_of_the_key_for_xml(default: Side) -> None:
    mixed = replace(default.gbcs_party(), serial=default.party().serial, issuer=default.party().issuer)
    assert "was not made with the key of" in await refusal(default, mixed.sign(unsigned(default)))


async def test_unknown_serial(default: Side) -> None:
    text = await refusal(default, replace(default.party(), serial=4711).sign(unsigned(default)))
    assert "no certificate with serial 4711 of issuer" in text
    assert "where: Request/Signature/KeyInfo/X509Data/X509IssuerSerial\n" in text


async def test_serial_in_hexadecimal(default: Side) -> None:
    """Its type is a whole number, so the schema refuses it already."""
    answer = await default.refuses(signed(default).replace(str(default.party().serial).encode(), b"7DAC7283AAD29BDD"))
    assert answer.status == 400
    assert "X509SerialNumber has the value '7DAC7283AAD29BDD'" in answer.text


async def test_unknown_issuer(default: Side) -> None:
    """The stock clients' tool looks at serials alone; here issuer and serial together name a certificate."""
    text = await refusal(default, replace(default.party(), issuer="CN=Elsewhere,OU=07").sign(unsigned(default)))
    assert "of issuer 'CN=Elsewhere,OU=07' is known" in text


async def test_certificate_of_another_user(default: Side) -> None:
    text = await refusal(default, default.party(SUPPLIER_TWO).sign(unsigned(default)))
    assert f"signed by {format_eui(SUPPLIER_TWO)} in the name of {format_eui(SUPPLIER)}" in text
    assert "where: RequestID\n" in text


async def test_the_signature_of_one_request_under_another(default: Side) -> None:
    first, second = signed(default), unsigned(default)
    borrowed = second.replace(b"</sr:Request>", signature_of(first) + b"</sr:Request>")
    assert "where: Request/Signature/SignedInfo/Reference/DigestValue\n" in await refusal(default, borrowed)


async def test_a_device_cannot_sign_requests(default: Side) -> None:
    record = next(r for r in default.keys.records(ESME) if r.usage == "DS")
    text = await refusal(default, party_of(record).sign(unsigned(default)))
    assert "no certificate with serial" in text


# properties of the certificate, with their switches


async def test_certificate_of_another_role(default: Side) -> None:
    text = await refusal(default, default.gbcs_party().sign(unsigned(default)))
    assert "the certificate has role 2, which does not sign here" in text
    assert "expected: role 135\n" in text


async def test_expired_and_unborn_certificates(emulator: Emulator, sides: MakeSide) -> None:
    late = await sides(emulator, "late", start_ms=FAR_FUTURE_MS)
    assert "the certificate is not valid at 2999-12-31T23:59:59.999Z" in await refusal(late, signed(late))
    early = await sides(emulator, "early", start_ms=0)
    text = await refusal(early, signed(early))
    assert "the certificate is not valid at 1970-01-01T00:00:00.000Z" in text
    assert "where: Request/Signature/KeyInfo/X509Data/X509IssuerSerial\nexpected: a time from 20" in text


async def test_the_switches_let_them_pass(emulators: Callable[..., Emulator], sides: MakeSide) -> None:
    lenient = emulators(signatures__check_role="false", signatures__check_dates="false", signatures__check_chain="false")
    wait_until_it_explains(lenient)
    late = await sides(lenient, "late", start_ms=FAR_FUTURE_MS)
    assert (await late.ask(late.gbcs_party().sign(unsigned(late)))).code == "I0"
    assert (await late.ask(signed(late))).code == "I0"
    stranger = late.gbcs_party(RECOVERY).sign(late.xml(read_inventory(RECOVERY, ESME)))
    unknown = await late.refused(stranger)
    assert (unknown.code, unknown.words) == ("E1", f"user_unknown: {format_eui(RECOVERY)} is not a User ID")
    assert "signed by" in await refusal(late, late.party(NETWORK_OPERATOR).sign(unsigned(late)))
    assert "is not signed" in await refusal(late, unsigned(late))


@pytest.fixture
async def foreign_keys(emulator: Emulator, sides: MakeSide, tmp_path: Path) -> Path:
    """A key store of another PKI, as a file to import."""
    foreign = await sides(emulator, "foreign", seed=7)
    file = tmp_path / "keystore.json"
    file.write_bytes(await foreign.control.call("GET", "/control/v1/worlds/foreign/keys/keystore.json"))
    return file


async def with_imported_keys(side: Side) -> Side:
    """The user's side with the keys that the emulator has."""
    keys = await side.control.key_store()
    return replace(side, keys=keys, reader=replace(side.reader, keys=keys))


async def test_imported_keys_switch_the_checks_off(
    emulators: Callable[..., Emulator], sides: MakeSide, foreign_keys: Path
) -> None:
    """Their certificates do not satisfy roles, dates and chains (wire_contract.md section 4.1)."""
    side = await with_imported_keys(await sides(emulators(keys__import_from=foreign_keys)))
    assert (await side.ask(read_inventory(SUPPLIER, ESME))).code == "I0"
    assert (await side.ask(side.gbcs_party().sign(unsigned(side)))).code == "I0"
    assert "is not signed" in await refusal(side, unsigned(side))


async def test_imported_keys_under_an_authority_that_is_not_trusted(
    emulators: Callable[..., Emulator], sides: MakeSide, foreign_keys: Path
) -> None:
    strict = emulators(keys__import_from=foreign_keys, signatures__check_chain="true", signatures__check_role="true")
    side = await with_imported_keys(await sides(strict))
    text = await refusal(side, signed(side))
    assert "the certificate was not issued under a trusted authority" in text
    assert "expected: a trusted chain\n" in text
    assert "the certificate has role 2" in await refusal(side, side.gbcs_party().sign(unsigned(side)))


# number, place and wrapping


def wrappings(side: Side) -> dict[str, bytes]:
    """Documents in which something signed stands beside something that is not."""
    good, bare = signed(side), unsigned(side)
    ours, whole = signature_of(good), good.partition(b"?>")[2]
    evil = side.xml(read_firmware_version(SUPPLIER, ESME))
    inner = evil[evil.index(b"<sr:ReadFirmwareVersion") : evil.index(b"</sr:Body>")]

    def closing(document: bytes, *more: bytes) -> bytes:
        return document.replace(b"</sr:Request>", b"".join(more) + b"</sr:Request>")

    def in_object(content: bytes) -> bytes:
        return ours.replace(b"</ds:KeyInfo>", b"</ds:KeyInfo><ds:Object>" + content + b"</ds:Object>")

    return {
        "two signatures": closing(bare, ours, ours),
        "two signatures of two parties": closing(good, signature_of(side.party(SUPPLIER_TWO).sign(bare))),
        "before the header": bare.replace(b"<sr:Header>", ours + b"<sr:Header>"),
        "between header and body": bare.replace(b"<sr:Body>", ours + b"<sr:Body>"),
        "in the header": bare.replace(b"</sr:Header>", ours + b"</sr:Header>"),
        "in the body": bare.replace(b"</sr:Body>", ours + b"</sr:Body>"),
        "around the root": b'<sr:Wrap xmlns:sr="urn:x">' + whole + b"</sr:Wrap>",
        "signed request after an evil body": closing(evil, whole),
        "signed request in an evil body": evil.replace(inner, whole),
        "signed request in an Object of an evil one": closing(evil, in_object(whole)),
        "evil request in an Object": good.replace(ours, in_object(evil)),
        "evil body in an Object": good.replace(ours, in_object(inner)),
        "signature in an Object": good.replace(ours, in_object(ours)),
        "empty Object": good.replace(ours, in_object(b"")),
        "evil body before the signed one": good.replace(b"<sr:Body>", b"<sr:Body>" + inner + b"</sr:Body><sr:Body>"),
        "evil body after the signature": closing(good, b"<sr:Body>" + inner + b"</sr:Body>"),
    }


WRAPPINGS = {
    "two signatures": 400,
    "two signatures of two parties": 400,
    "before the header": 400,
    "between header and body": 400,
    "in the header": 400,
    "in the body": 400,
    "around the root": 400,
    "signed request after an evil body": 400,
    "signed request in an evil body": 400,
    "signed request in an Object of an evil one": 403,
    "evil request in an Object": 403,
    "evil body in an Object": 403,
    "signature in an Object": 403,
    "empty Object": 403,
    "evil body before the signed one": 400,
    "evil body after the signature": 400,
}
"""400 where the schema has no such place; it leaves Object open, so that there the profile of the signature alone says no."""


@pytest.mark.parametrize(("name", "status"), WRAPPINGS.items())
async def test_moved_and_wrapped_signatures(default: Side, name: str, status: int) -> None:
    documents = wrappings(default)
    assert documents.keys() == WRAPPINGS.keys()
    answer = await default.refuses(documents[name])
    assert answer.status == status, answer.text
    assert "where: Request" in answer.text or name == "around the root"


@pytest.mark.parametrize("name", ["evil request in an Object", "evil body in an Object", "signature in an Object"])
async def test_what_general_libraries_let_pass_in_an_object(default: Side, name: str) -> None:
    document = wrappings(default)[name]
    assert xmlsec_accepts(document, default.party())
    assert "element {http://www.w3.org/2000/09/xmldsig#}Object is not allowed here" in await refusal(default, document)


@pytest.mark.parametrize("reference", ["#body", "#xpointer(/)", "http://127.0.0.1:9/", "file:///etc/passwd"])
async def test_references_to_something_else(default: Side, reference: str) -> None:
    document = default.sign_otherwise(unsigned(default), change=('URI=""', f'URI="{reference}"'))
    text = await refusal(default, document)
    assert f"URI is '{reference}'" in text
    assert "where: Request/Signature/SignedInfo/Reference\n" in text


CHANGES = {
    "two references": (REFERENCE, REFERENCE + REFERENCE, "Reference is not allowed here"),
    "a second transform": (TRANSFORM, f'{TRANSFORM}<ds:Transform Algorithm="{EXCLUSIVE}"/>', "Transform is not allowed here"),
    "another transform": (TRANSFORM, f'<ds:Transform Algorithm="{EXCLUSIVE}"/>', "Algorithm is"),
    "its own certificate": (
        "</ds:X509IssuerSerial>",
        "</ds:X509IssuerSerial><ds:X509Certificate>AAAA</ds:X509Certificate>",
        "X509Certificate is not allowed here",
    ),
    "an Id": ("<ds:SignedInfo", '<ds:SignedInfo Id="x"', "attribute Id is not allowed"),
    "no KeyInfo": (SIGNATURE[SIGNATURE.index("<ds:KeyInfo>") : SIGNATURE.index("</ds:Signature>")], "", "KeyInfo is missing"),
}


@pytest.mark.parametrize(("written", "instead", "says"), CHANGES.values(), ids=CHANGES.keys())
async def test_anything_beside_the_profile(default: Side, written: str, instead: str, says: str) -> None:
    assert says in await refusal(default, default.sign_otherwise(unsigned(default), change=(written, instead)))


# algorithms


@pytest.mark.parametrize(
    ("written", "instead", "place"),
    [
        (f"{MORE}ecdsa-sha256", f"{MORE}ecdsa-sha1", "SignatureMethod"),
        (f"{MORE}ecdsa-sha256", f"{MORE}ecdsa-sha384", "SignatureMethod"),
        (f"{MORE}ecdsa-sha256", f"{MORE}rsa-sha256", "SignatureMethod"),
        (f"{MORE}ecdsa-sha256", f"{MORE}hmac-sha256", "SignatureMethod"),
        (f"{MORE}ecdsa-sha256", f"{DS}dsa-sha1", "SignatureMethod"),
        (f"{MORE}ecdsa-sha256", "urn:none", "SignatureMethod"),
        (f"{MORE}ecdsa-sha256", "", "SignatureMethod"),
        ("http://www.w3.org/2001/04/xmlenc#sha256", f"{DS}sha1", "Reference/DigestMethod"),
        ("http://www.w3.org/2001/04/xmlenc#sha256", f"{MORE}md5", "Reference/DigestMethod"),
        ("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmlenc#sha512", "Reference/DigestMethod"),
        (EXCLUSIVE, INCLUSIVE, "CanonicalizationMethod"),
        (EXCLUSIVE, f"{EXCLUSIVE}WithComments", "CanonicalizationMethod"),
    ],
)
async def test_weak_and_unknown_algorithms(default: Side, written: str, instead: str, place: str) -> None:
    text = await refusal(default, default.sign_otherwise(unsigned(default), change=(written, instead)))
    assert f"Algorithm is {instead!r}\nwhere: Request/Signature/SignedInfo/{place}\nexpected: {written!r}\n" in text


async def test_a_signature_value_in_der(default: Side) -> None:
    def der(data: bytes) -> bytes:
        return default.party().private_key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    document = default.sign_otherwise(unsigned(default), make_value=der)
    assert "the signature value is DER" in await refusal(default, document)


@pytest.mark.parametrize("value", [b"", bytes(63), bytes(64), b"\xff" * 64, bytes(65)])
async def test_values_that_are_no_signature(default: Side, value: bytes) -> None:
    document = re.sub(b"(<ds:SignatureValue>)[^<]*", b"\\1" + base64.b64encode(value), signed(default))
    assert "where: Request/Signature/SignatureValue\n" in await refusal(default, document)


# smuggling


async def test_a_comment_in_the_request_id_hides_nothing(side: Side) -> None:
    """It splits the text for libraries that read it in pieces; here the whole that was signed is what counts."""
    request = side.stamped(read_inventory(SUPPLIER, ESME))
    text = str(request.request_id)
    document = side.signed(request).replace(text.encode(), f"{text[:-3]}<!-- not read -->{text[-3:]}".encode())
    assert xmlsec_accepts(document, side.party())
    answer = await side.ask(document)
    assert (answer.code, answer.request_id) == ("I0", text)
    assert (await side.refused(request)).code == "E44"


async def test_comments_elsewhere_are_not_read(side: Side) -> None:
    document = signed(side)
    document = document.replace(b"<sr:Body>", b"<sr:Body><!-- <sr:ReadInventory/> -->") + b"<!-- the end -->"
    assert (await side.ask(document)).code == "I0"


async def test_cdata_is_text_like_any_other(default: Side) -> None:
    document = signed(default).replace(b"</sr:RequestID>", b"<![CDATA[0]]></sr:RequestID>")
    assert "the digest is not that of the document" in await refusal(default, document)


async def test_the_other_half_of_a_signature(side: Side) -> None:
    """(r, n - s) verifies as well: whether a request came before is told by its RequestID, not by its octets."""
    document = signed(side)
    found = re.search(b"<ds:SignatureValue>([^<]*)", document)
    assert found
    raw = base64.b64decode(found[1])
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    twin = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    copy = document.replace(found[1], base64.b64encode(twin))
    assert signxml_accepts(copy, side.party())
    assert (await side.ask(document)).code == "I0"
    assert (await side.refused(copy)).code == "E44"
