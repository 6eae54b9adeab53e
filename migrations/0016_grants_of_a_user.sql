-- Finds the grants of a user and a client by their age: a new grant deletes a few whose tokens have expired, and requires
-- that there are not too many. It costs one more row written for each grant.
CREATE INDEX grants_by_user ON grants (sub, client_id, created_at);
