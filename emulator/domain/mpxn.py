"""MPxNs: the numbers by which registration data names a supply.

An MPAN (electricity) has 13 digits, an MPRN (gas) up to 10 (source: MPAN fields of the DUIS schema V5.4, certain; MPRN length
medium). No source that we have gives a check digit, so none is checked. Leading zeros count: ``0123`` is not ``123``.
"""

from emulator.domain.errors import Malformed

MPAN_DIGITS = 13
"""Digits of an MPAN (source: DUIS schema V5.4, certain)."""

MAX_MPRN_DIGITS = 10
"""Most digits of an MPRN (source: industry practice; the schema's MPxN fields have 1 to 13 characters; medium)."""


def mpxn_key(text: str) -> int:
    """The MPxN as a number below 2**63 that keeps its leading zeros, or -1 for what is not an MPxN.

    The number is the digits with a 1 before them, so that columns of numbers can be searched for it.
    """
    size = len(text)
    if (size == MPAN_DIGITS or 0 < size <= MAX_MPRN_DIGITS) and text.isascii() and text.isdigit():
        return int("1" + text)
    return -1


DUMMY_PREFIX = "99999"
"""Beginning of the dummy MPxNs: 13 digits for electricity, 10 for gas, kept for devices on test hubs (source: ours; that there
are such numbers is T-08, high)."""


def is_dummy(text: str) -> bool:
    """Whether this is a dummy MPxN, for which nobody is ever registered."""
    return text.startswith(DUMMY_PREFIX) and len(text) in (MPAN_DIGITS, MAX_MPRN_DIGITS) and mpxn_key(text) >= 0


def mpxn_of_key(key: int) -> str:
    """The MPxN of a :func:`mpxn_key`."""
    return str(key)[1:]


def is_mpan(mpxn: str) -> bool:
    """Whether this MPxN is an MPAN; the others are MPRNs."""
    return len(mpxn) == MPAN_DIGITS


def check_mpxn(text: str, *, where: str = "mpxn") -> str:
    """Return the MPxN; raise :class:`Malformed` with ``where`` when it is none."""
    if mpxn_key(text) < 0:
        expected = f"an MPAN of {MPAN_DIGITS} digits or an MPRN of 1 to {MAX_MPRN_DIGITS}"
        raise Malformed(f"{text[:40]!r} is not an MPxN", where=where, expected=expected)
    return text
