-- What a refused call lacked. Rules for this file: ../../README.md.

-- All scopes that the route needs, or how much the spent limit lets through; and the scope, or the limit, that was
-- missing.
ALTER TABLE request_records ADD COLUMN needed  TEXT;
ALTER TABLE request_records ADD COLUMN missing TEXT;
