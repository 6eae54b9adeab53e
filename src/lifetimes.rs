//! Every time of the provider's policy, in seconds, with the reason or the section for each. Times that the operator
//! chooses are variables instead. It is on the ground floor because it imports nothing.

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

// Signing in.

/// A session ends after so long without a sign-in to a client, and at the latest after [`SESSION_SECONDS`].
pub const SESSION_IDLE_SECONDS: i64 = 24 * HOUR;
/// See [`SESSION_IDLE_SECONDS`]; counted from the password (NIST SP 800-63B section 4.1.4 asks for 30 days at most).
pub const SESSION_SECONDS: i64 = 14 * DAY;
/// How long a form or a link of ours may be used.
pub const FORM_SECONDS: i64 = HOUR;
/// How long a kept authorization request waits for its user.
pub const KEPT_REQUEST_SECONDS: i64 = HOUR;
/// How long a pushed request waits until its user opens it (RFC 9126 section 2.2 suggests 5 to 600 seconds).
pub const PUSHED_REQUEST_SECONDS: i64 = 90;
/// How long a browser is known: the longest that browsers keep a cookie (RFC 6265bis section 5.5).
pub const DEVICE_COOKIE_SECONDS: i64 = 400 * DAY;

// Guessing.

/// A counter of attempts begins anew after so long without one.
pub const ATTEMPT_WINDOW_SECONDS: i64 = HOUR;
/// The longest pause between two attempts from one network on one account.
pub const ATTEMPT_PAUSE_SECONDS: i64 = 5 * MINUTE;
/// The longest pause for an account as a whole, because a longer one would lock its owner out.
pub const ACCOUNT_PAUSE_SECONDS: i64 = 30;
/// The pause that is asked of an address that tries too often: the period of the platform's rate limit.
pub const ADDRESS_PAUSE_SECONDS: i64 = MINUTE;

// What is issued.

/// How long a code can be redeemed (RFC 6749 section 4.1.2 recommends 10 minutes at most).
pub const CODE_SECONDS: i64 = MINUTE;
/// How long an access token is valid. An API that checks tokens by itself sees no revocation for so long.
pub const ACCESS_TOKEN_SECONDS: i64 = 10 * MINUTE;
/// How long an ID token is valid.
pub const ID_TOKEN_SECONDS: i64 = HOUR;
/// A refresh token expires after so long without use, and at the latest when its grant does.
pub const REFRESH_TOKEN_IDLE_SECONDS: i64 = 30 * DAY;
/// How long a grant can be refreshed at all.
pub const REFRESHABLE_GRANT_SECONDS: i64 = 180 * DAY;
/// How long a spent refresh token still leads to its successor, for a client that lost the response.
pub const REFRESH_GRACE_SECONDS: i64 = MINUTE;
/// How far ahead a client assertion may expire: until then its `jti` is kept.
pub const CLIENT_ASSERTION_SECONDS: i64 = HOUR;
/// How long a token of the operator's is valid, unless the operator says otherwise.
pub const OPERATORS_TOKEN_SECONDS: i64 = 10 * MINUTE;
/// The longest that the operator may say.
pub const OPERATORS_TOKEN_LONGEST_SECONDS: i64 = DAY;
/// How long an initial access token is valid, unless the operator says otherwise.
pub const INITIAL_ACCESS_TOKEN_SECONDS: i64 = DAY;
/// The longest that the operator may say.
pub const INITIAL_ACCESS_TOKEN_LONGEST_SECONDS: i64 = 365 * DAY;
/// How long a client that registered without a token is kept before a user has signed in to it.
pub const UNUSED_CLIENT_SECONDS: i64 = DAY;

// Signing keys.

/// How long an isolate verifies with the key set that it read, and serves it, before it looks again. A key must be
/// published for longer than this before it signs.
pub const KEY_SET_SECONDS: i64 = 5 * MINUTE;
/// How long anybody may serve a key set that lacks a signing key of some algorithm: the key is being made, and what it
/// signs a second later must be verifiable.
pub const INCOMPLETE_KEY_SET_SECONDS: i64 = 5;
/// How long the cache is believed before the key table is read again: a key that was withdrawn by hand ends within
/// this and [`KEY_SET_SECONDS`].
pub const KEY_SET_REVIEW_SECONDS: i64 = 10 * MINUTE;
/// How long an isolate that did not find a `kid`, or could not make a key, does not try again.
pub const KEY_SEARCH_PAUSE_SECONDS: i64 = 10;
/// The same for an isolate that has no keys at all, because neither cache nor database answered.
pub const KEY_SEARCH_RETRY_SECONDS: i64 = 1;
/// How long the making of a key is claimed: far longer than it takes, and short enough that an isolate that dies over
/// it does not leave the provider without.
pub const KEY_CLAIM_SECONDS: i64 = MINUTE;
/// How far the clocks of two isolates may be apart, and how long a request may take: a key that one of them makes, the
/// other must find valid at once.
pub const CLOCK_SLACK_SECONDS: i64 = MINUTE;
/// How long KV may take to show everywhere what was put.
pub const KV_PROPAGATION_SECONDS: i64 = MINUTE;
/// How long a generation takes in access tokens that were accepted; one that is not used for twice as long is
/// forgotten.
pub const VERIFIED_TOKENS_SECONDS: i64 = 5 * MINUTE;

// What clients make us fetch.

/// How long a client's fetched keys are used before they are fetched anew: a key that a client withdrew ends within.
pub const CLIENT_KEYS_SECONDS: i64 = 10 * MINUTE;
/// How long a client's keys are not fetched again, whatever key is missing from them.
pub const CLIENT_KEYS_PAUSE_SECONDS: i64 = 30;
/// How long a client's keys are used while they cannot be fetched anew.
pub const CLIENT_KEYS_GRACE_SECONDS: i64 = DAY;
/// How long a fetch of keys that has begun is waited for: longer than one takes at the most.
pub const CLIENT_KEYS_FETCH_SECONDS: i64 = 10;
/// How long the copy of a logo is kept in the cache.
pub const LOGO_COPY_SECONDS: u32 = 86_400;
/// How long an isolate remembers a logo, and does not fetch again one that could not be had.
pub const LOGO_SECONDS: i64 = 10 * MINUTE;
/// How long a fetch of a logo that has begun is waited for. Pages that are shown meanwhile have no logo.
pub const LOGO_FETCH_SECONDS: i64 = 5;

// The platform.

/// How long the cache keeps a publication: long enough to serve, and short enough that the publications of old
/// deployments do not stay for ever.
pub const PUBLICATION_SECONDS: u32 = 7 * 86_400;
/// How long an isolate defers no further sweep: a database that is down need not be asked by each request that fails.
pub const SWEEP_PAUSE_SECONDS: i64 = 10;
