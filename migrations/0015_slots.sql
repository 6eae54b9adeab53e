-- A row that a stranger can add takes one of a fixed number of slots, so that there are never more such rows than slots.
-- The statement that adds it looks at a few random slots; it need not count rows. Null for a row that no stranger can add,
-- and for one that an older version added.
ALTER TABLE authorization_requests ADD COLUMN slot TEXT;
CREATE UNIQUE INDEX authorization_requests_by_slot ON authorization_requests (slot) WHERE slot IS NOT NULL;

ALTER TABLE client_assertions ADD COLUMN slot TEXT;
CREATE UNIQUE INDEX client_assertions_by_slot ON client_assertions (slot) WHERE slot IS NOT NULL;

-- Of a client that expires. It gives the slot back when a user signs in to it.
ALTER TABLE clients ADD COLUMN slot TEXT;
CREATE UNIQUE INDEX clients_by_slot ON clients (slot) WHERE slot IS NOT NULL;
