-- Relying parties. Times are Unix seconds that the worker passes.
CREATE TABLE clients (
    client_id   TEXT PRIMARY KEY,
    metadata    TEXT NOT NULL,       -- a JSON object with the names of RFC 7591, defaults included
    secret_hash TEXT,                -- SHA-256 of a secret of 256 random bits; null for a public client
    trusted     INTEGER NOT NULL,    -- 1: the operator's own, which needs no consent
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    CHECK (trusted IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX grants_by_client ON grants (client_id);

-- A PHC string of Argon2. Null for a user without a password and for a deleted user.
ALTER TABLE users ADD COLUMN password_hash TEXT CHECK (password_hash IS NULL OR deleted_at IS NULL);
