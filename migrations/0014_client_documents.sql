-- Clients whose identifier is the URL of their metadata (draft-ietf-oauth-client-id-metadata-document). The row is a copy of
-- the document, stored when a user signs in or the client pushes a request. Its registration_token_hash is 'document',
-- which is the hash of no token, and it expires after an hour if no user signs in.

-- Until when the copy counts, in Unix seconds; 0 after the document was withdrawn. Null for every other client.
ALTER TABLE clients ADD COLUMN document_until INTEGER
    CHECK (document_until IS NULL OR registration_token_hash = 'document');
