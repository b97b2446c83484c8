"""The vocabulary of the fan-out core: every state, transition, outcome and reason, as numbers with names.

Rules of this file: kernels know only the numbers; everybody else uses the names. A phase changes by the pairs of
:data:`TRANSITIONS` alone (a test records every change that is executed). Sources: reference ota/ota.md sections 11.2 to 11.6
and 12; the model is the emulator's own, its confidence is low where that file says so.
"""

NONE = -1
"""No row, no node, no order, not on the agenda."""

# What a device's image is doing, or what the device's own agenda waits for.
IDLE = 0
QUEUED = 1
SENDING = 2
BACKOFF = 3
CASTING = 4
REPAIR = 5
DEFERRED = 6
READY = 7
SERVING = 8
VERIFYING = 9
COMMANDED = 10
ACTIVATING = 11
WATCHED = 12
READING = 13
REPAIRING = 14

PHASES: dict[int, str] = {
    IDLE: "IDLE",
    QUEUED: "QUEUED",
    SENDING: "SENDING",
    BACKOFF: "BACKOFF",
    CASTING: "CASTING",
    REPAIR: "REPAIR",
    DEFERRED: "DEFERRED",
    READY: "READY",
    SERVING: "SERVING",
    VERIFYING: "VERIFYING",
    COMMANDED: "COMMANDED",
    ACTIVATING: "ACTIVATING",
    WATCHED: "WATCHED",
    READING: "READING",
    REPAIRING: "REPAIRING",
}
"""IDLE: nothing. QUEUED: waits for a session. SENDING: holds one. BACKOFF: waits to be tried again. CASTING: member of a
broadcast. REPAIR: waits for a channel for what the broadcast left out. REPAIRING: gets it. DEFERRED: waits for room at the hub.
READY: at the hub. SERVING: on its way over the HAN. VERIFYING: being checked by the device. COMMANDED: an 11.3 is on its way.
ACTIVATING: the device restarts. WATCHED: the DSP hears nothing and counts. READING: an 11.2 is on its way."""

AGENDA_ONLY = frozenset({COMMANDED, ACTIVATING, WATCHED, READING})
"""Phases in which no image moves: a new one may be sent, and what was awaited goes on beside it."""

ON_WAN = frozenset({QUEUED, SENDING, BACKOFF, CASTING, REPAIR, REPAIRING, DEFERRED})
"""Phases before the image is at its hub."""

TRANSITIONS: frozenset[tuple[int, int]] = frozenset(
    {
        (IDLE, QUEUED),
        (IDLE, CASTING),
        *((before, IDLE) for before in PHASES if before != IDLE),
        *((IDLE, phase) for phase in AGENDA_ONLY),
        (QUEUED, SENDING),
        (QUEUED, BACKOFF),
        (QUEUED, DEFERRED),
        (SENDING, BACKOFF),
        (SENDING, READY),
        (BACKOFF, QUEUED),
        (BACKOFF, CASTING),
        (BACKOFF, REPAIR),
        (DEFERRED, QUEUED),
        (DEFERRED, CASTING),
        (CASTING, BACKOFF),
        (CASTING, DEFERRED),
        (CASTING, REPAIR),
        (CASTING, READY),
        (REPAIR, REPAIRING),
        (REPAIR, BACKOFF),
        (REPAIRING, BACKOFF),
        (REPAIRING, READY),
        (READY, SERVING),
        (SERVING, READY),
        (SERVING, VERIFYING),
        # The next part of an image that is sent in parts (ota.md 16, REQUIRE_MORE).
        (SERVING, QUEUED),
        (SERVING, CASTING),
        # The image that waited in the place beside takes the place of the one that came to its end.
        (IDLE, READY),
    }
)
"""Every change of phase that can happen."""

RUNNING, HELD, IN_ACTIVATION, DEAD = 0, 1, 2, 3
FIRMWARE: dict[int, str] = {RUNNING: "RUNNING", HELD: "HELD", IN_ACTIVATION: "ACTIVATING", DEAD: "DEAD"}
"""What a device holds and runs (ota.md 11.6)."""

FIRMWARE_TRANSITIONS: frozenset[tuple[int, int]] = frozenset(
    {
        (RUNNING, HELD),
        (HELD, RUNNING),
        (HELD, IN_ACTIVATION),
        (IN_ACTIVATION, RUNNING),
        (IN_ACTIVATION, HELD),
        (IN_ACTIVATION, DEAD),
        # The device is taken away and its place free for another.
        (DEAD, RUNNING),
    }
)
"""Every change of :data:`FIRMWARE` that can happen."""

# The device's job as the DSP sees it: the names of emulator/dsp/job_states.py, which lies above this layer.
(
    NO_JOB, JOB_QUEUED, WITH_CSP, AT_CH, DOWNLOADED, JOB_VERIFIED, JOB_ACTIVATED, CONFIRMED, MISMATCH, ORPHANED,
    FAILED_CSP, FAILED_HAN, FAILED_VERIFY, FAILED_ACTIVATE, UNKNOWN, JOB_CANCELLED,
) = range(16)  # fmt: skip
JOBS = (
    "", "QUEUED", "WITH_CSP", "AT_CH", "DOWNLOADED", "VERIFIED", "ACTIVATED", "CONFIRMED", "MISMATCH", "ORPHANED",
    "FAILED_CSP", "FAILED_HAN", "FAILED_VERIFY", "FAILED_ACTIVATE", "UNKNOWN", "CANCELLED",
)  # fmt: skip
"""Names by number; 0 is a device without a job."""

(
    SAW_DELIVERED, SAW_CSP_FAILED, SAW_TRANSFERRED, SAW_TRANSFER_FAILED, SAW_VERIFIED, SAW_VERIFY_FAILED,
    SAW_ACTIVATED, SAW_ACTIVATE_FAILED, SAW_SILENCE, SAW_VERSION_EQUAL, SAW_VERSION_DIFFERS, SAW_VERSION_NEW,
    SAW_CANCELLED, SAW_CHANGE_OF_SUPPLIER, SAW_HUB_GONE,
) = range(15)  # fmt: skip
SIGHTS = (
    "delivered", "csp_failed", "transferred", "transfer_failed", "verified", "verify_failed",
    "activated", "activate_failed", "silence", "version_equal", "version_differs", "version_new",
    "cancelled", "change_of_supplier", "hub_gone",
)  # fmt: skip
"""What the DSP can come to see of a device's job."""

JOB_TRANSITIONS: dict[tuple[int, int], int] = {
    (JOB_QUEUED, SAW_CSP_FAILED): FAILED_CSP,
    (WITH_CSP, SAW_DELIVERED): AT_CH,
    (WITH_CSP, SAW_CSP_FAILED): FAILED_CSP,
    (AT_CH, SAW_TRANSFERRED): DOWNLOADED,
    (AT_CH, SAW_TRANSFER_FAILED): FAILED_HAN,
    (AT_CH, SAW_HUB_GONE): FAILED_HAN,
    (AT_CH, SAW_VERIFIED): JOB_VERIFIED,
    (AT_CH, SAW_VERIFY_FAILED): FAILED_VERIFY,
    (AT_CH, SAW_ACTIVATED): JOB_ACTIVATED,
    (AT_CH, SAW_ACTIVATE_FAILED): FAILED_ACTIVATE,
    (AT_CH, SAW_SILENCE): UNKNOWN,
    (DOWNLOADED, SAW_TRANSFERRED): DOWNLOADED,
    (DOWNLOADED, SAW_VERIFIED): JOB_VERIFIED,
    (DOWNLOADED, SAW_VERIFY_FAILED): FAILED_VERIFY,
    (DOWNLOADED, SAW_ACTIVATED): JOB_ACTIVATED,
    (DOWNLOADED, SAW_ACTIVATE_FAILED): FAILED_ACTIVATE,
    (DOWNLOADED, SAW_SILENCE): UNKNOWN,
    (JOB_VERIFIED, SAW_ACTIVATED): JOB_ACTIVATED,
    (JOB_VERIFIED, SAW_TRANSFERRED): JOB_VERIFIED,
    (JOB_VERIFIED, SAW_CHANGE_OF_SUPPLIER): ORPHANED,
    (ORPHANED, SAW_ACTIVATED): JOB_ACTIVATED,
    (UNKNOWN, SAW_TRANSFER_FAILED): FAILED_HAN,
    (UNKNOWN, SAW_VERIFIED): JOB_VERIFIED,
    (UNKNOWN, SAW_VERIFY_FAILED): FAILED_VERIFY,
    (UNKNOWN, SAW_ACTIVATED): JOB_ACTIVATED,
    (UNKNOWN, SAW_ACTIVATE_FAILED): FAILED_ACTIVATE,
    (UNKNOWN, SAW_VERSION_DIFFERS): MISMATCH,
    (JOB_ACTIVATED, SAW_VERSION_EQUAL): CONFIRMED,
    (JOB_ACTIVATED, SAW_VERSION_DIFFERS): MISMATCH,
    (MISMATCH, SAW_ACTIVATED): JOB_ACTIVATED,
    **{(job, SAW_VERSION_NEW): CONFIRMED for job in (AT_CH, DOWNLOADED, JOB_VERIFIED, ORPHANED, UNKNOWN, MISMATCH)},
    **{(job, SAW_CANCELLED): JOB_CANCELLED for job in (JOB_QUEUED, WITH_CSP, AT_CH, DOWNLOADED)},
}
"""What the DSP's view becomes; other pairs change nothing. A test compares it with ``emulator.dsp.job_states``."""

# What happened: counted for everybody, told for those somebody listens to.
(
    SUBMITTED, NOT_TAKEN, DELIVERED, NOT_DELIVERED, QUERIED, IGNORED, TRANSFERRED, TRANSFER_FAILED, PART_TRANSFERRED,
    VERIFIED, VERIFY_FAILED, COMMAND_SENT, UNANSWERED, ACTIVATED, ACTIVATION_FAILED, DIED, CS09_OK, CS09_FAILED,
    FELL_OFF, SUPPLY_OFF, STOPPED_REPORTING, ROLLED_BACK, SELF_CHECK_FAILED, DUTY_LIMITED, CANCELLED, IMAGE_LOST,
    HELD_LOST, INTERRUPTED, SESSION_BROKEN, SESSION_STARTED, BACKED_OFF, PUT_OFF, EVICTED, REPLACED, EXPIRED,
    HUB_REBOOTED, HUB_RUNNING_NEW, HUB_ROLLED_BACK, HUB_BRICKED, CAST_STARTED, ROUND_ENDED, READ_BACK, UNREPORTED,
    SILENCE, RESPONSE_LOST, POWER_LOST, POWER_BACK,
) = range(47)  # fmt: skip
OUTCOMES = (
    "SUBMITTED", "NOT_TAKEN", "DELIVERED", "NOT_DELIVERED", "QUERIED", "IGNORED", "TRANSFERRED", "TRANSFER_FAILED",
    "PART_TRANSFERRED", "VERIFIED", "VERIFY_FAILED", "COMMAND_SENT", "UNANSWERED", "ACTIVATED", "ACTIVATION_FAILED", "DIED",
    "CS09_OK", "CS09_FAILED", "FELL_OFF", "SUPPLY_OFF", "STOPPED_REPORTING", "ROLLED_BACK", "SELF_CHECK_FAILED",
    "DUTY_LIMITED", "CANCELLED", "IMAGE_LOST", "HELD_LOST", "INTERRUPTED", "SESSION_BROKEN", "SESSION_STARTED",
    "BACKED_OFF", "PUT_OFF", "EVICTED", "REPLACED", "EXPIRED", "HUB_REBOOTED", "HUB_RUNNING_NEW", "HUB_ROLLED_BACK",
    "HUB_BRICKED", "CAST_STARTED", "ROUND_ENDED", "READ_BACK", "UNREPORTED", "SILENCE", "RESPONSE_LOST",
    "POWER_LOST", "POWER_BACK",
)  # fmt: skip
"""Names by number. TRANSFER_FAILED carries the code of CCS08 (1 discarded, 2 hardware version, 3 failure), NOT_DELIVERED and
NOT_TAKEN one of :data:`REASONS`, ACTIVATION_FAILED the code of CS06 (1 no image, 2 hash, 3 failure), READ_BACK 0 for the
version sent and 1 for another, IGNORED one of :data:`IGNORANCE`. UNREPORTED and RESPONSE_LOST count what the DSP did not get
to see: their code is the outcome."""

LOST = 256
"""Added to the code of an outcome whose report does not reach the DSP."""

# Why an image was not taken or did not come to its hub.
(
    NO_REASON, NO_CHANNEL, UNREACHABLE, SESSIONS_BROKEN, STORE_FULL, TOO_LARGE, NEWER_HELD, FILE_DAMAGED, HUB_OFF,
    SEGMENTS_LOST, HUB_UNSUITED, BUSY, NOT_SUITABLE, NO_DEVICE, ALREADY_THERE,
) = range(15)  # fmt: skip
REASONS = (
    "", "no channel in time", "hub unreachable", "transfer failed", "store full", "image too large", "newer image held",
    "image rejected", "hub off", "segments lost", "hub does not distribute to such a device", "another image is under way",
    "no image for such a device", "unknown device", "the same image is there",
)  # fmt: skip
"""In words; the order is that of the numbers."""

OLDER_OR_EQUAL, OTHER_MANUFACTURER, NOBODY_ASKS, OTHER_HARDWARE = 1, 2, 3, 4
IGNORANCE = (
    "", "its version is not newer", "it is of another manufacturer", "the device does not ask", "it is for other hardware",
)  # fmt: skip
"""Why a device does not take the image that waits for it (ota.md 11.4 and 11.6)."""

# Technologies of a pool, policies and ways to learn of an image: the position in the choices of tables.py.
CELLULAR, RADIO = 0, 1
REJECT, DEFER, EVICT = 0, 1, 2
NOTIFY, POLL, NEVER = 0, 1, 2

# Purposes of draws. Kinds of chances have numbers from 64 on.
(
    FOR_UNREACHABLE, FOR_SESSION, FOR_BREAK, FOR_RATE, FOR_SEGMENTS, FOR_MISSING, FOR_NOTIFY, FOR_WAKE, FOR_BLOCKS,
    FOR_POLL, FOR_HUB, FOR_PARTY, FOR_PLACE, FOR_DEFER, FOR_TAKING_BACK,
) = range(15)  # fmt: skip
FOR_CHANCE = 64
