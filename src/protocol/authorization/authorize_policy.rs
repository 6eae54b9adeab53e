//! The operator's policy for authorization requests.

use crate::protocol::authorization::resources::Resources;
use crate::protocol::client::voucher::Voucher;
use crate::protocol::user::scope::ScopeTable;

/// The operator's policy for the authorization requests of a client.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizePolicy<'a> {
    /// Whether the authorization endpoint may issue tokens (implicit flow).
    pub allows_implicit: bool,
    /// The operator's APIs.
    pub resources: &'a Resources,
    /// All other scopes of this provider.
    pub scopes: &'a ScopeTable,
    /// Decides whether the client can have scopes of APIs that are not open.
    pub voucher: Voucher<'a>,
}
