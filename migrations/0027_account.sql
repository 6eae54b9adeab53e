-- What a user needs to recognize a session on the account page. All are of the last sign-in, and null if they are not known,
-- as those of the sessions that began before.

ALTER TABLE sessions ADD COLUMN browser TEXT; -- the name of the program, of a fixed list: not the header `User-Agent`
ALTER TABLE sessions ADD COLUMN system TEXT;  -- the operating system, likewise
ALTER TABLE sessions ADD COLUMN country TEXT; -- ISO 3166-1 alpha-2
ALTER TABLE sessions ADD COLUMN network TEXT; -- a /24 of IPv4 or a /48 of IPv6

-- When the client of a consent last signed its user in, or since a consent without it null. It is written for the first
-- sign-in of a day, because pages show the day.
ALTER TABLE consents ADD COLUMN used_at INTEGER;
