-- Signed (RFC 9101) and pushed (RFC 9126) authorization requests are kept here too, with their transport.

-- The client that pushed the request. Null for a request from a browser.
ALTER TABLE authorization_requests ADD COLUMN pushed_by TEXT;

-- 1: the parameters are those of a request object with a verified signature.
ALTER TABLE authorization_requests ADD COLUMN is_signed INTEGER NOT NULL DEFAULT 0 CHECK (is_signed IN (0, 1));
