-- OpenID Connect, pushed requests, devices, sender-constrained tokens, and clients that register themselves.
-- Rules for this file: ../../README.md.

ALTER TABLE clients ADD COLUMN id_token_algorithm     TEXT    NOT NULL DEFAULT 'RS256';
ALTER TABLE clients ADD COLUMN dpop_bound             BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE clients ADD COLUMN backchannel_logout_uri TEXT;
-- Of the registration access token (RFC 7592).
ALTER TABLE clients ADD COLUMN registration_digest    BYTEA;
ALTER TABLE clients ADD COLUMN last_used_at           BIGINT;
CREATE INDEX clients_by_origin ON clients (origin, created_at);

-- Where and how the user signed in; the thumbprint (RFC 7638) of the key that what the code gives is bound to.
ALTER TABLE authorization_codes ADD COLUMN sid  TEXT;
ALTER TABLE authorization_codes ADD COLUMN amr  TEXT NOT NULL DEFAULT '';
ALTER TABLE authorization_codes ADD COLUMN jkt  TEXT;

ALTER TABLE families ADD COLUMN auth_time BIGINT;
ALTER TABLE families ADD COLUMN sid       TEXT;
ALTER TABLE families ADD COLUMN amr       TEXT NOT NULL DEFAULT '';
ALTER TABLE families ADD COLUMN jkt       TEXT;
CREATE INDEX families_by_sid ON families (sid);

ALTER TABLE access_tokens ADD COLUMN jkt TEXT;

-- ID tokens are signed as each client registered: one key of each algorithm signs.
DROP INDEX signing_keys_one_current;
CREATE UNIQUE INDEX signing_keys_one_current ON signing_keys (purpose, algorithm) WHERE state = 'current';

-- RFC 9126.
CREATE TABLE pushed_requests (
    digest      BYTEA  NOT NULL PRIMARY KEY,
    client_id   TEXT   NOT NULL REFERENCES clients (id),
    params      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE INDEX pushed_requests_by_client ON pushed_requests (client_id);
CREATE INDEX pushed_requests_by_expiry ON pushed_requests (expires_at);

-- RFC 8628.
CREATE TABLE device_codes (
    digest         BYTEA  NOT NULL PRIMARY KEY,
    user_code      BYTEA  NOT NULL UNIQUE,
    client_id      TEXT   NOT NULL REFERENCES clients (id),
    scopes         TEXT   NOT NULL,
    audience       TEXT   NOT NULL,
    address        TEXT,
    user_agent     TEXT,
    jkt            TEXT,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    poll_interval  BIGINT NOT NULL,
    last_polled_at BIGINT,
    owner_id       TEXT   REFERENCES owners (id),
    grant_id       TEXT   REFERENCES grants (id),
    auth_time      BIGINT,
    amr            TEXT   NOT NULL,
    approved_at    BIGINT,
    denied_at      BIGINT,
    consumed_at    BIGINT
);
CREATE INDEX device_codes_by_client ON device_codes (client_id);
CREATE INDEX device_codes_by_owner ON device_codes (owner_id);
CREATE INDEX device_codes_by_grant ON device_codes (grant_id);
CREATE INDEX device_codes_by_expiry ON device_codes (expires_at);

-- What works once: the jti of client assertions (RFC 7523 §3) and of DPoP proofs (RFC 9449 §11.1), as digests.
CREATE TABLE spent_proofs (
    digest     BYTEA  NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX spent_proofs_by_expiry ON spent_proofs (expires_at);

-- Initial access tokens (RFC 7591 §3).
CREATE TABLE registration_tokens (
    id         TEXT   NOT NULL PRIMARY KEY,
    digest     BYTEA  NOT NULL UNIQUE,
    owner_id   TEXT   NOT NULL REFERENCES owners (id),
    note       TEXT   NOT NULL,
    uses_left  BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX registration_tokens_by_owner ON registration_tokens (owner_id);
CREATE INDEX registration_tokens_by_expiry ON registration_tokens (expires_at);

-- Back-channel logout: who is still to be told.
CREATE TABLE logout_notices (
    id              TEXT   NOT NULL PRIMARY KEY,
    client_id       TEXT   NOT NULL REFERENCES clients (id),
    subject         TEXT   NOT NULL,
    sid             TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    sent_at         BIGINT,
    failed_at       BIGINT
);
CREATE INDEX logout_notices_by_client ON logout_notices (client_id);
CREATE INDEX logout_notices_by_due ON logout_notices (next_attempt_at) WHERE sent_at IS NULL AND failed_at IS NULL;
CREATE INDEX logout_notices_by_creation ON logout_notices (created_at);
