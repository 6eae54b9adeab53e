-- Access tokens that their client has revoked (RFC 7009), until they expire. The number of rows is limited by their slots.
CREATE TABLE revoked_tokens (
    -- The token's id, which the provider drew. It is no secret: who knows it cannot make the token.
    jti TEXT PRIMARY KEY,
    -- When the token would have expired, leeway included, in Unix seconds.
    expires_at INTEGER NOT NULL,
    slot TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX revoked_tokens_by_slot ON revoked_tokens (slot);
CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);
