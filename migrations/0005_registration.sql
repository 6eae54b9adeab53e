-- Clients that register themselves. Times are Unix seconds that the worker passes. Tokens are 256 random bits, stored as
-- SHA-256.

-- The registration access token, by which a client reads, replaces and deletes its registration. Null for the operator's
-- clients.
ALTER TABLE clients ADD COLUMN registration_token_hash TEXT;

-- When a client that registered without an initial access token is deleted. Null for every other client, and after the
-- first grant.
ALTER TABLE clients ADD COLUMN expires_at INTEGER
    CHECK (expires_at IS NULL OR registration_token_hash IS NOT NULL);

CREATE INDEX clients_by_end ON clients (expires_at) WHERE expires_at IS NOT NULL;

-- Initial access tokens, with which the operator permits registrations.
CREATE TABLE initial_access_tokens (
    token_hash TEXT PRIMARY KEY,
    uses_left  INTEGER NOT NULL,     -- number of clients that it can still register
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    CHECK (uses_left >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX initial_access_tokens_by_end ON initial_access_tokens (expires_at);
