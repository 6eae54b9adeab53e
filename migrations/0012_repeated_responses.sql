-- The browser that got the response of a stored request, as the hash of its id. Until the row expires, some seconds
-- later, this browser gets a response again: its user clicked twice, or reloaded the page.
ALTER TABLE authorization_requests ADD COLUMN answered_by TEXT;
