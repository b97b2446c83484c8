"""XML signatures: the strict DUIS profile, verified and made.

One enveloped signature over the whole document, last child of the root. The body digest is over inclusive Canonical XML 1.0
without comments (the Reference has no canonicalisation transform, so the default applies), SignedInfo is signed in exclusive
form, the value is raw r and s, the key is named by issuer and decimal serial. General libraries accept what must be refused
here (a second document in ds:Object, other algorithms, other references); they are oracles in the tests (source: reference
duis/duis.md section 2.1, perf.md section 1, measured).
"""

import base64
import binascii
import hashlib
import html
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from lxml import etree

from emulator.domain.errors import Broken, Malformed, Refusal
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.duis.datetimes import format_datetime
from emulator.duis.encode import escape_text
from emulator.duis.messages import Request, Signer
from emulator.duis.namespaces import XMLDSIG
from emulator.duis.parse import parse_document
from emulator.duis.signature_profile import (
    ECDSA_SHA256,
    ENVELOPED_SIGNATURE,
    EXCLUSIVE_C14N,
    SHA256,
    SIGNATURE,
    Match,
    explain_shape,
    match_signature,
)

XML_DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>'

_VERIFY: Final = ec.ECDSA(hashes.SHA256())
_SIGN: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_OPEN: Final = f'<ds:Signature xmlns:ds="{XMLDSIG}">'.encode()
_CLOSE: Final = b"</ds:Signature>"
_NAMED: Final = re.compile(
    re.escape(_OPEN) + rb"<ds:KeyInfo><ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>([^<]*)</ds:X509IssuerName>"
    rb"<ds:X509SerialNumber>([0-9]+)</ds:X509SerialNumber>"
)
_WHITE_SPACE: Final = " \t\r\n"
_ATTRIBUTE_TYPE: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)\s*=\s*", re.ASCII)
_ATTRIBUTE_VALUE: Final = re.compile(
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>(?:[^,;+"\\\s]|\\.|\s+(?=[^,;+\s]))*))\s*""", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class SigningCertificate:
    """What verification needs to know of an XML-signing certificate."""

    eui: Eui64
    role: int
    """Remote Party Role of the subject."""
    serial: int
    issuer: str
    """As :func:`normalise_issuer` writes it."""
    public_key: ec.EllipticCurvePublicKey
    """On P-256."""
    not_before_ms: int
    not_after_ms: int
    revoked: bool
    chain_trusted: bool
    """Whether it was issued under an authority that is trusted here."""


class CertificateLookup(Protocol):
    """Where certificates are found."""

    def find_signing(self, issuer: str, serial: int) -> SigningCertificate | None:
        """The certificate with this serial under this issuer, which comes as :func:`normalise_issuer` writes it."""


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """What is demanded of the signer's certificate. Revoked ones are refused always.

    All on suits the project's own PKI; imported key stores have certificates of other roles, expired ones, and no
    authorities (source: duis.md section 3.1 step 3, wire_contract.md section 4.1).
    """

    check_role: bool = True
    check_dates: bool = True
    check_chain: bool = True
    roles: frozenset[int] = field(default=frozenset({RemotePartyRole.XML_SIGN}))
    """Roles that may sign: users' XmlSign for requests, DspXmlSign for what the DCC sends."""


def verify_document(
    root: etree._Element, certificates: CertificateLookup, policy: SignaturePolicy, now_ms: int
) -> Signer | Refusal:
    """Who signed the document under ``root``, or why that cannot be said (``http.403``).

    ``root`` comes from :func:`emulator.duis.parse.parse_document` and stays as it is. Whether the signer may speak for the
    originator is for :func:`check_originator`.
    """
    signature = _only_signature(root)
    if isinstance(signature, Refusal):
        return signature
    document = _canonical(root)
    if not document:
        return _refuse("the document has no canonical form", _name(root), "absolute namespace names")
    found = match_signature(document, signature)
    if found is None:
        return _refuse(*explain_shape(signature, _name(root)))
    where = f"{_name(root)}/Signature"
    wrong_digest = _check_digest(root, document, found, where)
    if wrong_digest is not None:
        return wrong_digest
    certificate = _find_certificate(found, certificates, where)
    if isinstance(certificate, Refusal):
        return certificate
    refusal = check_certificate(certificate, policy, now_ms, where) or _check_value(found, certificate, where)
    return refusal or Signer(certificate.eui, certificate.role, certificate.serial, certificate.issuer)


def check_originator(signer: Signer, request: Request) -> Refusal | None:
    """Refuse a request whose RequestID names another originator than the certificate that signed it does."""
    originator = request.request_id.originator
    if signer.eui == originator:
        return None
    return Refusal(
        "http.403",
        f"the certificate of {format_eui(signer.eui)} signed for {format_eui(originator)}",
        where="Request/Header/RequestID",
        expected=f"originator {format_eui(signer.eui)}",
        evidence={"signer": format_eui(signer.eui), "originator": format_eui(originator), "serial": str(signer.serial)},
    )


def check_certificate(certificate: SigningCertificate, policy: SignaturePolicy, now_ms: int, where: str) -> Refusal | None:
    """Refuse a certificate that may not sign at ``now_ms``; ``where`` is the path of the Signature."""
    if certificate.revoked:
        return _refuse_certificate(certificate, where, "the certificate is revoked", "a certificate in use")
    if policy.check_role and certificate.role not in policy.roles:
        roles = " or ".join(map(str, sorted(policy.roles)))
        detail = f"the certificate has role {certificate.role}, which does not sign here"
        return _refuse_certificate(certificate, where, detail, f"role {roles}")
    if policy.check_dates and not certificate.not_before_ms <= now_ms <= certificate.not_after_ms:
        valid = f"{format_datetime(certificate.not_before_ms)} to {format_datetime(certificate.not_after_ms)}"
        detail = f"the certificate is not valid at {format_datetime(now_ms)}"
        return _refuse_certificate(certificate, where, detail, f"a time from {valid}", valid=valid)
    if policy.check_chain and not certificate.chain_trusted:
        detail = "the certificate was not issued under a trusted authority"
        return _refuse_certificate(certificate, where, detail, "a trusted chain")
    return None


def _refuse_certificate(certificate: SigningCertificate, where: str, detail: str, expected: str, **more: str) -> Refusal:
    evidence: dict[str, object] = {
        "issuer": certificate.issuer,
        "serial": str(certificate.serial),
        "eui": format_eui(certificate.eui),
        "role": certificate.role,
    }
    return _refuse(detail, f"{where}/KeyInfo/X509Data/X509IssuerSerial", expected, evidence | more)


def strip_signature(root: etree._Element) -> bool:
    """Take the signature off, as the enveloped-signature transform does: what follows it stays. True if there was one."""
    last = root[-1] if len(root) else None
    if last is None or last.tag != SIGNATURE:
        return False
    tail, before = last.tail or "", last.getprevious()
    root.remove(last)
    if before is None:
        root.text = (root.text or "") + tail
    else:
        before.tail = (before.tail or "") + tail
    return True


def sign_document(xml: bytes, *, issuer: str, serial: int, private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """Sign an unsigned document that is its own canonical form, as :mod:`emulator.duis.encode` writes it.

    The same document and key give the same octets. Other XML goes through :func:`sign_tree_bytes`.
    """
    return complete_signature(name_signer(xml, issuer=issuer, serial=serial), private_key)


def name_signer(xml: bytes, *, issuer: str, serial: int) -> bytes:
    """What :func:`sign_document` makes, but for what takes the key: the Signature says only whose it is to be.

    That is enough to complete it later or elsewhere, with the same octets.
    """
    end = xml.rfind(b"</")
    if end <= 0 or xml.startswith(b"<?") or not xml.endswith(b">"):
        raise Broken("only a canonical document can be signed as it is")
    return b"".join((XML_DECLARATION, xml[:end], _OPEN, _key_info(issuer, serial), _CLOSE, xml[end:]))


@lru_cache(maxsize=16)
def _key_info(issuer: str, serial: int) -> bytes:
    return (
        f"<ds:KeyInfo><ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>{escape_text(issuer)}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{serial}</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data></ds:KeyInfo>"
    ).encode()


def named_signer(document: bytes) -> tuple[str, int] | None:
    """Issuer and serial that :func:`name_signer` put into a document; None for one that is complete, or not to be signed."""
    start = document.rfind(_OPEN)
    found = None if start < 0 else _NAMED.match(document, start)
    return None if found is None else (html.unescape(found[1].decode()), int(found[2]))


def complete_signature(document: bytes, private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """Sign a document of :func:`name_signer`, with the key of whom it names."""
    start, close = document.rfind(_OPEN), document.rfind(_CLOSE)
    if start < 0 or close < 0:
        raise Broken("the document does not say whose signature it is to have")
    octets, inner = memoryview(document), start + len(_OPEN)
    computed = hashlib.sha256(octets[len(XML_DECLARATION) : start])
    computed.update(octets[close + len(_CLOSE) :])
    digest = base64.b64encode(computed.digest()).decode("ascii")
    content = (
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{ECDSA_SHA256}"></ds:SignatureMethod><ds:Reference URI=""><ds:Transforms>'
        f'<ds:Transform Algorithm="{ENVELOPED_SIGNATURE}"></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>'
        "</ds:SignedInfo>"
    )
    r, s = decode_dss_signature(private_key.sign(f'<ds:SignedInfo xmlns:ds="{XMLDSIG}">{content}'.encode(), _SIGN))
    value = base64.b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode("ascii")
    signed = f"<ds:SignedInfo>{content}<ds:SignatureValue>{value}</ds:SignatureValue>".encode()
    return b"".join((octets[:inner], signed, octets[inner:]))


def sign_tree_bytes(xml: bytes, *, issuer: str, serial: int, private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """Sign any XML: comments and white space between elements are dropped, a signature that is there is replaced.

    Raise :class:`Malformed` for what :func:`emulator.duis.parse.parse_document` refuses or what has no canonical form.
    """
    root = parse_document(xml)
    strip_signature(root)
    _compact(root)
    document = _canonical(root)
    if not document:
        raise Malformed("the document has no canonical form", where=_name(root), expected="absolute namespace names")
    return sign_document(document, issuer=issuer, serial=serial, private_key=private_key)


@lru_cache(maxsize=256)
def normalise_issuer(name: str) -> str:
    """One spelling for a distinguished name in RFC 2253 order: ``CN=Z1, OU=07`` and ``cn=Z1;OU="07"`` are ``CN=Z1,OU=07``.

    The order of the parts is kept: it is part of the name. A text that is no distinguished name comes back trimmed.
    """
    text, parts, position = name.strip(), [], 0
    while True:
        attribute = _ATTRIBUTE_TYPE.match(text, position)
        value = _ATTRIBUTE_VALUE.match(text, attribute.end()) if attribute else None
        if attribute is None or value is None:
            return text
        quoted = value["quoted"]
        content = value["plain"] if quoted is None else re.sub(r"([,;+])", r"\\\1", quoted)
        parts.append(f"{attribute[1].upper()}={content}")
        position = value.end()
        if position == len(text):
            return "".join(parts)
        if text[position] not in ",;+":
            return text
        parts.append("+" if text[position] == "+" else ",")
        position += 1


def _only_signature(root: etree._Element) -> etree._Element | Refusal:
    """The one Signature of the document, last child of ``root``."""
    first = next(root.iter(SIGNATURE), None)
    last = root[-1] if len(root) else None
    if first is None:
        return _refuse("the document is not signed", _name(root), "a ds:Signature as last element")
    if last is None or last.tag != SIGNATURE:
        return _refuse("the Signature is not the last element of the root", _path(first), "a ds:Signature as last element")
    if first is not last:
        return _refuse("the document has more than one Signature", _path(first), "exactly one ds:Signature")
    return last


def _canonical(root: etree._Element, *, exclusive: bool = False) -> bytes:
    """Canonical XML without comments; empty where there is none (a namespace name is relative)."""
    try:
        return bytes(etree.tostring(root, method="c14n", exclusive=exclusive, with_comments=False))
    except etree.C14NError:
        return b""


def _check_digest(root: etree._Element, document: bytes, found: Match, where: str) -> Refusal | None:
    """Compare the declared digest with that of the canonical document without its signature."""
    octets = memoryview(document)
    computed = hashlib.sha256(octets[: found.start])
    computed.update(octets[found.end :])
    declared = _octets(found.digest)
    if declared == computed.digest():
        return None
    evidence = {
        "computed_digest": base64.b64encode(computed.digest()).decode("ascii"),
        "declared_digest": _text(found.digest),
    }
    where = f"{where}/SignedInfo/Reference/DigestValue"
    if declared is None or len(declared) != 32:
        return _refuse("the digest is not the base64 of 32 octets", where, "the SHA-256 of the document", evidence)
    detail = "the digest is not that of the document: it was changed after it was signed, or digested in another form"
    cause = _explain_digest(root, declared)
    return _refuse(cause or detail, where, "SHA-256 of inclusive Canonical XML 1.0 without the Signature", evidence)


def _explain_digest(root: etree._Element, declared: bytes) -> str:
    """Whether ``declared`` is the digest of a form in which documents are often signed by mistake."""
    bare = deepcopy(root)
    strip_signature(bare)
    forms = {"exclusive Canonical XML": _canonical(bare, exclusive=True)}
    _compact(bare)
    forms["the document without white space between elements"] = _canonical(bare)
    forms["exclusive Canonical XML without white space between elements"] = _canonical(bare, exclusive=True)
    forms["the document with its Signature"] = _canonical(root)
    for form, octets in forms.items():
        if hashlib.sha256(octets).digest() == declared:
            return f"the digest is that of {form}"
    return ""


def _find_certificate(found: Match, certificates: CertificateLookup, where: str) -> SigningCertificate | Refusal:
    issuer = html.unescape(found.issuer.decode()).strip()
    normal, serial = normalise_issuer(issuer), int(_compact_text(found.serial))
    certificate = certificates.find_signing(normal, serial)
    if certificate is not None:
        return certificate
    evidence = {"issuer": issuer, "serial": str(serial)}
    turned = ",".join(reversed(normal.split(",")))
    if certificates.find_signing(turned, serial) is not None:
        detail = f"the issuer {issuer!r} is written in reverse order"
        return _refuse(detail, f"{where}/KeyInfo/X509Data/X509IssuerSerial/X509IssuerName", turned, evidence)
    detail = f"no certificate with serial {serial} of issuer {normal!r} is known"
    expected = "issuer and decimal serial of a known XML-signing certificate"
    return _refuse(detail, f"{where}/KeyInfo/X509Data/X509IssuerSerial", expected, evidence)


def _check_value(found: Match, certificate: SigningCertificate, where: str) -> Refusal | None:
    """Verify the ECDSA signature over SignedInfo."""
    value = _octets(found.value)
    where = f"{where}/SignatureValue"
    if value is None or len(value) != 64:
        der = value is not None and value[:1] == b"\x30" and len(value) > 64
        detail = "the signature value is DER" if der else "the signature value is not the base64 of 64 octets"
        evidence: dict[str, object] = {"octets": None if value is None else len(value)}
        return _refuse(detail, where, "r and s of 32 octets each, in base64", evidence)
    try:
        der_value = encode_dss_signature(int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big"))
        certificate.public_key.verify(der_value, found.signed_info, _VERIFY)
    except InvalidSignature:
        key = f"the key of {format_eui(certificate.eui)}, serial {certificate.serial}"
        evidence = {"signed_info": found.signed_info.decode(), "serial": str(certificate.serial)}
        return _refuse(f"the signature was not made with {key}", where, "ECDSA over exclusive C14N of SignedInfo", evidence)
    return None


def _compact(root: etree._Element) -> None:
    """Drop white space between elements, in place; the text of elements without children stays."""
    for node in root.iter():
        if len(node) and not (node.text or "").strip(_WHITE_SPACE):
            node.text = None
        if not (node.tail or "").strip(_WHITE_SPACE):
            node.tail = None


def _compact_text(canonical: bytes) -> bytes:
    return b"".join(canonical.replace(b"&#xD;", b"").split())


def _text(canonical: bytes) -> str:
    return _compact_text(canonical).decode("ascii")


def _octets(canonical: bytes) -> bytes | None:
    """The octets of base64 in canonical XML; None where it is not base64, or not the base64 that an encoder writes."""
    text = _compact_text(canonical)
    try:
        octets = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return octets if base64.b64encode(octets) == text else None


def _name(node: etree._Element) -> str:
    return etree.QName(node).localname


def _path(node: etree._Element) -> str:
    return "/".join([*(_name(parent) for parent in reversed(list(node.iterancestors()))), _name(node)])


def _refuse(detail: str, where: str, expected: str, evidence: Mapping[str, object] | None = None) -> Refusal:
    return Refusal("http.403", detail, where=where, expected=expected, evidence=evidence or {})
