-- A response can be lost. The same request then gets the same secrets again, for some minutes.

-- The client that the last counted use registered. Null before the first use, and if an older version counted it.
ALTER TABLE initial_access_tokens ADD COLUMN used_by TEXT;
