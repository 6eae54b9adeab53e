-- Sign-in: sessions, codes, refresh tokens, consents. Times are Unix seconds that the worker passes. Cookies, codes,
-- refresh tokens and handles are 256 random bits, stored as SHA-256.

-- A browser in which a user is signed in.
CREATE TABLE sessions (
    id          TEXT PRIMARY KEY,
    cookie_hash TEXT NOT NULL UNIQUE, -- changes at each sign-in
    sub         TEXT NOT NULL REFERENCES users (sub),
    auth_time   INTEGER NOT NULL,     -- when the user last entered the password
    used_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_sub ON sessions (sub);

-- The sign-in in which the grant was made. Null for grants by the operator.
ALTER TABLE grants ADD COLUMN session_id TEXT;
ALTER TABLE grants ADD COLUMN sid TEXT;          -- the session's id for this client
ALTER TABLE grants ADD COLUMN auth_time INTEGER;
ALTER TABLE grants ADD COLUMN claims TEXT;       -- the request's `claims`, as a JSON object

-- Authorization codes. A spent one is kept as long as its grant, because a replayed code revokes the grant and a guessed
-- one does not.
CREATE TABLE codes (
    code_hash      TEXT PRIMARY KEY,
    grant_id       TEXT NOT NULL REFERENCES grants (id),
    redirect_uri   TEXT NOT NULL,
    code_challenge TEXT,
    nonce          TEXT,
    expires_at     INTEGER NOT NULL,
    spent_at       INTEGER
) STRICT, WITHOUT ROWID;

-- Refresh tokens. A spent one is kept as long as its grant, for the same reason.
CREATE TABLE refresh_tokens (
    token_hash TEXT PRIMARY KEY,
    grant_id   TEXT NOT NULL REFERENCES grants (id),
    expires_at INTEGER NOT NULL,
    spent_at   INTEGER
) STRICT, WITHOUT ROWID;

-- What a user allowed a client. It is not requested again.
CREATE TABLE consents (
    sub        TEXT NOT NULL REFERENCES users (sub),
    client_id  TEXT NOT NULL,
    scope      TEXT NOT NULL,         -- scope tokens with single spaces between them
    claims     TEXT NOT NULL,         -- claims requested one by one, likewise
    granted_at INTEGER NOT NULL,
    PRIMARY KEY (sub, client_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX consents_by_client ON consents (client_id);

-- Authorization requests by POST, until the response is sent.
CREATE TABLE authorization_requests (
    handle_hash TEXT PRIMARY KEY,
    parameters  TEXT NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX authorization_requests_by_end ON authorization_requests (expires_at);

-- Attempts to sign in, counted before the password is checked. A counter is a MAC of the login and the browser or
-- network.
CREATE TABLE sign_in_attempts (
    counter  TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    next_at  INTEGER NOT NULL         -- no attempt is checked before this time
) STRICT, WITHOUT ROWID;

CREATE INDEX sign_in_attempts_by_time ON sign_in_attempts (last_at);
