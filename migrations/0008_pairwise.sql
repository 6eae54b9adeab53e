-- What users are called by the clients of a sector that asked for pairwise subjects (OpenID Connect Core section
-- 8.1): 256 random bits for each user and sector, made once. They follow from nothing, so that nobody can turn them
-- back, and no other key will ever change them.
CREATE TABLE pairwise_subjects (
    sub     TEXT NOT NULL REFERENCES users (sub),
    sector  TEXT NOT NULL,
    subject TEXT NOT NULL UNIQUE,
    PRIMARY KEY (sub, sector)
) STRICT, WITHOUT ROWID;

-- What the client is told as sub, where that is not the user's own.
ALTER TABLE grants ADD COLUMN subject TEXT;
