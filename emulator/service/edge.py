"""Bytes ⇄ messages for one world: everything between a body on the wire and a typed, trusted request, and back.

No state and no I/O: reading the same body against the same certificates gives the same verdict, in any thread.
"""

import hashlib
import itertools
from dataclasses import dataclass
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from lxml import etree

from emulator.domain.errors import Broken, Malformed, Refusal
from emulator.domain.identifiers import format_eui
from emulator.duis.decode import decode_request
from emulator.duis.encode import encode_message
from emulator.duis.messages import Message, Request, ServiceResponse, Signer
from emulator.duis.parse import parse_document
from emulator.duis.schema import SchemaSet
from emulator.duis.signature import (
    CertificateLookup,
    SignaturePolicy,
    complete_signature,
    name_signer,
    named_signer,
    sign_document,
    verify_document,
)
from emulator.pki.certificates import CertificateRecord
from emulator.pki.keystore import KeyStore
from emulator.service.together import Together

_LIVES = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Reading:
    """A request that passed the edge."""

    request: Request
    signer: Signer
    keys_number: int
    """The content of the certificate registry that this was decided by; a verdict by an older one is worth nothing."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A message as it goes out, or an answer whose signature is yet to be completed."""

    xml: bytes
    digest: bytes
    """SHA-256 of the message before it was signed: equal messages have equal digests, whoever signs."""
    key: EllipticCurvePrivateKey | None = None
    """With which ``xml`` is to be completed before it goes out; None where it needs no more."""

    def complete(self) -> bytes:
        """As it goes out."""
        return self.xml if self.key is None else complete_signature(self.xml, self.key)


def fault_digest(fault: str) -> bytes:
    """What stands for an answer or message where an error of ours, named by its type, came between."""
    return hashlib.sha256(f"fault {fault}".encode()).digest()


@dataclass(slots=True)
class Draft:
    """A body on its way through the stages of reading: :func:`parse`, :func:`validate`, :func:`verify` and :func:`decode`.

    Nothing is done any more for one that has been refused.
    """

    body: bytes
    certificates: CertificateLookup | None
    """None where none are known: then no more can be said than whether the document is valid."""
    policy: SignaturePolicy
    now_ms: int
    """Simulated time, against which dates of certificates are held."""
    root: etree._Element | None = None
    valid: bool = False
    signer: Signer | None = None
    request: Request | None = None
    """There at the end, unless it is refused."""
    refusal: Refusal | None = None


def parse(draft: Draft) -> None:
    """Octets to a tree."""
    try:
        draft.root = parse_document(draft.body)
    except Malformed as error:
        draft.refusal = Refusal("http.400", error.detail, where=error.where, expected=error.expected)


def validate(draft: Draft, schemas: SchemaSet) -> None:
    """Hold the tree against the schemas; no certificate has a say in that."""
    if draft.root is not None:
        draft.refusal = schemas.validate(draft.root)
        draft.valid = draft.refusal is None


def verify(draft: Draft) -> None:
    """Find who signed the document."""
    if draft.valid and draft.root is not None and draft.certificates is not None:
        found = verify_document(draft.root, draft.certificates, draft.policy, draft.now_ms)
        if isinstance(found, Refusal):
            draft.refusal = found
        else:
            draft.signer = found


def decode(draft: Draft) -> None:
    """Take the request out of the tree; it has to be its signer's own."""
    signer = draft.signer
    if draft.root is None or signer is None:
        return
    try:
        request = decode_request(draft.root)
    except Malformed as error:
        draft.refusal = Refusal("http.400", error.detail, where=error.where, expected=error.expected)
        return
    if signer.eui == request.request_id.originator:
        draft.request = request
        return
    draft.refusal = Refusal(
        "http.403",
        f"the request was signed by {format_eui(signer.eui)} in the name of {format_eui(request.request_id.originator)}",
        where="RequestID",
        expected=f"the certificate of {format_eui(request.request_id.originator)}",
    )


class Edge:
    """Reads requests and writes messages with the certificates of one world."""

    def __init__(
        self, keys: KeyStore, schemas: SchemaSet, policy: SignaturePolicy, *, unsigned_acknowledgements: bool = False
    ) -> None:
        self.policy = policy
        self._life = next(_LIVES)
        self._keys = keys
        self._unsigned_acknowledgements = unsigned_acknowledgements
        self._signing: tuple[int, CertificateRecord] | None = None
        self._stages = parse, partial(validate, schemas=schemas), verify, decode
        self._together = Together(*self._stages)

    @property
    def edition(self) -> int:
        """Of the certificate registry: a number that no other content of it has had, in this world or another of the process."""
        return self._life << 32 | self._keys.number

    def read(self, body: bytes, now_ms: int) -> Reading | Refusal:
        """Parse, validate, verify and decode a request; what is wrong with it comes back as a refusal with an HTTP status.

        ``now_ms`` is simulated time, against which dates of certificates are held.
        """
        number = self._keys.number
        draft = Draft(body, self._keys, self.policy, now_ms)
        for stage in self._stages:
            stage(draft)
        return _reading(draft, number)

    async def read_together(self, body: bytes, now_ms: int) -> Reading | Refusal:
        """:meth:`read`, stage by stage for all requests that came at the same time."""
        number = self._keys.number
        draft = Draft(body, self._keys, self.policy, now_ms)
        await self._together(draft)
        return _reading(draft, number)

    def read_again(self, body: bytes) -> Request:
        """Decode a logged request, whose verdict is logged beside it; raise :class:`Malformed` for what is not one."""
        return decode_request(parse_document(body))

    def write(self, message: Message) -> Writing:
        """A signed message."""
        xml = encode_message(message)
        digest = hashlib.sha256(xml).digest()
        certificate = self._certificate()
        assert certificate.private_key is not None
        signed = sign_document(xml, issuer=certificate.issuer, serial=certificate.serial, private_key=certificate.private_key)
        return Writing(signed, digest)

    def write_answer(self, response: ServiceResponse) -> Writing:
        """A synchronous answer, to be signed by whoever sends it: save for refusals where the server is set to imitate DCC Boxed.

        So it is logged. The key and the name of the signer give the signature again, to the octet, whenever it is wanted.
        """
        xml = encode_message(response)
        digest = hashlib.sha256(xml).digest()
        if self._unsigned_acknowledgements and response.code.startswith("E"):
            return Writing(xml, digest)
        certificate = self._certificate()
        return Writing(name_signer(xml, issuer=certificate.issuer, serial=certificate.serial), digest, certificate.private_key)

    def completed(self, answer: bytes) -> bytes:
        """An answer as it went out, from what :meth:`write_answer` made of it at any time in the world's life."""
        named = named_signer(answer)
        found = None if named is None else self._keys.private_key(*named)
        return answer if found is None else complete_signature(answer, found)

    def digest(self, message: Message) -> bytes:
        """The digest that :meth:`write` gives, without signing, or the fault that it ends with."""
        try:
            return hashlib.sha256(encode_message(message)).digest()
        except Exception as error:
            return fault_digest(type(error).__name__)

    def _certificate(self) -> CertificateRecord:
        if self._signing is None or self._signing[0] != self._keys.number:
            found = self._keys.dsp_signing()
            if found is None or found.private_key is None:
                raise Broken("the DSP has no key to sign with")
            self._signing = (self._keys.number, found)
        return self._signing[1]


def _reading(draft: Draft, keys_number: int) -> Reading | Refusal:
    if draft.refusal is not None:
        return draft.refusal
    assert draft.request is not None
    assert draft.signer is not None
    return Reading(draft.request, draft.signer, keys_number)
