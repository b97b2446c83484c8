-- The log of a world. EUIs are 16 hexadecimal digits, times integer milliseconds, digests SHA-256.

CREATE TABLE meta (
    world TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (world, name)
) WITHOUT ROWID;

CREATE TABLE inputs (
    seq         INTEGER PRIMARY KEY,
    world       TEXT NOT NULL,
    kind        TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    wall_ms     INTEGER NOT NULL,
    verdict     TEXT NOT NULL,
    digest      BLOB NOT NULL,
    body        BLOB,            -- exactly one of body and body_sha256; a large body lies in blobs/
    body_sha256 BLOB,
    body_bytes  INTEGER NOT NULL,
    answer        BLOB,
    answer_sha256 BLOB,
    answer_bytes  INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox (
    number      INTEGER PRIMARY KEY,
    world       TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    wall_ms     INTEGER NOT NULL,
    recipient   TEXT NOT NULL,
    device      TEXT,
    request_id  TEXT,            -- as it arrived
    request_key TEXT,            -- folded for comparison
    kind        TEXT NOT NULL,
    code        TEXT NOT NULL,
    digest      BLOB NOT NULL,
    body        BLOB,            -- both NULL once retention has dropped it
    body_sha256 BLOB,
    body_bytes  INTEGER NOT NULL,
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    status      INTEGER,
    detail      TEXT NOT NULL,
    changed_wall_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX outbox_unfinished ON outbox (state, number) WHERE state <> 'delivered';
CREATE INDEX outbox_by_request ON outbox (request_key) WHERE request_key IS NOT NULL;
CREATE INDEX outbox_by_seq ON outbox (seq);

CREATE TABLE journal (
    number      INTEGER PRIMARY KEY,
    world       TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    wall_ms     INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    request_id  TEXT,
    request_key TEXT,
    device      TEXT,
    summary     TEXT NOT NULL,
    data        TEXT NOT NULL,
    seq         INTEGER,
    delivery    INTEGER,
    effect      INTEGER          -- number of the engine's effect, rising
) STRICT;

CREATE INDEX journal_by_request ON journal (request_key) WHERE request_key IS NOT NULL;
CREATE INDEX journal_by_device ON journal (device) WHERE device IS NOT NULL;

CREATE TABLE snapshots (
    seq            INTEGER PRIMARY KEY,
    world          TEXT NOT NULL,
    at_ms          INTEGER NOT NULL,
    engine_version TEXT NOT NULL,
    service_state  TEXT NOT NULL,
    sha256         BLOB NOT NULL,
    size_bytes     INTEGER NOT NULL,
    name           TEXT NOT NULL
) STRICT;

CREATE TABLE progress (
    world      TEXT PRIMARY KEY,
    instant_ms INTEGER NOT NULL   -- simulated time has come this far
) STRICT, WITHOUT ROWID;
