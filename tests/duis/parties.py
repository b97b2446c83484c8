"""Parties with keys of fixed scalars, a registry of their certificates, other signers, and two general verifiers as oracles."""

import base64
import datetime
import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree
from signxml import DigestAlgorithm, SignatureConfiguration, SignatureMethod, XMLVerifier
from signxml.exceptions import InvalidSignature as NotVerified

from emulator.domain.errors import Refusal
from emulator.domain.identifiers import Eui64
from emulator.duis.messages import Signer
from emulator.duis.parse import parse_document
from emulator.duis.signature import SignaturePolicy, SigningCertificate, sign_document, sign_tree_bytes, verify_document

SR = "http://www.dccinterface.co.uk/ServiceUserGateway"
DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
NOW_MS = 1_795_218_231_160
YEAR_MS = 365 * 86_400_000

READ_FIRMWARE = (
    f'<sr:Request xmlns:sr="{SR}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" schemaVersion="5.2"><sr:Header>'
    "<sr:RequestID>90-b3-d5-1f-30-01-00-00:00-db-12-34-56-78-90-a0:1000</sr:RequestID>"
    "<sr:CommandVariant>1</sr:CommandVariant><sr:ServiceReference>11.2</sr:ServiceReference>"
    "<sr:ServiceReferenceVariant>11.2</sr:ServiceReferenceVariant></sr:Header>"
    "<sr:Body><sr:ReadFirmwareVersion></sr:ReadFirmwareVersion></sr:Body></sr:Request>"
).encode()
"""A request as the stock client sends it, in canonical form: lower-case RequestID, unused ``xmlns:xsi`` on the root."""


@dataclass(frozen=True)
class Party:
    """One that signs."""

    eui: Eui64
    scalar: int
    serial: int
    issuer: str = "CN=Z1,OU=07"
    role: int = 135

    @cached_property
    def private_key(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(self.scalar, ec.SECP256R1())

    @property
    def certificate(self) -> SigningCertificate:
        return SigningCertificate(
            eui=self.eui,
            role=self.role,
            serial=self.serial,
            issuer=self.issuer,
            public_key=self.private_key.public_key(),
            not_before_ms=NOW_MS - YEAR_MS,
            not_after_ms=NOW_MS + YEAR_MS,
            revoked=False,
            chain_trusted=True,
        )

    def sign(self, canonical: bytes) -> bytes:
        return sign_document(canonical, issuer=self.issuer, serial=self.serial, private_key=self.private_key)

    def sign_any(self, xml: bytes) -> bytes:
        return sign_tree_bytes(xml, issuer=self.issuer, serial=self.serial, private_key=self.private_key)

    @cached_property
    def pem(self) -> bytes:
        """A certificate for the oracles, which ask for X.509."""
        name = x509.Name.from_rfc4514_string(self.issuer)
        start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(self.serial)
        builder = builder.public_key(self.private_key.public_key())
        builder = builder.not_valid_before(start).not_valid_after(start.replace(year=2120))
        certificate = builder.sign(self.private_key, hashes.SHA256(), ecdsa_deterministic=True)
        return certificate.public_bytes(serialization.Encoding.PEM)


SUPPLIER = Party(Eui64(0x90B3D51F30010000), 0x1234567890ABCDEF, 27572613927499351639968579586655397031)
OTHER_SUPPLIER = Party(Eui64(0x90B3D51F30030000), 0xFEDCBA9876543210, 77002113)
STRANGER = Party(Eui64(0x90B3D51F30010000), 0x5555, 4711)
"""Same EUI as the supplier, but nobody knows the certificate."""


class Registry:
    """A certificate lookup that remembers what it was asked."""

    def __init__(self, *certificates: SigningCertificate) -> None:
        self._known = {(certificate.issuer, certificate.serial): certificate for certificate in certificates}
        self.asked: list[tuple[str, int]] = []

    def find_signing(self, issuer: str, serial: int) -> SigningCertificate | None:
        self.asked.append((issuer, serial))
        return self._known.get((issuer, serial))


def registry() -> Registry:
    return Registry(SUPPLIER.certificate, OTHER_SUPPLIER.certificate)


def verify(document: bytes, policy: SignaturePolicy | None = None, now_ms: int = NOW_MS, **changed: object) -> Signer | Refusal:
    """Parse and verify; ``changed`` are fields in which the supplier's certificate differs."""
    known = Registry(replace(SUPPLIER.certificate, **changed), OTHER_SUPPLIER.certificate)  # type: ignore[arg-type]
    return verify_document(parse_document(document), known, policy or SignaturePolicy(), now_ms)


def refused(document: bytes, policy: SignaturePolicy | None = None, now_ms: int = NOW_MS, **changed: object) -> Refusal:
    """The refusal of a document that must not verify."""
    outcome = verify(document, policy, now_ms, **changed)
    assert isinstance(outcome, Refusal), f"verified: {outcome}"
    assert outcome.code == "http.403"
    assert outcome.where
    assert outcome.expected
    return outcome


SIGNED_INFO = (
    '<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>'
    '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"/><ds:Reference URI="">'
    '<ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/></ds:Transforms>'
    '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>DIGEST</ds:DigestValue>'
    "</ds:Reference></ds:SignedInfo>"
)
SIGNATURE = (
    f'<ds:Signature xmlns:ds="{DS}">{SIGNED_INFO}<ds:SignatureValue>VALUE</ds:SignatureValue><ds:KeyInfo><ds:X509Data>'
    "<ds:X509IssuerSerial><ds:X509IssuerName>ISSUER</ds:X509IssuerName><ds:X509SerialNumber>SERIAL</ds:X509SerialNumber>"
    "</ds:X509IssuerSerial></ds:X509Data></ds:KeyInfo></ds:Signature>"
)


def raw_ecdsa(data: bytes, party: Party = SUPPLIER) -> bytes:
    r, s = decode_dss_signature(party.private_key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sign_otherwise(
    document: bytes,
    *,
    change: tuple[str, str] = ("", ""),
    digest: bytes | None = None,
    exclusive: bool = True,
    prefix: str = "ds",
    make_value: object = raw_ecdsa,
    party: Party = SUPPLIER,
) -> bytes:
    """A signer of the tests' own, by way of trees: the usual signature with one ``change``, and consistent all the same.

    So what is refused is refused for the change, not for broken cryptography.
    """
    if digest is None:
        digest = hashlib.sha256(etree.tostring(etree.fromstring(document), method="c14n", with_comments=False)).digest()
    signature = SIGNATURE.replace(*change, 1) if change[0] else SIGNATURE
    colon = f"{prefix}:" if prefix else ""
    signature = signature.replace("<ds:", f"<{colon}").replace("</ds:", f"</{colon}")
    signature = signature.replace("xmlns:ds=", f"xmlns:{prefix}=" if prefix else "xmlns=")
    signature = signature.replace("DIGEST", base64.b64encode(digest).decode())
    signature = signature.replace("ISSUER", party.issuer).replace("SERIAL", str(party.serial))
    end = document.rindex(b"</")
    unfinished = document[:end] + signature.encode() + document[end:]
    info = etree.fromstring(unfinished).findall(f".//{{{DS}}}SignedInfo")[-1]
    signed = etree.tostring(info, method="c14n", exclusive=exclusive, with_comments=False)
    value = make_value(signed)  # type: ignore[operator]
    return unfinished.replace(b"VALUE", base64.b64encode(value))


def xmlsec_accepts(document: bytes, party: Party = SUPPLIER) -> bool:
    """What libxmlsec thinks of it."""
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(party.pem, xmlsec.constants.KeyDataFormatCertPem)
    node = etree.fromstring(document)[-1]
    try:
        context.verify(node)
    except xmlsec.Error:
        return False
    return True


def signxml_accepts(document: bytes, party: Party = SUPPLIER) -> bool:
    """What signxml thinks of it."""
    expected = SignatureConfiguration(
        signature_methods=frozenset({SignatureMethod.ECDSA_SHA256}), digest_algorithms=frozenset({DigestAlgorithm.SHA256})
    )
    try:
        XMLVerifier().verify(document, x509_cert=party.pem.decode(), expect_config=expected)
    except (NotVerified, etree.LxmlError):
        return False
    return True
