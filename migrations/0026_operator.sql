-- What the operator takes back: disabled users, all grants of a user or a client at once, and client secrets.

-- When the operator disabled the user, or null.
ALTER TABLE users ADD COLUMN disabled_at INTEGER;

-- How often all grants of the user, or of the client, were revoked at once; null is 0. There may be a million of them, so
-- each grant has the sum at the time when it was made, and counts only while the sum is the same. Times would not do,
-- because clocks differ.
ALTER TABLE users ADD COLUMN revocations INTEGER;
ALTER TABLE clients ADD COLUMN revocations INTEGER;
ALTER TABLE grants ADD COLUMN revocations INTEGER;

-- The secrets before the current one that still count: a JSON array of objects with "hash" and "until", or null.
ALTER TABLE clients ADD COLUMN previous_secrets TEXT;

-- The operator lists the sessions in which users have signed in to a client.
CREATE INDEX session_clients_by_client ON session_clients (client_id);
