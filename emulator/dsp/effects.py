"""What the engine hands back to whoever drives it. Effects are made in a fixed order; their numbers are never reused."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from emulator.domain.identifiers import Eui64
from emulator.dsp.audit import Record
from emulator.duis.messages import Message, ServiceResponse


class Answer(NamedTuple):
    """The synchronous answer to a DUIS input."""

    response: ServiceResponse


@dataclass(frozen=True, slots=True)
class ControlAnswer:
    """The result of a control input, as JSON values.

    ``error`` is set when it was refused and nothing changed; the result then has its parts: ``detail``, ``where``, ``expected``.
    """

    result: dict[str, Any]
    error: str | None = None


class Delivery(NamedTuple):
    """A message to be pushed to a user's endpoint, at least once, in order per recipient and device."""

    number: int
    """1, 2, 3 … over the life of the world."""
    at_ms: int
    recipient: Eui64
    """The User ID whose endpoint it goes to."""
    device: Eui64 | None
    """Orders deliveries: those for one recipient and device never overtake one another."""
    request_id: str | None
    """The RequestID it answers, for correlation and for the floor between acknowledgement and push."""
    message: Message


class SharedData(dict[str, Any]):
    """What many entries of the journal say in the same words: nobody changes it, its JSON is made once, and kept once."""

    @cached_property
    def text(self) -> str:
        """It as JSON without spaces."""
        return json.dumps(self, separators=(",", ":"))

    @cached_property
    def number(self) -> int:
        """Names the text: 56 bits of its SHA-256."""
        return int.from_bytes(hashlib.sha256(self.text.encode()).digest()[:7], "big")


class JournalEntry(NamedTuple):
    """Something that happened inside, for the journal: a GBCS message on its way, a state change, a decision."""

    number: int
    at_ms: int
    kind: str
    """``gbcs.command``, ``gbcs.response``, ``gbcs.alert``, ``gate``, ``job``, ``inventory``, ``device`` …"""
    request_id: str | None
    device: Eui64 | None
    summary: str
    """One line for a human."""
    data: dict[str, Any]
    """JSON values; GBCS octets as hexadecimal text under ``gbcs``."""


class AuditEffect(NamedTuple):
    """A record of the audit trail. They are made in the order of the chain."""

    record: Record
    devices: tuple[str, ...] = ()
    """Where the record names a list by digest: its EUIs with hyphens, sorted, each once."""
    text: str = ""
    """The entry as it was digested: what the log keeps."""


Effect = Delivery | JournalEntry | AuditEffect
