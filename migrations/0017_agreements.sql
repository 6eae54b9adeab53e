-- What a user agreed to: to claims that a page has shown, for a client as the page has shown it.

-- The URI of the API of each scope that belonged to one, as a JSON object. Null if an older version stored the consent:
-- then its scopes count at every API.
ALTER TABLE consents ADD COLUMN apis TEXT;

-- A digest of the client's name, redirect hosts, subject type and sector. Null if an older version stored the consent:
-- then users of clients that nobody vouches for see the page again.
ALTER TABLE consents ADD COLUMN identity TEXT;

-- Older versions stored every claim that a client requested by name, also those that no scope released. No page has shown
-- them, but a later SCOPES would release them. Which ones were known is unknown here, so only the standard claims and
-- `groups`, which every provider has by default, stay. The others return at the next sign-in, if they are known.
-- Consents have only claims that a page has shown.
WITH known (name) AS (VALUES
    ('name'), ('given_name'), ('family_name'), ('middle_name'), ('nickname'), ('preferred_username'),
    ('profile'), ('picture'), ('website'), ('gender'), ('birthdate'), ('zoneinfo'), ('locale'),
    ('updated_at'), ('email'), ('email_verified'), ('address'), ('phone_number'), ('phone_number_verified'),
    ('groups'))
UPDATE grants SET claims = json_object(
    'id_token', json((SELECT json_group_array(value) FROM json_each(grants.claims, '$.id_token')
        WHERE substr(value, 1, instr(value || '#', '#') - 1) IN known)),
    'userinfo', json((SELECT json_group_array(value) FROM json_each(grants.claims, '$.userinfo')
        WHERE substr(value, 1, instr(value || '#', '#') - 1) IN known)))
WHERE claims <> '{}' AND json_valid(claims);

-- The account page lists the grants that can still be used. The indexes have the same names and as many rows as before.

-- The grants of a user: those with a refresh token, which live for months, and those without one, which live for minutes.
DROP INDEX grants_by_sub;
CREATE INDEX grants_by_sub
    ON grants (sub, (instr(' ' || scope || ' ', ' offline_access ') > 0), created_at);

-- Whether a grant has a refresh token that has not expired: one row, however many the grant has had.
DROP INDEX refresh_tokens_by_grant;
CREATE INDEX refresh_tokens_by_grant ON refresh_tokens (grant_id, expires_at);
