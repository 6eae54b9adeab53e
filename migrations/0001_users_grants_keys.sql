-- Times are Unix seconds. The worker passes every time: SQL has no clock of its own, so that tests can set it.

-- A deleted user remains as a tombstone, so that no other user gets the same sub. Then `deleted_at` is set and all
-- personal data is null.
CREATE TABLE users (
    sub        TEXT PRIMARY KEY,
    login      TEXT UNIQUE,          -- case-folded; the user name on the login page
    claims     TEXT,                 -- a JSON object, validated before it is stored
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    CHECK ((deleted_at IS NULL) = (login IS NOT NULL)),
    CHECK ((deleted_at IS NULL) = (claims IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- Authorizations of a client by a user. Every token names its grant and is valid only while the grant is not revoked.
CREATE TABLE grants (
    id         TEXT PRIMARY KEY,
    sub        TEXT NOT NULL REFERENCES users (sub),
    client_id  TEXT NOT NULL,
    scope      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX grants_by_sub ON grants (sub);

-- Signing keys. A row has times instead of a state: which keys are published and which one signs is a function of the
-- rows and the current time. A null time is not planned.
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
