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
ORPHANED = "ORPHANED"
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
    # The hub left service with the image (F44).
    (AT_CH, "hub_gone"): FAILED_HAN,
    (AT_CH, "verified"): VERIFIED,
    (AT_CH, "verify_failed"): FAILED_VERIFY,
    (AT_CH, "activated"): ACTIVATED,
    (AT_CH, "activate_failed"): FAILED_ACTIVATE,
    (AT_CH, "silence"): UNKNOWN,
    (DOWNLOADED, "transferred"): DOWNLOADED,
    (DOWNLOADED, "verified"): VERIFIED,
    (DOWNLOADED, "verify_failed"): FAILED_VERIFY,
    (DOWNLOADED, "activated"): ACTIVATED,
    (DOWNLOADED, "activate_failed"): FAILED_ACTIVATE,
    (DOWNLOADED, "silence"): UNKNOWN,
    (VERIFIED, "activated"): ACTIVATED,
    (VERIFIED, "transferred"): VERIFIED,
    (VERIFIED, "change_of_supplier"): ORPHANED,
    (ORPHANED, "activated"): ACTIVATED,
    # What was lost or late on the WAN and arrives after all.
    (UNKNOWN, "transfer_failed"): FAILED_HAN,
    (UNKNOWN, "verified"): VERIFIED,
    (UNKNOWN, "verify_failed"): FAILED_VERIFY,
    (UNKNOWN, "activated"): ACTIVATED,
    (UNKNOWN, "activate_failed"): FAILED_ACTIVATE,
    (UNKNOWN, "version_differs"): MISMATCH,
    (ACTIVATED, "version_equal"): CONFIRMED,
    (ACTIVATED, "version_differs"): MISMATCH,
    (MISMATCH, "activated"): ACTIVATED,
    # The inventory had another version until this read: the activation happened and its report was lost (F35).
    **{(state, "version_new"): CONFIRMED for state in (AT_CH, DOWNLOADED, VERIFIED, ORPHANED, UNKNOWN, MISMATCH)},
    **{(state, "cancelled"): CANCELLED for state in (QUEUED, WITH_CSP, AT_CH, DOWNLOADED)},
}

TERMINAL = frozenset(
    {
        VERIFIED, ACTIVATED, CONFIRMED, MISMATCH, ORPHANED,
        FAILED_CSP, FAILED_HAN, FAILED_VERIFY, FAILED_ACTIVATE, UNKNOWN, CANCELLED,
    }
)  # fmt: skip
"""States in which nothing more is awaited for a job (ota.md 11.2); a user's 11.3 and reads may still move it."""

TROUBLED = frozenset({FAILED_CSP, FAILED_HAN, FAILED_VERIFY, FAILED_ACTIVATE, UNKNOWN, MISMATCH, ORPHANED})
"""Something is not as its sender wanted, and nothing goes on by itself."""

EVERY = frozenset(state for (before, _), after in TRANSITIONS.items() for state in (before, after))
"""All states that a job can be in."""

BEFORE_HUB = frozenset({QUEUED, WITH_CSP})
"""States in which the image is not yet at its hub."""

STAGES = (QUEUED, WITH_CSP, AT_CH, DOWNLOADED, VERIFIED, ACTIVATED, CONFIRMED)
"""States of a job that goes well, in order: who came to one came to all before it, whether or not that was reported."""

_PASSED: dict[str, str] = {
    ORPHANED: VERIFIED,
    FAILED_VERIFY: DOWNLOADED,
    FAILED_ACTIVATE: DOWNLOADED,
    **dict.fromkeys((FAILED_HAN, UNKNOWN, MISMATCH), AT_CH),
}
"""The stage that a job in another state has come to at least."""

IN_PROGRESS: dict[str, frozenset[str]] = {
    "csp": frozenset({QUEUED, WITH_CSP}),
    "ch": frozenset({QUEUED, WITH_CSP, AT_CH}),
    "device": frozenset({QUEUED, WITH_CSP, AT_CH, DOWNLOADED}),
}
"""States in which a job blocks another firmware request for its device, by the setting ``in_progress_until``."""


def furthest(before: str, state: str) -> str:
    """The furthest of :data:`STAGES` of a job that had come to ``before`` (empty: nowhere) and is in ``state`` now."""
    stages = (before or QUEUED, state if state in STAGES else _PASSED.get(state, QUEUED))
    return max(stages, key=STAGES.index)


def transition(state: str, event: str) -> str | None:
    """The state after the event, or None where the table has no such pair."""
    return TRANSITIONS.get((state, event))
