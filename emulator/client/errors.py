"""What can go wrong on the user's side.

ClientError
    Unreachable     nobody answered: connection refused, no such host, time-out
    Rejected        the server answered with an HTTP error, i.e. below DUIS
    BadAnswer       the answer is not what the interface promises: media type, XML, schema, signature, correlation
    KeyMissing      the key store lacks a key that is needed
    Unexpected      an answer or message is in order but not the one that was asked for
    NothingCame     a message that was waited for did not come
"""

from emulator.domain.errors import EmulatorError


class ClientError(EmulatorError):
    """Base of what a client raises."""


class Unreachable(ClientError):
    """Nobody answered."""


class Rejected(ClientError):
    """The server answered with an HTTP error; functional refusals are not errors but responses."""

    def __init__(self, status: int, explanation: str) -> None:
        super().__init__(f"HTTP {status}: {explanation}")
        self.status = status
        self.explanation = explanation


class BadAnswer(ClientError):
    """The answer is not what the interface promises."""


class KeyMissing(ClientError):
    """The key store lacks a key."""


class Unexpected(ClientError):
    """A Pre-Command or message is not what was asked for."""


class NothingCame(ClientError):
    """The message that was waited for did not come in time."""
