"""Places in the rows of integers that kernels see. The order is that of the fields in :mod:`emulator.fanout.tables`.

A row of number ``n`` begins at ``n * WIDTH`` of its flat table. The names of derived places, which Python works out beforehand,
stand at the end of each row.
"""

(
    PP_KIND, PP_SESSIONS, PP_CHANNELS, PP_CELLS, PP_WINDOW_FROM, PP_WINDOW_TO, PP_BACKGROUND, PP_BROADCAST_RATE,
    PP_SEGMENT_BYTES, PP_BROADCAST_ROUNDS, PP_SEGMENT_LOSS, PP_REPAIR_RATE, PP_SESSION_ERROR, PP_RETRIES, PP_BACKOFF,
    PP_BACKOFF_MAX, PP_UNREACHABLE, PP_GIVE_UP, PP_DEFER, PP_RATE_SPREAD, PP_COMMAND, POOL_WIDTH,
) = range(22)  # fmt: skip

(
    HP_RATE, HP_DUAL_BAND, HP_STORE, HP_SLOTS, HP_MAX_IMAGE, HP_POLICY, HP_RESUME, HP_EXPIRY, HP_REBOOT, HP_DISTRIBUTES_TO,
    HP_EXTENDER_HOMES, HP_DUTY_BLOCKS, HP_CHECK_HARDWARE, HP_UPDATE_WAITS, HUB_WIDTH,
) = range(15)  # fmt: skip

(
    DP_TYPE, DP_MODEL, DP_MANUFACTURER, DP_HARDWARE, DP_BLOCK_BYTES, DP_BLOCKS_PER_S, DP_WAKE, DP_BLOCKS_PER_WAKE, DP_CHUNK,
    DP_CHUNK_WAKES, DP_SUB_GHZ, DP_SUB_GHZ_PERMILLE, DP_ALT_HAN, DP_ALT_HAN_PERMILLE, DP_BLOCK_LOSS, DP_BLOCK_RETRIES,
    DP_LEARNS, DP_NOTIFY, DP_POLL, DP_CAPACITY, DP_RESUME, DP_VERIFY, DP_ACTIVATION, DP_ACTIVATES_ITSELF, DP_CS09,
    DP_REPORTS_TRANSFER, DP_FALLBACK, DP_CHECK_VERSION, DP_CHECK_MANUFACTURER, DP_SILENCE, DP_TAKES_PARTS,
    DP_CHECK_HARDWARE, DEVICE_WIDTH,
) = range(33)  # fmt: skip

(
    O_SIZE, O_VERSION, O_DEVICE_TYPES, O_MODEL, O_MANUFACTURER, O_MIN_HARDWARE, O_MAX_HARDWARE, O_FORCE_REPLACE, O_SIGNED,
    O_LANE, O_PRIORITY, O_REQUEST, O_ACTIVATE_AFTER, O_READ_AFTER, O_FROM_VERSION, O_NEXT_PART, O_PARENT, O_TOTAL,
    ORDER_WIDTH,
) = range(19)  # fmt: skip
"""Versions are numbers in the table of versions; a part of an image is an order of its own with the whole as its parent."""

HELD_BACK, HELD_BACK_S = -2, 3_600
"""In ``O_ACTIVATE_AFTER``: the supplier holds its 11.3 back; those that are due are looked at again after so long."""

(
    C_KIND, C_NUMERATOR, C_DENOMINATOR, C_CELL, C_HUB, C_HUB_TO, C_ROW, C_ORDER, C_PROFILE, C_LEFT, C_FROM, C_TO, C_VALUE,
    C_SKIP, C_NEXT, C_NUMBER, CHANCE_WIDTH,
) = range(17)  # fmt: skip
"""``C_SKIP`` is how many occasions pass first.

``C_NEXT`` leads to the next chance of the kind, ``C_NUMBER`` is what the draw is keyed by."""

(
    S_NOW, S_SEED, S_FIRST_HUB, S_HUBS, S_SHIFT, S_PENDING, S_BUSY, S_CAPACITY, S_QUEUED, S_FILL, S_OUTAGE, S_NODE_FREE,
    S_NODES_LEFT, S_OUTCOMES, S_LISTENED, S_EVENTS, S_SCHEDULED, S_NEXT, S_PARTIES, S_LANES, S_CELLS, S_CELL_FILL,
    S_RETRY_AT, S_HOURS, S_DAY, S_BUCKETS, S_CHAINS, STATE_WIDTH,
) = range(28)  # fmt: skip
"""The state of a pool. ``S_PENDING`` begins the list of entries that are due now, ``S_NEXT`` is a lower bound of the next due
tick, ``S_RETRY_AT`` the tick of the node that looks again after a closed window or an outage, ``S_DAY`` the second of the day at
tick 0, ``S_FILL`` says that a session may be free for somebody who waits, ``S_CELL_FILL`` begins the list of such cells."""

(
    N_KIND, N_DUE, N_LINK, N_ROW, N_ORDER, N_A, N_B, N_HEAD, N_TAIL, N_JOIN, N_JOIN_TAIL, N_NEXT, NODE_WIDTH,
) = range(13)  # fmt: skip
"""A node of the agenda: what is due beside the devices' own entries. Lists of members are of casts."""

(
    NODE_FREE, NODE_FILL, NODE_GIVE_UP, NODE_CAST, NODE_EXPIRY, NODE_DEVICE, NODE_ROLL_BACK, NODE_SELF_CHECK, NODE_HUB_UPDATE,
    NODE_HUB_REBOOT, NODE_HUB_BACK, NODE_HUB_POWER, NODE_DEVICE_POWER, NODE_SUPPLY,
) = range(14)  # fmt: skip
"""Kinds of nodes. ``NODE_DEVICE`` is an entry of a device whose own agenda is taken; ``N_A`` is its phase."""

(
    CELL_CAPACITY, CELL_BUSY, CELL_OUTAGE, CELL_CASTS, CELL_CASTS_TAIL, CELL_REPAIR, CELL_REPAIR_TAIL, CELL_TURN, CELL_FILL,
    CELL_WANTS, CELL_LANE, CELL_WAITING, CELL_WIDTH,
) = range(13)  # fmt: skip
"""The state of a cell; a cellular pool uses ``CELL_OUTAGE`` alone."""

WAITING, JOINING, ON_AIR = 0, 1, 2
"""States of a cast, in ``N_A``."""

Q_HEAD, Q_TAIL, QUEUE_WIDTH = 0, 1, 2
PRIORITIES, LANES = 3, 256
"""A queue per priority and lane; its place is ``(priority * LANES + lane) * QUEUE_WIDTH``."""
Q_TURNS = PRIORITIES * LANES * QUEUE_WIDTH
Q_COUNT, Q_TURN, TURN_WIDTH = 0, 1, 2
"""After the queues, for each priority: how many wait, and the lane that was served last."""

LISTENED, OFF, OFF_HAN, SILENT, NO_SUPPLY, RESERVED, RESUMES, ASKED_IN_VAIN = 1, 2, 4, 8, 16, 32, 64, 128
"""Flags of a device. ``RESERVED``: its image has room at the hub. ``RESUMES``: a transfer was broken off, ``progress`` is what
is left of it, and a node of its own watches the expiry. ``ASKED_IN_VAIN``: it will not ask for this image."""

HUB_OFF_FLAG, UPDATING, REBOOTING, HUB_LISTENED = 1, 2, 4, 8
"""Flags of a hub."""

(
    CH_FILE_DAMAGED, CH_UNREACHABLE, CH_SESSION_ERROR, CH_SEGMENT_LOSS, CH_STORE_FULL, CH_HUB_IMAGE_LOST, CH_HUB_STORE_LOST,
    CH_POWER_CUT_HUB, CH_NEVER_QUERIES, CH_BLOCK_LOSS, CH_DROPS_TRANSFER, CH_WRONG_OFFSET, CH_POWER_CUT_DEVICE,
    CH_INVALID_IMAGE, CH_SIGNATURE_BAD, CH_ALERT_LOST, CH_COMMAND_LOST, CH_RESPONSE_LOST, CH_HELD_LOST, CH_WRONG_HASH,
    CH_ACTIVATION_FAILS, CH_ACTIVATION_DIES, CH_FALLS_OFF_AFTER_DOWNLOAD, CH_FALLS_OFF_AFTER_ACTIVATION,
    CH_FALLS_OFF_AFTER_REBOOT, CH_SUPPLY_OFF, CH_STOPS_REPORTING, CH_ROLLS_BACK, CH_SELF_CHECK_FAILS, CH_HUB_UPDATE_FAILS,
    CH_HUB_BRICKS, CHANCE_COUNT,
) = range(32)  # fmt: skip
"""Kinds of chances, as in :data:`emulator.fanout.tables.CHANCES`."""

PERCENT_SHIFT = 32
"""The value of a chance of a power cut is its seconds, and above these bits the percent of the transfer over the HAN at which
power goes; 0 is the end of any part of a transfer, on the WAN too."""

UNUSED = 255
"""Profile of a row without a device, or of a hub that is gone."""
BESIDE = 254
"""Profile of a row that carries a second image for the device whose place at the hub is its ``party``."""

FEW_BUCKETS_LOG2, FEW_CHAINS_LOG2 = 13, 0
MANY_BUCKETS_LOG2, MANY_CHAINS_LOG2 = 17, 3
"""One-second buckets of a wheel, and the chains of each: of a pool that has few devices, and of one with many, whose entries are
fetched from memory along several chains at a time."""
BLOCK_LOG2 = 6
BLOCK = 1 << BLOCK_LOG2
"""Buckets that are counted together."""

OUTCOME_WIDTH = 5
"""Tick, row, order, kind, code. Rows of hubs are ``-1 - hub``."""

R_HUBS, R_PARTIES, R_VERSION, R_PLACES = range(4)
"""Of the rule by which homes are made: where the choices of hub profiles and of parties begin, the version that runs, and the
number of places; then where the choices of each place begin. Choices are how many, then number and upper bound of the draw
each."""

MAX_ROUNDS = 16
MISSING_STEPS = 16
"""Rows of the tables of radio: the chance to be complete after each round, and the count of missing segments."""
