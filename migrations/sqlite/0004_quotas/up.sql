-- Daily and monthly quotas. Rules for this file: ../../README.md.

-- A key's own quotas, in place of the setting's.
ALTER TABLE api_keys ADD COLUMN quota_day   BIGINT;
ALTER TABLE api_keys ADD COLUMN quota_month BIGINT;

-- Calls that count against quotas: of a credential at the root of a descent, or of an owner; `day` is its first moment.
CREATE TABLE counted_calls (
    id          TEXT   NOT NULL,
    environment TEXT   NOT NULL CHECK (environment IN ('live', 'test')),
    day         BIGINT NOT NULL,
    calls       BIGINT NOT NULL,
    PRIMARY KEY (id, environment, day)
);
CREATE INDEX counted_calls_by_day ON counted_calls (day);
