ALTER TABLE request_records DROP COLUMN missing;
ALTER TABLE request_records DROP COLUMN needed;
