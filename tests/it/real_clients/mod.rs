//! What real clients send, and what they get. Each test has the request of a client that was met, and others of its kind.
//!
//! | sent by clients | tests |
//! | --- | --- |
//! | **Registration** | |
//! | grant types and response types that are not served | `registered_flows` |
//! | fields that are empty, null or without a meaning | `registration` |
//! | private-use schemes, loopback ports, plain http in a private network | `redirect_uris` |
//! | `client_secret_expires_at` of a client that is forgotten | `client_secrets` |
//! | a request without a token | `browsers` |
//! | **Authorization request** | |
//! | no `scope`, the scopes of an open API | `scopes` |
//! | spaces in `scope` | [`crate::scope_spaces`] |
//! | `resource` with and without a slash, or unknown | `scopes` |
//! | `response_mode=fragment` with `code` | `authorization` |
//! | unknown values of `prompt` | `prompts` in [`crate::hostile`]'s `authorize` |
//! | `id_token_hint` whose key is gone | `id_token_hint` |
//! | a pushed request that is loaded again | `pushed`, [`crate::pushed`] |
//! | a prefetch | [`crate::prefetch`] |
//! | a space in `state` | `a_client_that_only_percent_decodes_gets_its_state` in [`crate::implicit`] |
//! | `HEAD` | `head` |
//! | a callback that redirects to another scheme | `callbacks` |
//! | **Token endpoint** | |
//! | a code with PKCE, without `redirect_uri` | rows of [`crate::hostile`]'s `token`, [`crate::codes`] |
//! | a refresh with more scopes than were granted, or without `offline_access` | `refresh_tokens` |
//! | times of a client assertion that are ahead, or have fractions | [`crate::client_assertions`] |
//! | an `aud` with a slash behind an issuer without a path | `client_jwts` |
//! | keys and documents at `https` on loopback | `loopback` |
//! | **Access tokens at APIs** | |
//! | RS256 only, `typ: JWT` only | `apis` |
//! | **Claims, discovery, browser** | |
//! | name, e-mail and groups read from the ID token | `scope_claims` |
//! | fetch with headers of its own, `Retry-After` read by scripts | `browsers` |
//! | metadata of an issuer with a path | `every_endpoint_is_below_the_path_of_the_issuer` in [`crate::discovery`] |
//! | logins and passwords in another Unicode form | `unicode`, and `tests/edge/sign_in.test.mjs` in the runtime |
//! | **Command line** | |
//! | a byte order mark, UTF-16 | `tests/edge/command_line.test.mjs` |

pub mod apis;
mod authorization;
mod browsers;
mod callbacks;
mod client_jwts;
mod client_secrets;
mod head;
mod id_token_hint;
mod loopback;
mod pushed;
mod redirect_uris;
mod refresh_tokens;
mod registered_flows;
mod registration;
mod scope_claims;
mod scopes;
mod unicode;
