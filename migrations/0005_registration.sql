-- Clients that register themselves. Times are Unix seconds, given by the worker; tokens are stored as the
-- SHA-256 of 256 random bits.

-- What lets a client read, replace and delete its own registration; null for one that is the operator's.
ALTER TABLE clients ADD COLUMN registration_token_hash TEXT;

-- When a client that registered without anybody's leave is forgotten; null for every other, and from its
-- first code on.
ALTER TABLE clients ADD COLUMN expires_at INTEGER
    CHECK (expires_at IS NULL OR registration_token_hash IS NOT NULL);

CREATE INDEX clients_by_end ON clients (expires_at) WHERE expires_at IS NOT NULL;

-- The operator's leave to register clients.
CREATE TABLE initial_access_tokens (
    token_hash TEXT PRIMARY KEY,
    uses_left  INTEGER NOT NULL,     -- how many clients it still registers
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    CHECK (uses_left >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX initial_access_tokens_by_end ON initial_access_tokens (expires_at);
