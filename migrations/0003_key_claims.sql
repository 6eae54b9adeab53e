-- The isolate that last claimed an algorithm generates its missing key, until the claim ends, because generation can
-- take long. Times are Unix seconds that the worker passes.
CREATE TABLE key_claims (
    alg           TEXT PRIMARY KEY,
    claimed_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
