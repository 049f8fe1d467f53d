-- The sample API's own database, SQLite alone: what a customer's API would keep for itself.
CREATE TABLE notes (
    id          TEXT   NOT NULL PRIMARY KEY,
    subject     TEXT   NOT NULL,
    environment TEXT   NOT NULL CHECK (environment IN ('live', 'test')),
    title       TEXT   NOT NULL,
    body        TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
CREATE INDEX notes_by_subject ON notes (subject, environment, id);
