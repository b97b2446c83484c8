-- The audit trail. Its rows are never changed, and dropped only where storage.keep_audit says so.

CREATE TABLE audit (
    number   INTEGER PRIMARY KEY,
    world    TEXT NOT NULL,
    seq      INTEGER NOT NULL,   -- the input or mark that made the record
    at_ms    INTEGER NOT NULL,
    previous TEXT NOT NULL,      -- digest of the record before
    digest   TEXT NOT NULL,      -- over number, time, previous digest and entry
    entry    TEXT NOT NULL,      -- JSON; empty fields are left out
    -- what is searched follows from the entry
    device      TEXT GENERATED ALWAYS AS (json_extract(entry, '$.device')) VIRTUAL,
    list_digest TEXT GENERATED ALWAYS AS (json_extract(entry, '$.devices_digest')) VIRTUAL,
    request_key TEXT GENERATED ALWAYS AS (lower(json_extract(entry, '$.request_id'))) VIRTUAL
) STRICT;

CREATE INDEX audit_by_seq ON audit (seq);
CREATE INDEX audit_by_device ON audit (device) WHERE device IS NOT NULL;
CREATE INDEX audit_by_list ON audit (list_digest) WHERE list_digest IS NOT NULL;
CREATE INDEX audit_by_request ON audit (request_key) WHERE request_key IS NOT NULL;

-- Devices that records name by the digest of their list, each list once.
CREATE TABLE device_lists (
    digest  TEXT PRIMARY KEY,    -- SHA-256 of the octets
    world   TEXT NOT NULL,
    devices INTEGER NOT NULL,
    lowest  TEXT NOT NULL,
    highest TEXT NOT NULL,
    octets  BLOB                 -- 8 per EUI, rising; NULL: they lie in blobs/ under the digest
) STRICT;

-- The last record that storage.keep_audit has dropped: what the first kept one follows.
CREATE TABLE audit_start (
    world  TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    digest TEXT NOT NULL
) STRICT, WITHOUT ROWID;
