"""The states of one device's firmware job at the DSP, as data.

Rules of this file: every transition is in the table; an event that is not listed for a state changes nothing and is
reported by :func:`transition` as None. Source: reference ota/ota.md section 11.2 (design choice of the pack, names low).
"""

QUEUED = "QUEUED"
WITH_CSP = "WITH_CSP"
AT_CH = "AT_CH"
DOWNLOADED = "DOWNLOADED"
VERIFIED = "VERIFIED"
ACTIVATED = "ACTIVATED"
CONFIRMED = "CONFIRMED"
MISMATCH = "MISMATCH"
FAILED_CSP = "FAILED_CSP"
FAILED_HAN = "FAILED_HAN"
FAILED_VERIFY = "FAILED_VERIFY"
FAILED_ACTIVATE = "FAILED_ACTIVATE"
UNKNOWN = "UNKNOWN"
CANCELLED = "CANCELLED"

TRANSITIONS: dict[tuple[str, str], str] = {
    (QUEUED, "handed_over"): WITH_CSP,
    (QUEUED, "csp_failed"): FAILED_CSP,
    (WITH_CSP, "delivered"): AT_CH,
    (WITH_CSP, "csp_failed"): FAILED_CSP,
    (AT_CH, "transferred"): DOWNLOADED,
    (AT_CH, "transfer_failed"): FAILED_HAN,
    (AT_CH, "verified"): VERIFIED,
    (AT_CH, "verify_failed"): FAILED_VERIFY,
    (AT_CH, "activated"): ACTIVATED,
    (AT_CH, "activate_failed"): FAILED_ACTIVATE,
    (DOWNLOADED, "transferred"): DOWNLOADED,
    (DOWNLOADED, "verified"): VERIFIED,
    (DOWNLOADED, "verify_failed"): FAILED_VERIFY,
    (DOWNLOADED, "activated"): ACTIVATED,
    (DOWNLOADED, "activate_failed"): FAILED_ACTIVATE,
    (DOWNLOADED, "silence"): UNKNOWN,
    (AT_CH, "silence"): UNKNOWN,
    (VERIFIED, "activated"): ACTIVATED,
    (VERIFIED, "transferred"): VERIFIED,
    (UNKNOWN, "activated"): ACTIVATED,
    (UNKNOWN, "version_equal"): CONFIRMED,
    (UNKNOWN, "version_differs"): MISMATCH,
    (DOWNLOADED, "version_equal"): CONFIRMED,
    (ACTIVATED, "version_equal"): CONFIRMED,
    (ACTIVATED, "version_differs"): MISMATCH,
    (VERIFIED, "version_equal"): CONFIRMED,
    (AT_CH, "version_equal"): CONFIRMED,
} | {(state, "cancelled"): CANCELLED for state in (QUEUED, WITH_CSP, AT_CH, DOWNLOADED, VERIFIED)}

TERMINAL = frozenset(
    {VERIFIED, ACTIVATED, CONFIRMED, MISMATCH, FAILED_CSP, FAILED_HAN, FAILED_VERIFY, FAILED_ACTIVATE, UNKNOWN, CANCELLED}
)
"""States in which a job no longer blocks another firmware request for its device (ota.md 11.2)."""


def transition(state: str, event: str) -> str | None:
    """The state after the event, or None where the table has no such pair."""
    return TRANSITIONS.get((state, event))
