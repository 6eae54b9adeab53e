-- Pairwise subjects (OpenID Connect Core section 8.1): 256 random bits for each user and sector, made once. They are not
-- derived from a key, so no key reveals or changes them.
CREATE TABLE pairwise_subjects (
    sub     TEXT NOT NULL REFERENCES users (sub),
    sector  TEXT NOT NULL,
    subject TEXT NOT NULL UNIQUE,
    PRIMARY KEY (sub, sector)
) STRICT, WITHOUT ROWID;

-- The sub for the client, if it is not the user's own.
ALTER TABLE grants ADD COLUMN subject TEXT;
