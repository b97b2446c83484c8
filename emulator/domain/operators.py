"""The human who acts under a User ID, as the sender of a request names them. Ours, not part of DUIS: recorded, never checked."""

from emulator.domain.errors import Malformed
from emulator.domain.limits import MAX_OPERATOR_CHARACTERS

OPERATOR_HEADER = "DCC-Operator"
"""Optional header of a DUIS request, and of every control call; its value goes into the audit trail, and nowhere else."""


def check_operator(name: str) -> str:
    """Return ``name``; raise :class:`Malformed` when it cannot be sent and recorded."""
    if len(name) > MAX_OPERATOR_CHARACTERS or not all(" " <= letter <= "~" for letter in name):
        expected = f"at most {MAX_OPERATOR_CHARACTERS} printable ASCII characters"
        raise Malformed(f"{name[:80]!r} cannot name an operator", where=OPERATOR_HEADER, expected=expected)
    return name
