//! The names of events in the audit trail. They are stable: operators filter by them, and stored events have them.

/// The kind of an event: what happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventKind {
    ClientCreated,
    ClientDeleted,
    ClientRegistered,
    ClientSecretEnded,
    ClientSecretMade,
    ClientUpdated,
    ConsentGiven,
    ConsentWithdrawn,
    GrantRevoked,
    InitialAccessTokenCreated,
    InitialAccessTokenRevoked,
    KeyCreated,
    KeyResealed,
    KeyWithdrawn,
    LogoutTokenGivenUp,
    PasswordChangeFailed,
    PasswordRemoved,
    PasswordSet,
    RegistrationTokenRevoked,
    SessionEnded,
    SignInFailed,
    SignInSucceeded,
    TokenMinted,
    UserCreated,
    UserDeleted,
    UserDisabled,
    UserEnabled,
    UserUpdated,
}

impl EventKind {
    pub const ALL: [Self; 28] = [
        Self::ClientCreated,
        Self::ClientDeleted,
        Self::ClientRegistered,
        Self::ClientSecretEnded,
        Self::ClientSecretMade,
        Self::ClientUpdated,
        Self::ConsentGiven,
        Self::ConsentWithdrawn,
        Self::GrantRevoked,
        Self::InitialAccessTokenCreated,
        Self::InitialAccessTokenRevoked,
        Self::KeyCreated,
        Self::KeyResealed,
        Self::KeyWithdrawn,
        Self::LogoutTokenGivenUp,
        Self::PasswordChangeFailed,
        Self::PasswordRemoved,
        Self::PasswordSet,
        Self::RegistrationTokenRevoked,
        Self::SessionEnded,
        Self::SignInFailed,
        Self::SignInSucceeded,
        Self::TokenMinted,
        Self::UserCreated,
        Self::UserDeleted,
        Self::UserDisabled,
        Self::UserEnabled,
        Self::UserUpdated,
    ];

    /// Returns the name, as the column `kind` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientCreated => "client.created",
            Self::ClientDeleted => "client.deleted",
            Self::ClientRegistered => "client.registered",
            Self::ClientSecretEnded => "client_secret.ended",
            Self::ClientSecretMade => "client_secret.made",
            Self::ClientUpdated => "client.updated",
            Self::ConsentGiven => "consent.given",
            Self::ConsentWithdrawn => "consent.withdrawn",
            Self::GrantRevoked => "grant.revoked",
            Self::InitialAccessTokenCreated => "initial_access_token.created",
            Self::InitialAccessTokenRevoked => "initial_access_token.revoked",
            Self::KeyCreated => "key.created",
            Self::KeyResealed => "key.resealed",
            Self::KeyWithdrawn => "key.withdrawn",
            Self::LogoutTokenGivenUp => "logout_token.given_up",
            Self::PasswordChangeFailed => "password.change_failed",
            Self::PasswordRemoved => "password.removed",
            Self::PasswordSet => "password.set",
            Self::RegistrationTokenRevoked => "registration_token.revoked",
            Self::SessionEnded => "session.ended",
            Self::SignInFailed => "sign_in.failed",
            Self::SignInSucceeded => "sign_in.succeeded",
            Self::TokenMinted => "token.minted",
            Self::UserCreated => "user.created",
            Self::UserDeleted => "user.deleted",
            Self::UserDisabled => "user.disabled",
            Self::UserEnabled => "user.enabled",
            Self::UserUpdated => "user.updated",
        }
    }

    /// Returns the kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns whether it is a sign-in. These are most of the events, so no index has their kind.
    pub(super) fn is_sign_in(self) -> bool {
        matches!(self, Self::SignInFailed | Self::SignInSucceeded)
    }
}

/// The party that did it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Actor {
    /// A client that manages its own registration, or revokes its token.
    Client,
    /// The holder of `ADMIN_TOKEN`.
    Operator,
    /// The provider itself.
    Provider,
    /// The user that the event names, or, of a failed sign-in, somebody who typed a login.
    User,
}

impl Actor {
    /// Returns the name, as the column `actor` has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Operator => "operator",
            Self::Provider => "provider",
            Self::User => "user",
        }
    }
}

/// Why a grant was revoked. A grant also ends with the consent, the user or the client, which have events of their own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RevocationReason {
    /// The client revoked a refresh token (RFC 7009).
    Client,
    /// A code was redeemed with a wrong redirect URI or PKCE verifier.
    CodeMismatch,
    /// A code was redeemed a second time.
    CodeReplayed,
    Operator,
    /// A refresh token was used again, after its successor or too late.
    RefreshTokenReused,
}

impl RevocationReason {
    /// Returns the name, as the detail of the event has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::CodeMismatch => "code_mismatch",
            Self::CodeReplayed => "code_replayed",
            Self::Operator => "operator",
            Self::RefreshTokenReused => "refresh_token_reused",
        }
    }

    pub(super) fn actor(self) -> Actor {
        match self {
            Self::Client => Actor::Client,
            Self::Operator => Actor::Operator,
            Self::CodeMismatch | Self::CodeReplayed | Self::RefreshTokenReused => Actor::Provider,
        }
    }
}

/// Why a session ended. One also ends with a password or its user, which have events of their own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SessionEndReason {
    /// Another user signed in with the browser.
    AnotherUser,
    Operator,
    /// The user signed out in the browser.
    SignedOut,
    /// A client has sent an ID token of the session, without the browser.
    SignedOutByClient,
    /// The user ended it on the account page, with another browser.
    SignedOutElsewhere,
}

impl SessionEndReason {
    /// Returns the name, as the detail of the event has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AnotherUser => "another_user",
            Self::Operator => "operator",
            Self::SignedOut => "signed_out",
            Self::SignedOutByClient => "signed_out_by_client",
            Self::SignedOutElsewhere => "signed_out_elsewhere",
        }
    }

    pub(super) fn actor(self) -> Actor {
        match self {
            Self::AnotherUser | Self::SignedOut | Self::SignedOutElsewhere => Actor::User,
            Self::Operator => Actor::Operator,
            Self::SignedOutByClient => Actor::Client,
        }
    }
}
