"""Signing requests: typed ones and a user's own XML.

The counter of a RequestID is stamped with the clock in milliseconds when it is 0, as the stock client does it, but never goes
back or repeats (source: wire_contract.md section 1, measured).
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lxml import etree

from emulator.client.errors import KeyMissing
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, RequestId, format_eui
from emulator.duis.encode import encode_request
from emulator.duis.messages import Request
from emulator.duis.namespaces import DS, DUIS
from emulator.duis.parse import parse_document
from emulator.duis.signature import sign_document
from emulator.pki.keystore import KeyStore

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def wall_clock_ms() -> int:
    """Milliseconds of UTC now."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class CounterSource:
    """Originator counters: the clock in milliseconds, but always more than the last."""

    clock: Callable[[], int] = wall_clock_ms
    last: int = field(default=0, init=False)

    def take(self) -> int:
        """The next counter."""
        self.last = max(self.last + 1, self.clock())
        return self.last


def stamp(request: Request, counters: CounterSource) -> Request:
    """The request with a counter; one that is not 0 is kept."""
    if request.request_id.counter:
        return request
    return replace(request, request_id=replace(request.request_id, counter=counters.take(), text=""))


def sign_request(request: Request, keys: KeyStore) -> bytes:
    """The request as signed XML, ready to be posted; raises :class:`KeyMissing`."""
    return sign_xml(encode_request(request), request.request_id.originator, keys)


def sign_template(
    document: bytes, counters: CounterSource, keys: KeyStore, *, preserve_counter: bool = False
) -> tuple[RequestId, int, bytes]:
    """Sign a user's own request XML: its RequestID, its Command Variant and the document to post.

    The counter is stamped unless it is to be preserved, as the DCC's signing tool does it. White space between elements,
    comments and a signature that is already there are dropped; what the document says beside that stays, whether or not it is
    valid, so that refusals can be tried. Raises :class:`Malformed` when there is no RequestID or Command Variant to be read,
    :class:`KeyMissing` when the originator has no key.
    """
    root = parse_document(document)
    for signature in root.findall(f"{DS}Signature"):
        root.remove(signature)
    for node in root.iter():
        _compact(node)
    identity = root.find(f"{DUIS}Header/{DUIS}RequestID")
    variant = root.findtext(f"{DUIS}Header/{DUIS}CommandVariant") or ""
    if identity is None or not variant.isdecimal():
        raise Malformed("the document has no RequestID or no CommandVariant", expected="an sr:Request with its header")
    text = (identity.text or "").strip()
    request_id = RequestId.parse(text)
    if not preserve_counter:
        text = f"{text.rpartition(':')[0]}:{counters.take()}"
        request_id = RequestId.parse(text)
    identity.text = text
    try:
        canonical = bytes(etree.tostring(root, method="c14n"))
    except etree.C14NError as error:
        raise Malformed(f"the document has no canonical form: {error}", expected="absolute namespace names") from None
    return request_id, int(variant), sign_xml(canonical, request_id.originator, keys)


def sign_xml(document: bytes, signer: Eui64, keys: KeyStore) -> bytes:
    """Sign canonical XML with the XML-signing key of a party."""
    record = keys.xml_signing(signer)
    if record is None or record.private_key is None:
        raise KeyMissing(f"the key store has no XML-signing key for {format_eui(signer)}")
    return sign_document(document, issuer=record.issuer, serial=record.serial, private_key=record.private_key)


def _compact(node: etree._Element) -> None:
    """Take out white space that a validating parser would drop before it computes the digest."""
    if len(node) and not (node.text or "").strip():
        node.text = None
    elif node.text and "\n" in node.text:
        joined = "".join(node.text.split())
        node.text = joined if _BASE64.fullmatch(joined) else " ".join(node.text.split())
    if not (node.tail or "").strip():
        node.tail = None
