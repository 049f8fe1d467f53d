-- Accounts elsewhere that people sign in with, and whom they are asked of.
-- Rules for this file: ../../README.md.

-- An identity is (issuer, subject), never an e-mail address.
CREATE TABLE connections (
    id               TEXT    NOT NULL PRIMARY KEY,
    owner_id         TEXT    NOT NULL REFERENCES owners (id),
    provider         TEXT    NOT NULL,
    issuer           TEXT    NOT NULL,
    subject          TEXT    NOT NULL,
    account          TEXT    NOT NULL,
    -- Of the demo provider: nothing but `keyway dev` knows it.
    demo             BOOLEAN NOT NULL,
    scopes           TEXT    NOT NULL,
    connected_at     BIGINT  NOT NULL,
    last_sign_in_at  BIGINT,
    -- What the provider gave, sealed; kept only where its setting asks for it.
    tokens           BLOB  ,
    tokens_expire_at BIGINT,
    refreshable      BOOLEAN NOT NULL,
    refreshed_at     BIGINT,
    -- Who refreshes it has until then; nobody else does meanwhile.
    refreshing_until BIGINT,
    -- When the provider said that the grant is dead.
    broken_at        BIGINT
);
CREATE UNIQUE INDEX connections_by_identity ON connections (issuer, subject);
CREATE UNIQUE INDEX connections_one_a_provider ON connections (owner_id, provider);
CREATE INDEX connections_by_token_expiry ON connections (tokens_expire_at);

-- A browser that was sent to a provider and has not come back.
CREATE TABLE provider_flows (
    state       BLOB   NOT NULL PRIMARY KEY,
    session_id  TEXT   NOT NULL,
    provider    TEXT   NOT NULL,
    purpose     TEXT   NOT NULL CHECK (purpose IN ('sign_in', 'connect', 'confirm')),
    owner_id    TEXT   REFERENCES owners (id),
    secrets     BLOB   NOT NULL,
    return_to   TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE INDEX provider_flows_by_owner ON provider_flows (owner_id);
CREATE INDEX provider_flows_by_expiry ON provider_flows (expires_at);

-- Those that an administrator set up in the portal; the settings file names others.
CREATE TABLE providers (
    id         TEXT   NOT NULL PRIMARY KEY,
    definition TEXT   NOT NULL,
    secret     BLOB  ,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
