-- What all kinds of credentials are seen by. Rules for this file: ../../README.md.

-- What a request is counted under: the key, or the family, consent or client that a token descends from. As long as
-- nobody told it, the credential itself.
ALTER TABLE request_records ADD COLUMN root TEXT;
UPDATE request_records SET root = credential_id;
CREATE INDEX request_records_by_root ON request_records (root, at);

-- When tokens of a family were last used, and from where; of a consent, from where (the time is there).
ALTER TABLE families ADD COLUMN last_used_at      BIGINT;
ALTER TABLE families ADD COLUMN last_used_address TEXT;
ALTER TABLE grants   ADD COLUMN last_used_address TEXT;
