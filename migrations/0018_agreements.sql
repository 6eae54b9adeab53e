-- A user agrees to claims that a page has shown.

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
