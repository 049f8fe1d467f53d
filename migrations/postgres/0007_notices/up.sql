-- Mails that people do not want, and what they were told. Rules for this file: ../../README.md.

-- The kinds of mail that a person switched off. Mails about an account's safety are none of them.
CREATE TABLE muted_mails (
    owner_id TEXT NOT NULL REFERENCES owners (id),
    kind     TEXT NOT NULL CHECK (kind IN ('new_credential', 'key_expiry')),
    PRIMARY KEY (owner_id, kind)
);

-- That a key's end was announced so many days before: of several portals, one adds the row and sends the mail. A key
-- whose end is moved is announced anew.
CREATE TABLE expiry_notices (
    key_id     TEXT   NOT NULL REFERENCES api_keys (id),
    expires_at BIGINT NOT NULL,
    days       BIGINT NOT NULL,
    PRIMARY KEY (key_id, expires_at, days)
);
CREATE INDEX expiry_notices_by_end ON expiry_notices (expires_at);
