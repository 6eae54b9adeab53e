-- Signing in, and what relying parties get of it. Times are Unix seconds, given by the worker. Whatever
-- lets somebody in (cookies, codes, refresh tokens, handles) is stored as the SHA-256 of 256 random bits.

-- A browser in which somebody is signed in.
CREATE TABLE sessions (
    id          TEXT PRIMARY KEY,
    cookie_hash TEXT NOT NULL UNIQUE, -- changes at each sign-in
    sub         TEXT NOT NULL REFERENCES users (sub),
    auth_time   INTEGER NOT NULL,     -- when the person last proved who they are
    used_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_sub ON sessions (sub);

-- What the sign-in was that a grant came from; null for grants made by the operator.
ALTER TABLE grants ADD COLUMN session_id TEXT;
ALTER TABLE grants ADD COLUMN sid TEXT;          -- the session as this client knows it
ALTER TABLE grants ADD COLUMN auth_time INTEGER;
ALTER TABLE grants ADD COLUMN claims TEXT;       -- the request's `claims`, as a JSON object

-- Authorization codes. A spent one stays as long as its grant, so that a replay is told from a guess.
CREATE TABLE codes (
    code_hash      TEXT PRIMARY KEY,
    grant_id       TEXT NOT NULL REFERENCES grants (id),
    redirect_uri   TEXT NOT NULL,
    code_challenge TEXT,
    nonce          TEXT,
    expires_at     INTEGER NOT NULL,
    spent_at       INTEGER
) STRICT, WITHOUT ROWID;

-- Refresh tokens. A spent one stays as long as its grant, for the same reason.
CREATE TABLE refresh_tokens (
    token_hash TEXT PRIMARY KEY,
    grant_id   TEXT NOT NULL REFERENCES grants (id),
    expires_at INTEGER NOT NULL,
    spent_at   INTEGER
) STRICT, WITHOUT ROWID;

-- What a person allowed a client, and need not be asked again.
CREATE TABLE consents (
    sub        TEXT NOT NULL REFERENCES users (sub),
    client_id  TEXT NOT NULL,
    scope      TEXT NOT NULL,         -- scope tokens with single spaces between them
    claims     TEXT NOT NULL,         -- single claims besides, likewise
    granted_at INTEGER NOT NULL,
    PRIMARY KEY (sub, client_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX consents_by_client ON consents (client_id);

-- Authorization requests that came by POST, until they are answered.
CREATE TABLE authorization_requests (
    handle_hash TEXT PRIMARY KEY,
    parameters  TEXT NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX authorization_requests_by_end ON authorization_requests (expires_at);

-- Attempts to sign in that may have failed: counted before the password is looked at. A counter is a
-- digest of whom the attempt was for and where it came from.
CREATE TABLE sign_in_attempts (
    counter  TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    next_at  INTEGER NOT NULL         -- before it, no other attempt is looked at
) STRICT, WITHOUT ROWID;

CREATE INDEX sign_in_attempts_by_time ON sign_in_attempts (last_at);
