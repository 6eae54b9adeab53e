-- Who makes the missing key of an algorithm, where that takes long: whoever claimed it last, until the
-- claim ends. Times are Unix seconds, given by the worker.
CREATE TABLE key_claims (
    alg           TEXT PRIMARY KEY,
    claimed_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
