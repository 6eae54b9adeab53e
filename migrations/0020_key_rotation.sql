-- When a key was made. Null for the keys of older versions, whose age is unknown: the first maintenance makes their
-- successors. It decides only when a successor is made; the other times decide what a key does.
ALTER TABLE signing_keys ADD COLUMN created_at INTEGER;
-- A random id of the last change of the algorithm's keys. A change is planned for the keys that were read with the id
-- before, and applies to no others.
ALTER TABLE key_claims ADD COLUMN changed_by TEXT;
