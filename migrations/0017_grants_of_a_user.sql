-- Finds the grants of a user and a client by their age: a new grant deletes a few whose tokens have expired, and requires
-- that there are not too many. It also serves the statements that know only the user.
DROP INDEX grants_by_sub;
CREATE INDEX grants_by_sub ON grants (sub, client_id, created_at);
