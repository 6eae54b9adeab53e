-- The logout tokens of each client, so that a client with many of them leaves room for the others: a run takes the clients in
-- turn. It costs one more row written for each token.
CREATE INDEX logout_deliveries_by_client ON logout_deliveries (client_id, next_try_at);
