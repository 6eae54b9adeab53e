-- Used client assertions (RFC 7523), until they expire, because each is valid once. Times are Unix seconds that
-- the worker passes.
CREATE TABLE client_assertions (
    client_id  TEXT NOT NULL,
    jti_hash   TEXT NOT NULL,         -- SHA-256
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, jti_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX client_assertions_by_end ON client_assertions (expires_at);
