-- Daily counts beside the hourly ones. Rules for this file: ../../README.md.

-- The sums of usage_counts by day, for periods of days: kept longer than the hours. The key begins as pages ask, by
-- owner and time; `day` is its first moment.
CREATE TABLE usage_days (
    owner_id       TEXT   NOT NULL,
    day            BIGINT NOT NULL,
    credential_id  TEXT   NOT NULL,
    audience       TEXT   NOT NULL,
    route          TEXT   NOT NULL,
    outcome        TEXT   NOT NULL,
    count          BIGINT NOT NULL,
    latency_sum_us BIGINT NOT NULL,
    PRIMARY KEY (owner_id, day, credential_id, audience, route, outcome)
);
CREATE INDEX usage_days_by_credential ON usage_days (credential_id, day);
CREATE INDEX usage_days_by_day ON usage_days (day);

INSERT INTO usage_days (owner_id, day, credential_id, audience, route, outcome, count, latency_sum_us)
SELECT owner_id, bucket - bucket % 86400000000, credential_id, audience, route, outcome,
       CAST(SUM(count) AS BIGINT), CAST(SUM(latency_sum_us) AS BIGINT)
FROM usage_counts
GROUP BY owner_id, bucket - bucket % 86400000000, credential_id, audience, route, outcome;
