-- The operator's own clients: they are few, and strangers, who may be many, must not hide them. It costs one more row written
-- when the operator registers a client.
CREATE INDEX clients_of_the_operator ON clients (registration_token_hash, document_until)
    WHERE registration_token_hash IS NULL AND document_until IS NULL;
