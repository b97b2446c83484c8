"""What can go wrong, in two families.

EmulatorError
    Malformed       bytes or text of a peer that cannot be read; caught at the edge of the layer that reads and turned
                    into a Refusal
    Broken          an invariant of ours does not hold: our bug, never the peer's

Refusal (not an exception)
    the ordinary outcome for input that is understood and not granted
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


class EmulatorError(Exception):
    """Base of everything this package raises on purpose."""


class Malformed(EmulatorError, ValueError):
    """Input that cannot be read.

    ``where`` names the place (an element path, an octet offset, a file and line), ``expected`` what would have been right.
    """

    def __init__(self, detail: str, *, where: str = "", expected: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.where = where
        self.expected = expected

    def __str__(self) -> str:
        text = self.detail
        if self.where:
            text = f"{self.where}: {text}"
        if self.expected:
            text = f"{text}; expected {self.expected}"
        return text


class Broken(EmulatorError):
    """An invariant of the emulator does not hold."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why input was not granted.

    ``code`` is a DUIS response code (``E19``) or, for what lies below DUIS, ``http.NNN``.
    """

    code: str
    detail: str
    where: str = ""
    expected: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)

    @property
    def http_status(self) -> int:
        """The HTTP status to answer with: functional refusals are 200 (source: wire_contract.md section 0 item 8)."""
        return int(self.code.removeprefix("http.")) if self.code.startswith("http.") else 200

    def __str__(self) -> str:
        return f"{self.code}: " + str(Malformed(self.detail, where=self.where, expected=self.expected))
