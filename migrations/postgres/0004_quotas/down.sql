DROP TABLE counted_calls;

ALTER TABLE api_keys DROP COLUMN quota_month;
ALTER TABLE api_keys DROP COLUMN quota_day;
