-- The audit log: one row for each submit, cancel, retry, change or deletion. Its object may be deleted later; the
-- description stays.
CREATE TABLE fcst_app.actions (
    action_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    who       text NOT NULL CHECK (who <> ''),
    action    text NOT NULL,
    noun      text NOT NULL,
    number    bigint NOT NULL,
    words     text NOT NULL DEFAULT ''
);
CREATE INDEX actions_of ON fcst_app.actions (noun, number, action_id);

-- API tokens. Only the hash is stored: the token is random enough that it cannot be guessed from the hash.
CREATE TABLE fcst_app.tokens (
    token_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL CHECK (name <> ''),
    scope        text NOT NULL CHECK (scope IN ('read', 'run', 'admin')),
    hash         bytea NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);

-- Idempotency keys: a repeated request returns the job of the first one.
CREATE TABLE fcst_app.idempotency_keys (
    who         text NOT NULL,
    key         text NOT NULL,
    fingerprint text NOT NULL,
    job_id      integer REFERENCES fcst_app.jobs ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (who, key)
);
CREATE INDEX idempotency_keys_created ON fcst_app.idempotency_keys (created_at);
CREATE INDEX idempotency_keys_job ON fcst_app.idempotency_keys (job_id);
