-- The end of sessions: which clients a user has signed in to in a session, and who has to hear of its end.

-- The clients that got a grant in a session. A grant does not live as long as its session. It costs one row written for the
-- first sign-in to a client in a session.
CREATE TABLE session_clients (
    session_id   TEXT NOT NULL,
    client_id    TEXT NOT NULL,
    sid          TEXT NOT NULL,    -- the session's id for this client
    subject      TEXT NOT NULL,    -- the user's sub for this client
    signed_in_at INTEGER NOT NULL, -- the first time
    PRIMARY KEY (session_id, client_id)
) STRICT, WITHOUT ROWID;

-- Sessions that have ended, for a short time: the batch that ends them finds them here, however it has chosen them, and finds
-- them again if it is repeated because its response was lost.
CREATE TABLE ended_sessions (
    end_id     TEXT NOT NULL,      -- the hash of the cookie, if a browser's session ends by a logout; otherwise random
    session_id TEXT NOT NULL,
    sub        TEXT NOT NULL,
    ended_at   INTEGER NOT NULL,
    PRIMARY KEY (end_id, session_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX ended_sessions_by_time ON ended_sessions (ended_at);

-- Logout tokens to deliver (OpenID Connect Back-Channel Logout 1.0 section 2.5). A row is deleted once its client has
-- accepted the token, or after the last try. There is no reference to session and user, because both may be deleted.
CREATE TABLE logout_deliveries (
    session_id  TEXT NOT NULL,
    client_id   TEXT NOT NULL,
    sid         TEXT NOT NULL,
    subject     TEXT NOT NULL,
    ended_at    INTEGER NOT NULL,
    tries       INTEGER NOT NULL DEFAULT 0,
    next_try_at INTEGER NOT NULL,
    last_error  TEXT,              -- why the last try failed, for the operator
    PRIMARY KEY (session_id, client_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX logout_deliveries_by_time ON logout_deliveries (next_try_at);
