"""The journal as people read it: entries with decoded GBCS, and transcripts of everything, one JSON object a line.

A transcript line is an entry with the XML of its request, answer or push; what belongs to one request has its RequestID.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.gbcs.explain import explain
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.pki.keystore import KeyStore
from emulator.service.persistence.contract import JournalQuery, Log

TRANSCRIPT_PAGE = 200
"""Entries read at a time."""


@dataclass(frozen=True, slots=True)
class JournalKeys:
    """Every key of a world, to check and decrypt what went through it."""

    store: KeyStore

    def private_key(self, eui: Eui64, usage: str) -> EllipticCurvePrivateKey | None:
        """The private key of a party or device, or None."""
        record = self._record(eui, usage)
        return None if record is None else record.private_key

    def public_key(self, eui: Eui64, usage: str) -> EllipticCurvePublicKey | None:
        """The key of the certificate of a party or device, or None."""
        record = self._record(eui, usage)
        return None if record is None else record.public_key

    def _record(self, eui: Eui64, usage: str) -> CertificateRecord | None:
        kind = Usage(usage)
        return self.store.live(eui, kind) or self.store.device(eui, kind)


def decoded(entry: dict[str, Any], keys: JournalKeys) -> dict[str, Any]:
    """The entry with its GBCS message taken apart under ``gbcs``; one that cannot be read says why."""
    octets = entry["data"].get("gbcs")
    if not isinstance(octets, str):
        return entry
    try:
        return {**entry, "gbcs": explain(bytes.fromhex(octets), keys)}
    except (Malformed, ValueError) as error:
        return {**entry, "gbcs": {"error": str(error)}}


async def pages(log: Log, query: JournalQuery) -> AsyncIterator[list[dict[str, Any]]]:
    """The entries that a query asks for, in portions, at most as many as it allows."""
    left = query.limit
    while left > 0:
        page = await log.journal(replace(query, limit=min(left, TRANSCRIPT_PAGE)))
        yield page
        if len(page) < min(left, TRANSCRIPT_PAGE):
            return
        left -= len(page)
        query = replace(query, after=page[-1]["number"])


async def transcript(log: Log, keys: JournalKeys, query: JournalQuery, *, decode: bool) -> AsyncIterator[bytes]:
    """Lines of a transcript, at most as many as the query allows."""
    async for page in pages(log, replace(query, bodies=True)):
        for entry in page:
            yield line(decoded(entry, keys) if decode else entry)


def line(entry: dict[str, Any]) -> bytes:
    """One line of a transcript."""
    return json.dumps(entry, separators=(",", ":"), default=str).encode() + b"\n"
