-- The first schema. Rules for this file: ../../README.md.

CREATE TABLE owners (
    id           TEXT    NOT NULL PRIMARY KEY,
    kind         TEXT    NOT NULL CHECK (kind IN ('person', 'team', 'builtin')),
    name         TEXT    NOT NULL,
    suspended_at BIGINT,
    rate         TEXT,
    version      BIGINT  NOT NULL,
    created_at   BIGINT  NOT NULL,
    deleted_at   BIGINT
);

CREATE TABLE accounts (
    owner_id            TEXT    NOT NULL PRIMARY KEY REFERENCES owners (id),
    email               TEXT    NOT NULL UNIQUE,
    email_verified_at   BIGINT,
    password_hash       TEXT,
    password_changed_at BIGINT,
    is_admin            BOOLEAN NOT NULL,
    last_sign_in_at     BIGINT,
    created_at          BIGINT  NOT NULL
);

CREATE TABLE sessions (
    digest       BYTEA  NOT NULL PRIMARY KEY,
    id           TEXT   NOT NULL UNIQUE,
    owner_id     TEXT   REFERENCES owners (id),
    state        TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    address      TEXT,
    user_agent   TEXT
);
CREATE INDEX sessions_by_owner ON sessions (owner_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE attempts (
    bucket       TEXT   NOT NULL PRIMARY KEY,
    failures     BIGINT NOT NULL,
    first_at     BIGINT NOT NULL,
    last_at      BIGINT NOT NULL,
    locked_until BIGINT
);
CREATE INDEX attempts_by_last ON attempts (last_at);

CREATE TABLE mail_links (
    id          TEXT   NOT NULL PRIMARY KEY,
    digest      BYTEA  NOT NULL UNIQUE,
    purpose     TEXT   NOT NULL,
    owner_id    TEXT   REFERENCES owners (id),
    email       TEXT   NOT NULL,
    session_id  TEXT,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE INDEX mail_links_by_owner ON mail_links (owner_id);
CREATE INDEX mail_links_by_expiry ON mail_links (expires_at);

CREATE TABLE outbox (
    id              TEXT   NOT NULL PRIMARY KEY,
    recipient       TEXT   NOT NULL,
    subject         TEXT   NOT NULL,
    body_text       TEXT   NOT NULL,
    body_html       TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    sent_at         BIGINT,
    failed_at       BIGINT
);
CREATE INDEX outbox_by_due ON outbox (next_attempt_at) WHERE sent_at IS NULL AND failed_at IS NULL;
CREATE INDEX outbox_by_creation ON outbox (created_at);

CREATE TABLE shown_secrets (
    id         TEXT   NOT NULL PRIMARY KEY,
    owner_id   TEXT   NOT NULL REFERENCES owners (id),
    session_id TEXT   NOT NULL,
    target     TEXT   NOT NULL,
    sealed     BYTEA,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    shown_at   BIGINT
);
CREATE INDEX shown_secrets_by_owner ON shown_secrets (owner_id);
CREATE INDEX shown_secrets_by_expiry ON shown_secrets (expires_at);

CREATE TABLE api_keys (
    id                TEXT    NOT NULL PRIMARY KEY,
    owner_id          TEXT    NOT NULL REFERENCES owners (id),
    creator_id        TEXT    NOT NULL REFERENCES owners (id),
    digest            BYTEA   NOT NULL UNIQUE,
    prefix            TEXT    NOT NULL,
    last4             TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    environment       TEXT    NOT NULL CHECK (environment IN ('live', 'test')),
    audiences         TEXT    NOT NULL,
    scopes            TEXT    NOT NULL,
    note              TEXT    NOT NULL,
    addresses         TEXT    NOT NULL,
    rate              TEXT,
    ancestors         TEXT    NOT NULL,
    created_at        BIGINT  NOT NULL,
    expires_at        BIGINT,
    disabled_at       BIGINT,
    revoked_at        BIGINT,
    revoked_reason    TEXT,
    replaced_by       TEXT    REFERENCES api_keys (id),
    grace_ends_at     BIGINT,
    replaces          TEXT    REFERENCES api_keys (id),
    imported          BOOLEAN NOT NULL,
    last_used_at      BIGINT,
    last_used_address TEXT,
    version           BIGINT  NOT NULL
);
CREATE INDEX api_keys_by_owner ON api_keys (owner_id, created_at);
CREATE INDEX api_keys_by_creator ON api_keys (creator_id);
CREATE INDEX api_keys_by_successor ON api_keys (replaced_by);
CREATE INDEX api_keys_by_predecessor ON api_keys (replaces);

CREATE TABLE signing_keys (
    id           TEXT   NOT NULL PRIMARY KEY,
    kid          TEXT   NOT NULL UNIQUE,
    algorithm    TEXT   NOT NULL,
    purpose      TEXT   NOT NULL CHECK (purpose IN ('access_token', 'id_token')),
    public_jwk   TEXT   NOT NULL,
    sealed       BYTEA  NOT NULL,
    state        TEXT   NOT NULL CHECK (state IN ('next', 'current', 'retiring', 'retired', 'revoked')),
    created_at   BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    current_from BIGINT,
    retire_at    BIGINT,
    revoked_at   BIGINT
);
CREATE INDEX signing_keys_by_state ON signing_keys (purpose, state);
-- At most one key of a purpose signs.
CREATE UNIQUE INDEX signing_keys_one_current ON signing_keys (purpose) WHERE state = 'current';

CREATE TABLE clients (
    id                        TEXT   NOT NULL PRIMARY KEY,
    owner_id                  TEXT   NOT NULL REFERENCES owners (id),
    kind                      TEXT   NOT NULL CHECK (kind IN ('public', 'confidential', 'resource_server')),
    name                      TEXT   NOT NULL,
    auth_method               TEXT   NOT NULL,
    redirect_uris             TEXT   NOT NULL,
    post_logout_redirect_uris TEXT   NOT NULL,
    grant_types               TEXT   NOT NULL,
    scopes                    TEXT   NOT NULL,
    token_format              TEXT   NOT NULL CHECK (token_format IN ('opaque', 'jwt')),
    audience                  TEXT,
    jwks                      TEXT,
    origin                    TEXT   NOT NULL CHECK (origin IN ('manual', 'builtin', 'dynamic')),
    website                   TEXT,
    created_at                BIGINT NOT NULL,
    suspended_at              BIGINT,
    deleted_at                BIGINT,
    version                   BIGINT NOT NULL
);
CREATE INDEX clients_by_owner ON clients (owner_id, created_at);

CREATE TABLE client_secrets (
    id           TEXT   NOT NULL PRIMARY KEY,
    client_id    TEXT   NOT NULL REFERENCES clients (id),
    digest       BYTEA  NOT NULL UNIQUE,
    last4        TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT
);
CREATE INDEX client_secrets_by_client ON client_secrets (client_id);

CREATE TABLE grants (
    id           TEXT    NOT NULL PRIMARY KEY,
    owner_id     TEXT    NOT NULL REFERENCES owners (id),
    client_id    TEXT    NOT NULL REFERENCES clients (id),
    scopes       TEXT    NOT NULL,
    offline      BOOLEAN NOT NULL,
    session_id   TEXT,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL,
    last_used_at BIGINT,
    revoked_at   BIGINT
);
-- One living consent of a person to an app.
CREATE UNIQUE INDEX grants_living ON grants (owner_id, client_id) WHERE revoked_at IS NULL;
CREATE INDEX grants_by_client ON grants (client_id);
CREATE INDEX grants_by_session ON grants (session_id);

CREATE TABLE families (
    id                TEXT    NOT NULL PRIMARY KEY,
    owner_id          TEXT    NOT NULL REFERENCES owners (id),
    client_id         TEXT    NOT NULL REFERENCES clients (id),
    grant_id          TEXT    REFERENCES grants (id),
    kind              TEXT    NOT NULL CHECK (kind IN ('dashboard', 'oauth')),
    name              TEXT    NOT NULL,
    audience          TEXT    NOT NULL,
    scopes            TEXT    NOT NULL,
    environment       TEXT    NOT NULL CHECK (environment IN ('live', 'test')),
    token_format      TEXT    NOT NULL CHECK (token_format IN ('opaque', 'jwt')),
    access_lifetime   BIGINT  NOT NULL,
    has_refresh       BOOLEAN NOT NULL,
    ancestors         TEXT    NOT NULL,
    root              TEXT    NOT NULL,
    created_at        BIGINT  NOT NULL,
    last_refreshed_at BIGINT,
    idle_expires_at   BIGINT  NOT NULL,
    expires_at        BIGINT  NOT NULL,
    ended_at          BIGINT,
    ended_reason      TEXT,
    session_id        TEXT,
    address           TEXT
);
CREATE INDEX families_by_owner ON families (owner_id, created_at);
CREATE INDEX families_by_client ON families (client_id);
CREATE INDEX families_by_grant ON families (grant_id);
CREATE INDEX families_by_session ON families (session_id);
CREATE INDEX families_by_expiry ON families (idle_expires_at);
CREATE INDEX families_by_end ON families (ended_at);

CREATE TABLE authorization_codes (
    digest         BYTEA  NOT NULL PRIMARY KEY,
    client_id      TEXT   NOT NULL REFERENCES clients (id),
    owner_id       TEXT   NOT NULL REFERENCES owners (id),
    grant_id       TEXT   NOT NULL REFERENCES grants (id),
    session_id     TEXT,
    redirect_uri   TEXT   NOT NULL,
    scopes         TEXT   NOT NULL,
    audience       TEXT   NOT NULL,
    code_challenge TEXT   NOT NULL,
    nonce          TEXT,
    auth_time      BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    failures       BIGINT NOT NULL,
    consumed_at    BIGINT,
    family_id      TEXT   REFERENCES families (id)
);
CREATE INDEX authorization_codes_by_client ON authorization_codes (client_id);
CREATE INDEX authorization_codes_by_owner ON authorization_codes (owner_id);
CREATE INDEX authorization_codes_by_grant ON authorization_codes (grant_id);
CREATE INDEX authorization_codes_by_family ON authorization_codes (family_id);
CREATE INDEX authorization_codes_by_expiry ON authorization_codes (expires_at);

CREATE TABLE refresh_tokens (
    digest        BYTEA  NOT NULL PRIMARY KEY,
    family_id     TEXT   NOT NULL REFERENCES families (id),
    sequence      BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    consumed_at   BIGINT,
    successor     BYTEA,
    sealed_answer BYTEA
);
-- A family never has two tokens of the same turn.
CREATE UNIQUE INDEX refresh_tokens_by_family ON refresh_tokens (family_id, sequence);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

CREATE TABLE access_tokens (
    id          TEXT   NOT NULL PRIMARY KEY,
    digest      BYTEA  NOT NULL UNIQUE,
    owner_id    TEXT   NOT NULL REFERENCES owners (id),
    subject     TEXT   NOT NULL,
    client_id   TEXT   NOT NULL REFERENCES clients (id),
    family_id   TEXT   REFERENCES families (id),
    grant_id    TEXT   REFERENCES grants (id),
    audience    TEXT   NOT NULL,
    scopes      TEXT   NOT NULL,
    environment TEXT   NOT NULL CHECK (environment IN ('live', 'test')),
    root        TEXT   NOT NULL,
    ancestors   TEXT   NOT NULL,
    rate        TEXT,
    addresses   TEXT   NOT NULL,
    position    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    revoked_at  BIGINT
);
CREATE INDEX access_tokens_by_owner ON access_tokens (owner_id);
CREATE INDEX access_tokens_by_client ON access_tokens (client_id);
CREATE INDEX access_tokens_by_family ON access_tokens (family_id);
CREATE INDEX access_tokens_by_grant ON access_tokens (grant_id);
CREATE INDEX access_tokens_by_expiry ON access_tokens (expires_at);

CREATE TABLE feed (
    position       BIGINT NOT NULL PRIMARY KEY,
    kind           TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    effect         TEXT   NOT NULL CHECK (effect IN ('ended', 'changed')),
    relevant_until BIGINT NOT NULL,
    created_at     BIGINT NOT NULL
);
CREATE INDEX feed_by_id ON feed (id, position);
CREATE INDEX feed_by_relevance ON feed (effect, relevant_until);

-- One row, put in when the schema is made.
CREATE TABLE feed_head (
    id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch    TEXT   NOT NULL,
    position BIGINT NOT NULL,
    tail     BIGINT NOT NULL,
    CHECK (tail >= 0 AND tail <= position)
);

CREATE TABLE audit (
    id          TEXT   NOT NULL PRIMARY KEY,
    at          BIGINT NOT NULL,
    actor_kind  TEXT   NOT NULL CHECK (actor_kind IN ('person', 'client', 'command', 'system')),
    actor_id    TEXT,
    actor_label TEXT   NOT NULL,
    owner_id    TEXT,
    action      TEXT   NOT NULL,
    target_kind TEXT   NOT NULL,
    target_id   TEXT   NOT NULL,
    before      TEXT,
    after       TEXT,
    address     TEXT
);
CREATE INDEX audit_by_time ON audit (at, id);
CREATE INDEX audit_by_owner ON audit (owner_id, at);
CREATE INDEX audit_by_target ON audit (target_id, at);

CREATE TABLE request_records (
    id            TEXT   NOT NULL PRIMARY KEY,
    at            BIGINT NOT NULL,
    credential_id TEXT,
    owner_id      TEXT,
    audience      TEXT   NOT NULL,
    method        TEXT   NOT NULL,
    route         TEXT   NOT NULL,
    status        BIGINT NOT NULL,
    check_failed  TEXT,
    code          TEXT,
    address       TEXT,
    latency_us    BIGINT NOT NULL,
    user_agent    TEXT
);
CREATE INDEX request_records_by_time ON request_records (at);
CREATE INDEX request_records_by_owner ON request_records (owner_id, at);
CREATE INDEX request_records_by_credential ON request_records (credential_id, at);

CREATE TABLE usage_counts (
    credential_id  TEXT   NOT NULL,
    owner_id       TEXT   NOT NULL,
    audience       TEXT   NOT NULL,
    route          TEXT   NOT NULL,
    outcome        TEXT   NOT NULL,
    bucket         BIGINT NOT NULL,
    count          BIGINT NOT NULL,
    latency_sum_us BIGINT NOT NULL,
    PRIMARY KEY (credential_id, owner_id, audience, route, outcome, bucket)
);
CREATE INDEX usage_counts_by_owner ON usage_counts (owner_id, bucket);
CREATE INDEX usage_counts_by_bucket ON usage_counts (bucket);

CREATE TABLE record_batches (
    id          TEXT   NOT NULL PRIMARY KEY,
    received_at BIGINT NOT NULL
);
CREATE INDEX record_batches_by_arrival ON record_batches (received_at);

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
