-- Authorization requests also come signed (RFC 9101) and pushed (RFC 9126): what counts of them is kept here as
-- well, with how they came.

-- The client that pushed the request; null for one that a browser brought.
ALTER TABLE authorization_requests ADD COLUMN pushed_by TEXT;

-- 1: its parameters are those of a request object whose signature was verified.
ALTER TABLE authorization_requests ADD COLUMN is_signed INTEGER NOT NULL DEFAULT 0 CHECK (is_signed IN (0, 1));
