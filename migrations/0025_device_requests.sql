-- The requests of devices (RFC 8628): stored authorization requests whose response a device gets by polling.

-- The hash of the device code. Null for every other request.
ALTER TABLE authorization_requests ADD COLUMN device_code_hash TEXT;
CREATE UNIQUE INDEX authorization_requests_by_device_code ON authorization_requests (device_code_hash)
    WHERE device_code_hash IS NOT NULL;

-- What the page shows about the request: when it was sent, from where and by which program. A JSON object.
ALTER TABLE authorization_requests ADD COLUMN device TEXT;

-- The hash of the id of the browser in which the user code was typed last. No other browser can go on with the request, so a
-- link to it is of no use.
ALTER TABLE authorization_requests ADD COLUMN typed_in TEXT;

-- Polls: the seconds between two of them, the last one that was not too early, and the random id of its request.
ALTER TABLE authorization_requests ADD COLUMN poll_interval INTEGER;
ALTER TABLE authorization_requests ADD COLUMN polled_at INTEGER;
ALTER TABLE authorization_requests ADD COLUMN polled_by TEXT;

-- The grant, once the user has allowed the request. A request with `answered_by` and without a grant was denied. It is no
-- foreign key, because the deletion of each grant would have to look for it here.
ALTER TABLE authorization_requests ADD COLUMN grant_id TEXT;

-- When the device first got its tokens.
ALTER TABLE authorization_requests ADD COLUMN spent_at INTEGER;

-- Counters of wrong user codes: of everybody, of networks and of users. Strangers add few rows, because the counter of
-- everybody allows few wrong codes.
CREATE TABLE user_code_attempts (
    counter  TEXT PRIMARY KEY,
    wrong    INTEGER NOT NULL,
    began_at INTEGER NOT NULL         -- when the first of them was typed
) STRICT, WITHOUT ROWID;

CREATE INDEX user_code_attempts_by_time ON user_code_attempts (began_at);
