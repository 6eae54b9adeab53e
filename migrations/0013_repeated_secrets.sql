-- A response can be lost. The same request then gets the same secrets again, for some minutes.

-- How many clients it could register when it was made. A token for one client returns this client again. Null if an older
-- version made it: then it counts as one for several clients.
ALTER TABLE initial_access_tokens ADD COLUMN uses INTEGER;

-- The client that the last counted use registered. Null before the first use, and if only older versions counted uses.
ALTER TABLE initial_access_tokens ADD COLUMN used_by TEXT;

-- 256 random bits from which the client secret is derived, with KEY_ENCRYPTION_KEY and a credential that is not stored.
-- Null without such a secret, and some time after it was made, when no response repeats it.
ALTER TABLE clients ADD COLUMN secret_salt TEXT;

-- When that secret was made, in Unix seconds. Null without secret_salt.
ALTER TABLE clients ADD COLUMN secret_made_at INTEGER;
CREATE INDEX clients_by_secret ON clients (secret_made_at) WHERE secret_made_at IS NOT NULL;
