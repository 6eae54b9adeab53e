-- The last runs of the maintenance, which the scheduled event starts. An operator sees in them that it runs, and what it did.
CREATE TABLE maintenance_runs (
    started_at INTEGER PRIMARY KEY,  -- Unix seconds. Of two runs that start in one second, one row is kept.
    ended_at   INTEGER NOT NULL,
    report     TEXT NOT NULL         -- a JSON object: what each step did, and the faults
) STRICT;
