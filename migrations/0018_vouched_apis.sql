-- The APIs that the operator names with an initial access token: a client that registers with it may have those of their
-- scopes that it registers. A JSON array of URIs; null for none.

ALTER TABLE initial_access_tokens ADD COLUMN vouched_apis TEXT;

-- Those of the token that the client registered with. Null for every other client.
ALTER TABLE clients ADD COLUMN vouched_apis TEXT
    CHECK (vouched_apis IS NULL OR registration_token_hash IS NOT NULL);
