ALTER TABLE grants   DROP COLUMN last_used_address;
ALTER TABLE families DROP COLUMN last_used_address;
ALTER TABLE families DROP COLUMN last_used_at;
DROP INDEX request_records_by_root;
ALTER TABLE request_records DROP COLUMN root;
