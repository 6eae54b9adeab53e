//! What real programs send, and what comes back: the rule behind each row that such a program met.

mod apis;
mod refresh_tokens;
mod scope_claims;
mod scopes;
mod unicode;
