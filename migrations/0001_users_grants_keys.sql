-- Times are Unix seconds. Every time is given by the worker: no SQL clock, so that tests can fix it.

-- A deleted user stays as a tombstone, so that a sub is never given twice:
-- `deleted_at` is set, and nothing about the person is left.
CREATE TABLE users (
    sub        TEXT PRIMARY KEY,
    login      TEXT UNIQUE,          -- case-folded; what a person types to sign in
    claims     TEXT,                 -- a JSON object, validated when it was put
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    CHECK ((deleted_at IS NULL) = (login IS NOT NULL)),
    CHECK ((deleted_at IS NULL) = (claims IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- What a user allowed a client. Every token names its grant, and stands only while the grant does.
CREATE TABLE grants (
    id         TEXT PRIMARY KEY,
    sub        TEXT NOT NULL REFERENCES users (sub),
    client_id  TEXT NOT NULL,
    scope      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX grants_by_sub ON grants (sub);

-- Signing keys. A row carries times, not states: which keys are published and which one signs
-- follows from (rows, now). A null time is not foreseen.
CREATE TABLE signing_keys (
    kid            TEXT PRIMARY KEY, -- RFC 7638 thumbprint
    alg            TEXT NOT NULL,
    public_jwk     TEXT NOT NULL,
    sealed_private TEXT NOT NULL,    -- AES-256-GCM under KEY_ENCRYPTION_KEY, bound to the kid
    publish_from   INTEGER NOT NULL,
    sign_from      INTEGER NOT NULL,
    sign_until     INTEGER,
    retire_at      INTEGER,
    CHECK (publish_from <= sign_from),
    CHECK (sign_until IS NULL OR sign_from <= sign_until),
    CHECK (retire_at IS NULL OR (sign_until IS NOT NULL AND sign_until <= retire_at))
) STRICT, WITHOUT ROWID;
