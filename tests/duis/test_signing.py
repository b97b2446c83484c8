"""What we sign is what a general implementation would have signed, and others verify it."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from lxml import etree

from emulator.domain.errors import Broken, Malformed
from emulator.duis.decode import decode_request
from emulator.duis.encode import encode_message, encode_request
from emulator.duis.messages import Message, Request, Signer
from emulator.duis.parse import parse_document
from emulator.duis.signature import (
    check_originator,
    complete_signature,
    name_signer,
    named_signer,
    sign_document,
    strip_signature,
)
from tests.duis.duis_messages import messages, requests
from tests.duis.parties import (
    DS,
    EXCLUSIVE,
    READ_FIRMWARE,
    SR,
    SUPPLIER,
    refused,
    sign_otherwise,
    signxml_accepts,
    verify,
    xmlsec_accepts,
)


def canonical(document: bytes) -> bytes:
    return etree.tostring(etree.fromstring(document), method="c14n", with_comments=False)


def test_the_document_is_untouched_but_for_declaration_and_signature() -> None:
    signed = SUPPLIER.sign(READ_FIRMWARE)
    assert signed.startswith(b'<?xml version="1.0" encoding="UTF-8"?><sr:Request ')
    assert b"\n" not in signed
    root = parse_document(signed)
    assert strip_signature(root)
    assert etree.tostring(root, method="c14n") == READ_FIRMWARE


def test_the_same_octets_every_time() -> None:
    assert SUPPLIER.sign(READ_FIRMWARE) == SUPPLIER.sign(READ_FIRMWARE)


@pytest.mark.parametrize("issuer", ["CN=Z1,OU=07", "CN=A&B<C>,OU=07", 'CN="quoted"'])
def test_a_signature_that_is_completed_later_is_the_same(issuer: str) -> None:
    key = ec.derive_private_key(SUPPLIER.scalar, ec.SECP256R1())
    named = name_signer(READ_FIRMWARE, issuer=issuer, serial=SUPPLIER.serial)
    signed = sign_document(READ_FIRMWARE, issuer=issuer, serial=SUPPLIER.serial, private_key=key)
    assert named_signer(named) == (issuer, SUPPLIER.serial)
    assert complete_signature(named, key) == signed
    assert refused(named).code == "http.403"
    assert named_signer(signed) is None
    assert named_signer(READ_FIRMWARE) is None
    assert named_signer(b"") is None
    with pytest.raises(Broken):
        complete_signature(READ_FIRMWARE, key)


def test_spliced_and_general_signatures_are_the_same() -> None:
    """The same SignedInfo, digest and value as by way of trees and general canonicalisation."""
    assert canonical(SUPPLIER.sign(READ_FIRMWARE)) == canonical(sign_otherwise(READ_FIRMWARE))


def test_issuers_are_escaped() -> None:
    odd = type(SUPPLIER)(SUPPLIER.eui, SUPPLIER.scalar, SUPPLIER.serial, "CN=A&B<C>,OU=07")
    signed = odd.sign(READ_FIRMWARE)
    assert b"CN=A&amp;B&lt;C&gt;,OU=07" in signed
    assert refused(signed).evidence["issuer"] == "CN=A&B<C>,OU=07"
    assert isinstance(verify(signed, issuer="CN=A&B<C>,OU=07"), Signer)


@pytest.mark.parametrize("document", [b"", b"<a/>", b'<?xml version="1.0"?><a></a>', b"<a></a>\n"])
def test_what_is_not_canonical_is_our_own_mistake(document: bytes) -> None:
    with pytest.raises(Broken):
        SUPPLIER.sign(document)


@given(messages)
def test_messages_are_their_own_canonical_form_and_verify(message: Message) -> None:
    document = encode_message(message)
    assert canonical(document) == document
    assert isinstance(verify(SUPPLIER.sign(document)), Signer)


@given(requests)
def test_requests_are_their_own_canonical_form_and_verify(request: Request) -> None:
    document = encode_request(request)
    assert canonical(document) == document
    assert isinstance(verify(SUPPLIER.sign(document)), Signer)


@settings(max_examples=25)
@given(messages)
def test_both_oracles_accept_and_refuse_the_same(message: Message) -> None:
    signed = SUPPLIER.sign(encode_message(message))
    assert xmlsec_accepts(signed)
    assert signxml_accepts(signed)
    changed = signed.replace(b"<sr:ResponseDateTime>", b"<sr:ResponseDateTime>0")
    assert not xmlsec_accepts(changed)
    assert not signxml_accepts(changed)
    refused(changed)


# XML of others


PRETTY = f"""<?xml version='1.0' encoding='UTF-8'?>
<!-- a template -->
<Request xmlns="{SR}" xmlns:ds="{DS}" schemaVersion="5.4"
         xmlns:unused='urn:unused'>
  <Header>
    <RequestID>90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:1000</RequestID>
    <CommandVariant>1</CommandVariant>
    <ServiceReference>11.2</ServiceReference><!-- comment -->
    <ServiceReferenceVariant>11.2</ServiceReferenceVariant>
  </Header>
  <Body>
    <ReadFirmwareVersion/>
  </Body>
  <ds:Signature><ds:SignedInfo/></ds:Signature>
</Request>
""".encode()


def test_any_template_becomes_a_compact_signed_document() -> None:
    signed = SUPPLIER.sign_any(PRETTY)
    assert b"\n" not in signed
    assert b"comment" not in signed
    assert signed.count(b"<ds:SignedInfo>") == 1
    assert isinstance(verify(signed), Signer)
    assert xmlsec_accepts(signed)
    assert signxml_accepts(signed)


def test_signing_again_replaces_the_signature() -> None:
    signed = SUPPLIER.sign(READ_FIRMWARE)
    assert SUPPLIER.sign_any(signed) == signed
    assert SUPPLIER.sign_any(READ_FIRMWARE) == signed
    indented = signed.replace(b"><", b">\n  <").replace(b"Version>\n  </sr:ReadF", b"Version></sr:ReadF")
    assert SUPPLIER.sign_any(indented) == signed


def test_text_of_elements_without_children_stays() -> None:
    document = f'<a xmlns="{SR}">\n <b> \n </b> <c> x </c>\u00a0<d><![CDATA[<&]]></d>\r\n</a>'.encode()
    signed = SUPPLIER.sign_any(document)
    assert "><b> \n </b><c> x </c>\u00a0<d>&lt;&amp;</d><ds:Signature".encode() in signed
    assert isinstance(verify(signed), Signer)


def test_a_root_that_binds_our_prefix_otherwise() -> None:
    signed = SUPPLIER.sign_any(b'<ds:a xmlns:ds="urn:other"><ds:b/></ds:a>')
    assert isinstance(verify(signed), Signer)
    assert xmlsec_accepts(signed)


@pytest.mark.parametrize("document", [b"", b"<a>", b'<a xmlns:x="relative"/>', b"<!DOCTYPE a><a/>"])
def test_what_cannot_be_read_is_not_signed(document: bytes) -> None:
    with pytest.raises(Malformed):
        SUPPLIER.sign_any(document)


def test_every_published_template_is_signed_so_that_all_verifiers_agree(reference: Path) -> None:
    """With the originator's certificate, whoever that is: the check of the originator is another matter."""
    files = sorted((reference / "duis" / "templates").glob("*.XML"))
    assert len(files) == 297
    for number, file in enumerate(files):
        signed = SUPPLIER.sign_any(file.read_bytes())
        assert isinstance(verify(signed), Signer), file.name
        assert xmlsec_accepts(signed), file.name
        if number % 10 == 0:
            assert signxml_accepts(signed), file.name


def test_signed_info_is_written_in_exclusive_form() -> None:
    root = parse_document(SUPPLIER.sign(READ_FIRMWARE))
    info = root[-1][0]
    assert info[0].get("Algorithm") == EXCLUSIVE
    octets = etree.tostring(info, method="c14n", exclusive=True)
    assert octets.startswith(b'<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:CanonicalizationMethod Alg')


def test_the_client_and_the_server_side_agree_on_the_originator() -> None:
    root = parse_document(SUPPLIER.sign(READ_FIRMWARE))
    signer = verify(SUPPLIER.sign(READ_FIRMWARE))
    assert isinstance(signer, Signer)
    assert check_originator(signer, decode_request(root)) is None
