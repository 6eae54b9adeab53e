-- The request that spent a code or used an assertion, as a random id. Later statements of the same batch require it, so
-- that only the request that won continues.
ALTER TABLE codes ADD COLUMN spent_by TEXT;
ALTER TABLE client_assertions ADD COLUMN used_by TEXT;
