-- Indexes on the grants of tokens and codes. Each costs one more row written for each row that is inserted, and about 80
-- bytes. A later change of `spent_at` writes no row in them.

-- `consents::list_in` (the account page) finds the refresh tokens of a user's grants. The deletion of old grants
-- (docs/operations.md) also needs it, because the foreign key makes SQLite look for tokens of each deleted grant.
CREATE INDEX refresh_tokens_by_grant ON refresh_tokens (grant_id);

-- The deletion of old grants needs it for the same reason: without it, each deleted grant reads every code.
CREATE INDEX codes_by_grant ON codes (grant_id);
