-- The client of a stored authorization request, so that one batch reads both. Null for a request that an older version
-- stored: its client is then read after its parameters.
ALTER TABLE authorization_requests ADD COLUMN client_id TEXT;
