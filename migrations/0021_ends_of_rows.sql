-- The cron deletes what is over, the oldest first.

-- The last time at which something of the grant could be used, as far as the cron knows: null until it has looked, except for
-- the operator's grants. Not changed by a refresh, because that would cost three rows written each time.
ALTER TABLE grants ADD COLUMN alive_until INTEGER;

-- Grants of earlier versions are looked at first. It costs one more row written for each grant.
CREATE INDEX grants_by_life ON grants (coalesce(alive_until, created_at));

-- By the time that does not change when the session is used. It costs one more row written for each sign-in.
CREATE INDEX sessions_by_age ON sessions (auth_time);

-- Deleted clients and users whose rows were too many for one request. Until the cron has deleted the rest, no client gets
-- the identifier of one.
CREATE TABLE deleted_clients (
    client_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE deleted_users (
    sub TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The time that the cron deletes by: one row. It is at most an hour later than in the run before, so that a clock that is
-- ahead deletes nothing that is alive.
CREATE TABLE sweep_time (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    time INTEGER NOT NULL
) STRICT;
