//! Every fixed time of the provider's policy, in seconds, each with its reason or the section of a specification.
//! Times that the operator chooses are variables instead.

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A day, the unit of `AUDIT_DAYS`.
pub const DAY_SECONDS: i64 = DAY;

// Sign-in.

/// A session expires if no client signs its user in for this time, and after [`SESSION_SECONDS`] in any case.
pub const SESSION_IDLE_SECONDS: i64 = 24 * HOUR;
/// Lifetime of a session since the password was entered (NIST SP 800-63B section 4.1.4 allows 30 days).
pub const SESSION_SECONDS: i64 = 14 * DAY;
/// Lifetime of a form, and of a link on a page of the provider.
pub const FORM_SECONDS: i64 = HOUR;
/// Lifetime of a stored authorization request while its user signs in, and of a client by document that pushed it.
pub const KEPT_REQUEST_SECONDS: i64 = HOUR;
/// Lifetime of a `request_uri` (RFC 9126 section 2.2 suggests 5 to 600 seconds).
pub const PUSHED_REQUEST_SECONDS: i64 = 90;
/// How long a browser that got the response of a stored authorization request gets a response again: its user clicked
/// twice, reloaded the page, or used another tab. It is long enough for a page that loads slowly.
pub const REPEATED_RESPONSE_SECONDS: i64 = 30;
/// Lifetime of the device cookie: the longest that browsers keep a cookie (RFC 6265bis section 5.5).
pub const DEVICE_COOKIE_SECONDS: i64 = 400 * DAY;

// Password guessing.

/// The longest pause between two attempts, and the time after which a counter forgets one failure. Both are one time, so
/// that a counter whose pauses are the longest rises no more, and allows six attempts a day. A user who was locked out
/// of new browsers by an attacker waits this long at most after the attack.
pub const ATTEMPT_PAUSE_SECONDS: i64 = 4 * HOUR;
/// How long a counter is kept without an attempt: longer than it takes to forget all failures that it can have.
pub const ATTEMPT_WINDOW_SECONDS: i64 = 16 * DAY;
/// `Retry-After` for an address that exceeds the platform's rate limit: the period of that limit.
pub const ADDRESS_PAUSE_SECONDS: i64 = MINUTE;

/// The time in which a network, a user and everybody together may type a limited number of wrong user codes.
pub const USER_CODE_WINDOW_SECONDS: i64 = HOUR;

// Codes, tokens and clients.

/// Lifetime of an authorization code (RFC 6749 section 4.1.2 recommends 10 minutes at most).
pub const CODE_SECONDS: i64 = MINUTE;
/// Lifetime of a device code and its user code (RFC 8628 section 3.2): long enough to find the other device, to sign in
/// there and to read the page.
pub const DEVICE_CODE_SECONDS: i64 = 15 * MINUTE;
/// How long a device can get its tokens after the user has allowed its request: several of the longest intervals.
pub const DEVICE_REDEMPTION_SECONDS: i64 = 5 * MINUTE;
/// How long a device gets its tokens again, because the response may have been lost: RFC 8628 section 3.5 lets a device poll
/// on after a timeout. It is twice the longest interval.
pub const DEVICE_REPEAT_SECONDS: i64 = 2 * MINUTE;
/// How long an expired device code is remembered, so that a device that polls late learns that it has expired.
pub const DEVICE_CODE_KEPT_SECONDS: i64 = 5 * MINUTE;
/// The first interval between two polls of a device, and by how much it grows with each poll that is too early (RFC 8628
/// sections 3.2 and 3.5).
pub const POLL_INTERVAL_SECONDS: i64 = 5;
/// The longest interval, so that a device that polled too often still gets its tokens before the code expires.
pub const POLL_INTERVAL_LONGEST_SECONDS: i64 = MINUTE;
/// Lifetime of an access token. A resource server that verifies tokens locally notices a revocation only after it.
pub const ACCESS_TOKEN_SECONDS: i64 = 10 * MINUTE;
/// A grant is deleted if it has had no refresh token for this time: longer than its code and an access token, the largest
/// leeway for clocks and a slow request take together.
pub const DEAD_GRANT_SECONDS: i64 = 20 * MINUTE;
/// The time in which a user and a client can get a limited number of grants.
pub const GRANT_LIMIT_SECONDS: i64 = DAY;
/// Lifetime of an ID token.
pub const ID_TOKEN_SECONDS: i64 = HOUR;
/// A refresh token expires after this time without use, or together with its grant.
pub const REFRESH_TOKEN_IDLE_SECONDS: i64 = 30 * DAY;
/// Lifetime of a grant that has a refresh token.
pub const REFRESHABLE_GRANT_SECONDS: i64 = 180 * DAY;
/// How long a grant can be used without a refresh token: until its code expires, or that of its device, the token request
/// has arrived, and its access token expires.
pub const UNREFRESHED_GRANT_SECONDS: i64 =
    DEVICE_REDEMPTION_SECONDS + BODY_SECONDS + ACCESS_TOKEN_SECONDS;
/// How long a rotated refresh token still returns its successor, unless that was used: for a client that lost the
/// response and tries again after an outage.
pub const REFRESH_GRACE_SECONDS: i64 = HOUR;
/// How far in the future the `exp` of a client assertion may be. Its `jti` is stored until then.
pub const CLIENT_ASSERTION_SECONDS: i64 = HOUR;
/// How long a request object that the client sends is valid after its `nbf` or `iat`, even if its `exp` is later, and
/// how far in the future `exp` may be if it has neither (FAPI 2.0 Message Signing section 5.3.1). It is in the URL of a
/// page, so it is in the history of browsers.
pub const REQUEST_OBJECT_SECONDS: i64 = HOUR;
/// How far in the future the `iat` and `nbf` of a client's JWT may be, even if `CLOCK_LEEWAY` is shorter (FAPI 2.0
/// Security Profile section 5.3.2.1).
pub const CLIENT_CLOCK_AHEAD_SECONDS: i64 = 10;
/// Default lifetime of an access token that the operator issues.
pub const OPERATORS_TOKEN_SECONDS: i64 = 10 * MINUTE;
/// The longest lifetime of an access token that the operator issues.
pub const OPERATORS_TOKEN_LONGEST_SECONDS: i64 = DAY;
/// Default lifetime of an initial access token (RFC 7591 section 1.2).
pub const INITIAL_ACCESS_TOKEN_SECONDS: i64 = DAY;
/// The longest lifetime of an initial access token.
pub const INITIAL_ACCESS_TOKEN_LONGEST_SECONDS: i64 = 365 * DAY;
/// How long the same request gets the same result again, because its response may have been lost: a registration with an
/// initial access token for one use, and a request that gave a client a secret. It is long enough to notice the error
/// and to repeat the request by hand, and short because a thief who repeats it learns the secrets, too.
pub const LOST_RESPONSE_SECONDS: i64 = 10 * MINUTE;
/// How long a client's secret counts by default after the operator has replaced it: a working day to change the client.
pub const SECRET_OVERLAP_SECONDS: i64 = DAY;
/// How long it counts at most.
pub const SECRET_OVERLAP_LONGEST_SECONDS: i64 = 90 * DAY;
/// Lifetime of a client that registered without a token, unless a user signs in to it.
pub const UNUSED_CLIENT_SECONDS: i64 = DAY;

// Logout tokens.

/// Lifetime of a logout token (Back-Channel Logout section 2.4 recommends two minutes at most). Each try has a new one.
pub const LOGOUT_TOKEN_SECONDS: i64 = 2 * MINUTE;
/// How long an isolate has a logout token to itself: longer than a try takes, and two clocks may differ.
pub const LOGOUT_LEASE_SECONDS: i64 = 2 * MINUTE;
/// The longest pause between two tries: a client that is back gets its logout tokens within this time and
/// [`MAINTENANCE_INTERVAL_SECONDS`].
pub const LOGOUT_LONGEST_PAUSE_SECONDS: i64 = 6 * HOUR;
/// How long after the end of its session a logout token is tried again: over a weekend. Sessions at clients are rarely longer.
pub const LOGOUT_DELIVERY_SECONDS: i64 = 3 * DAY;
/// A logout token that waits for longer than this is reported to the operator.
pub const LOGOUT_LATE_SECONDS: i64 = HOUR;
/// How long one run of the maintenance delivers logout tokens.
pub const LOGOUT_BUDGET_SECONDS: i64 = 30;

// Signing keys.

/// The longest lifetime of a token that a signing key signs.
pub const LONGEST_TOKEN_SECONDS: i64 = OPERATORS_TOKEN_LONGEST_SECONDS;
/// By how much the clock of a relying party may be behind when it checks a token's `exp`. A key stays published for so
/// much longer.
pub const RELYING_PARTY_LEEWAY_SECONDS: i64 = 5 * MINUTE;
/// How long after the time for it a missing successor of a key counts as overdue: several runs of the maintenance.
pub const KEY_OVERDUE_SECONDS: i64 = HOUR;
/// How long the row of a key is kept after the key is no longer published, for the operator.
pub const KEY_ROW_SECONDS: i64 = 30 * DAY;
/// A key that signs this soon is not replaced by another one, because isolates may remember that it signs: they remember the
/// key table for [`KEY_SET_SECONDS`], and the clocks of two may be off.
pub const KEY_HANDOVER_SECONDS: i64 = KEY_SET_SECONDS + 2 * CLOCK_SLACK_SECONDS;
/// How long an isolate serves a key set, and verifies with it, before it reads the set again. A key must be published
/// for longer than this before it signs.
pub const KEY_SET_SECONDS: i64 = 5 * MINUTE;
/// Lifetime of a key set that lacks the signing key of an algorithm. It is short because the key is being generated,
/// and relying parties must find the key once it signs.
pub const INCOMPLETE_KEY_SET_SECONDS: i64 = 5;
/// Age of the key set in the cache after which the key table is read again. A key that the operator withdraws is used
/// for at most this time and [`KEY_SET_SECONDS`].
pub const KEY_SET_REVIEW_SECONDS: i64 = 10 * MINUTE;
/// Pause before an isolate that did not find a `kid`, or failed to generate a key, tries again.
pub const KEY_SEARCH_PAUSE_SECONDS: i64 = 10;
/// The same pause for an isolate without any keys, because neither cache nor database answered.
pub const KEY_SEARCH_RETRY_SECONDS: i64 = 1;
/// How long one isolate claims the generation of a key: much longer than it takes, and short enough that another
/// isolate soon retries if the first one dies.
pub const KEY_CLAIM_SECONDS: i64 = MINUTE;
/// Allowance for the clock difference between two isolates, and for the duration of a request. A time that is further
/// ahead than any rule allows comes from an isolate whose clock is wrong, and is not trusted.
pub const CLOCK_SLACK_SECONDS: i64 = MINUTE;
/// How long KV may take to show a write in every location.
pub const KV_PROPAGATION_SECONDS: i64 = MINUTE;
/// How long one generation of verified access tokens takes new entries. A token that is not used for twice this time is
/// forgotten.
pub const VERIFIED_TOKENS_SECONDS: i64 = 5 * MINUTE;

// Documents of clients.

/// How long a fetch counts as running: longer than its timeout. Other requests wait for it, or use old keys.
pub const FETCH_SECONDS: i64 = 10;
/// How long a client's fetched keys are used. A key that the client withdraws is accepted for at most this time and
/// [`FETCH_SECONDS`], as long as it can be fetched.
pub const CLIENT_KEYS_SECONDS: i64 = 10 * MINUTE;
/// Pause after a fetch of a client's keys, even if a JWT names a `kid` that is not among them.
pub const CLIENT_KEYS_PAUSE_SECONDS: i64 = 30;
/// Pause after a fetch that failed because the server did not answer, or after any failed fetch of another document than
/// keys and logos, since the request began; and `Retry-After` of the response. It contains the timeout of the fetch.
pub const FETCH_RETRY_SECONDS: i64 = 10;
/// How long a client's fetched keys are used while every new fetch fails.
pub const CLIENT_KEYS_GRACE_SECONDS: i64 = DAY;
/// How long a client's fetched keys are used while other requests use up the fetches. It is shorter, because a stranger can
/// cause that on purpose, to go on using a key that the client has withdrawn.
pub const CLIENT_KEYS_CROWDED_SECONDS: i64 = HOUR;
/// How long they are used after each of these failures before the next fetch, so that few requests wait for a server
/// that does not answer.
pub const CLIENT_KEYS_EXTENSION_SECONDS: i64 = MINUTE;
/// How long a client metadata document counts at least, so that a client does not make the provider fetch it for each
/// request, and at most, so that a change takes effect (draft-ietf-oauth-client-id-metadata-document-01).
/// Between the two, its HTTP headers decide.
pub const CLIENT_DOCUMENT_SHORTEST_SECONDS: i64 = 5 * MINUTE;
/// See [`CLIENT_DOCUMENT_SHORTEST_SECONDS`].
pub const CLIENT_DOCUMENT_LONGEST_SECONDS: i64 = DAY;
/// How long the copy of a document is used after that, while every fetch fails.
pub const CLIENT_DOCUMENT_GRACE_SECONDS: i64 = DAY;
/// Lifetime of a logo in the cache.
pub const LOGO_COPY_SECONDS: u32 = 86_400;
/// How long an isolate remembers a logo, or that fetching it failed.
pub const LOGO_SECONDS: i64 = 10 * MINUTE;
/// How long an isolate remembers the request object at a `request_uri`. The URI is the same for all users, so that the
/// object is, too. Somebody who opens the link again and again causes few fetches, and disturbs no user.
pub const REQUEST_OBJECT_COPY_SECONDS: i64 = 10;

// The platform.

/// How long the body of a request may take to arrive, since the request began. It is long enough for a form on a slow
/// connection, and shorter than [`CLOCK_SLACK_SECONDS`].
pub const BODY_SECONDS: i64 = 30;
/// Lifetime of a publication in the cache, so that the publications of old deployments disappear.
pub const PUBLICATION_SECONDS: u32 = 7 * 86_400;
/// How long a used assertion and a counter of attempts are kept after they expire. An isolate whose clock is ahead would
/// otherwise delete them while they count, so that an assertion works again or failures are forgotten.
pub const SWEEP_DELAY_SECONDS: i64 = HOUR;
/// Time between two runs of the maintenance: the `crons` of wrangler.toml.
pub const MAINTENANCE_INTERVAL_SECONDS: i64 = 5 * MINUTE;
/// A run of the maintenance that begins so long after the one before is late: two were missed.
pub const MAINTENANCE_LATE_SECONDS: i64 = 3 * MAINTENANCE_INTERVAL_SECONDS;
/// How long one run of the maintenance deletes rows. It is shorter than the interval, so that two runs do not meet.
pub const SWEEP_BUDGET_SECONDS: i64 = 30;
/// Pause between two sweeps of one isolate, so that few requests of a quiet database cause one.
pub const SWEEP_INTERVAL_SECONDS: i64 = 5 * MINUTE;
/// The same pause if the last sweep left expired rows.
pub const SWEEP_CONTINUATION_SECONDS: i64 = 1;
/// The same pause if the database fails, so that not every failed request queries a database that is down.
pub const SWEEP_PAUSE_SECONDS: i64 = 10;

// The log.

/// How long an isolate does not write the line of an event again that strangers, or a part that is down, can cause many
/// times a second.
pub const EVENT_PAUSE_SECONDS: i64 = MINUTE;
/// The same for a rotation that is overdue, which every signature notices.
pub const OVERDUE_PAUSE_SECONDS: i64 = HOUR;
