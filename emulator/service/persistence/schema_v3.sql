-- What one step says of one request lies in one row of the journal.

ALTER TABLE journal ADD COLUMN earlier TEXT;   -- JSON: entries before the one in the columns, whose number the row has

-- Data of entries that say the same: its number stands in their place.
CREATE TABLE journal_data (
    number INTEGER PRIMARY KEY,  -- 56 bits of the SHA-256 of the text
    text   TEXT NOT NULL         -- JSON
) STRICT;

-- Numbers of records and messages rise with the inputs that made them: what later inputs made is found from the end.
DROP INDEX audit_by_seq;
DROP INDEX outbox_by_seq;
