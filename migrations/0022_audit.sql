-- The audit trail: who did what, and when. The statement that adds an event is part of the batch that it tells of, so there
-- is an event exactly if its act was stored. There are no foreign keys, because an event outlives its user and its client.
CREATE TABLE audit_events (
    -- Unix seconds.
    at INTEGER NOT NULL,
    -- Random. A batch that runs again does not add its event again, because both runs have the same time and id.
    id TEXT NOT NULL,
    -- What happened, a stable name such as 'sign_in.failed': EventKind in src/store/audit/kinds.rs has all of them.
    kind TEXT NOT NULL,
    -- Who did it: 'client', 'operator', 'provider' or 'user'.
    actor TEXT NOT NULL,
    -- The network that the request came from, a /24 of IPv4 or a /48 of IPv6. Null if there was no request.
    network TEXT,
    -- The user that it concerns.
    sub TEXT,
    -- The client that it concerns.
    client_id TEXT,
    -- A JSON object, for example with the id of a grant and the reason of its revocation.
    detail TEXT,
    -- Of an event that a stranger can cause. A new event replaces an older one in the slot.
    slot TEXT,
    PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;

-- Each index is one more row written for each event that has the column.
CREATE INDEX audit_events_by_user ON audit_events (sub, at, id) WHERE sub IS NOT NULL;
CREATE INDEX audit_events_by_client ON audit_events (client_id, at, id) WHERE client_id IS NOT NULL;
-- Sign-ins are most of the events, so those of a time are found by their time.
CREATE INDEX audit_events_by_kind ON audit_events (kind, at, id)
    WHERE kind NOT IN ('sign_in.succeeded', 'sign_in.failed');
CREATE UNIQUE INDEX audit_events_by_slot ON audit_events (slot) WHERE slot IS NOT NULL;
