//! Who vouches for a client.

/// Who vouches for a client. Each API of the operator is for the operator's clients, unless it is open to others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Voucher<'a> {
    /// Nobody: the client has registered itself, or is by document. The operator may not even know it.
    Nobody,
    /// The operator, for these APIs only: the client has registered itself with an initial access token that names their
    /// URIs.
    Apis(&'a [String]),
    /// The operator has created the client, or has stored it again since it registered itself.
    Operator,
}
