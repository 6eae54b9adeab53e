//! Who vouches for a client.

/// Who vouches for a client. Each API of the operator is for the operator's clients, unless it is open to others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Voucher {
    /// Nobody: the client has registered itself, with or without an initial access token, or is by document. The
    /// operator may not even know it.
    Nobody,
    /// The operator has created the client, or has stored it again since it registered itself.
    Operator,
}
