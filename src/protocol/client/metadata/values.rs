//! The values of client metadata that are names out of a fixed set.

use serde::{Deserialize, Serialize};

use crate::jose::client_jwk::ClientAlgorithm;
use crate::jose::jwk::Algorithm;

/// A value out of a fixed set, known by its name.
pub trait Named: Copy + Sized + 'static {
    /// All values, by name.
    const ALL: &'static [(&'static str, Self)];

    /// All names.
    fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|(name, _)| *name).collect()
    }

    /// The value of this name.
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant,)*
        }

        impl $type {
            /// The registered name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl Named for $type {
            const ALL: &'static [(&'static str, Self)] = &[$(($name, Self::$variant),)*];
        }
    };
}

named! {
    /// What kind of application a client is (OpenID Connect Registration section 2).
    ApplicationType {
        /// One on somebody's device.
        Native = "native",
        /// One on a server, or in a browser.
        Web = "web",
    }
}

named! {
    /// How a client authenticates (OpenID Connect Core section 9). A client with a secret may send it
    /// either way.
    AuthMethod {
        /// By its secret, in the Authorization header.
        ClientSecretBasic = "client_secret_basic",
        /// By its secret, in the body.
        ClientSecretPost = "client_secret_post",
        /// Not at all: a public client.
        None = "none",
        /// By an assertion that it signs (RFC 7523).
        PrivateKeyJwt = "private_key_jwt",
    }
}

impl Named for Algorithm {
    const ALL: &'static [(&'static str, Self)] =
        &[(Self::Es256.name(), Self::Es256), (Self::Rs256.name(), Self::Rs256)];
}

impl Named for ClientAlgorithm {
    const ALL: &'static [(&'static str, Self)] = &ClientAlgorithm::ALL;
}

named! {
    /// A grant type (RFC 7591 section 2).
    GrantType {
        /// The authorization code.
        AuthorizationCode = "authorization_code",
        /// The client's own credentials, for itself (RFC 6749 section 4.4).
        ClientCredentials = "client_credentials",
        /// None: tokens come from the authorization endpoint (OpenID Connect Core section 3.2).
        Implicit = "implicit",
        /// The refresh token.
        RefreshToken = "refresh_token",
    }
}

named! {
    /// A response type (OpenID Connect Core section 3).
    ResponseType {
        /// The authorization code flow.
        Code = "code",
        /// The implicit flow, with nothing but an ID token.
        IdToken = "id_token",
        /// The implicit flow, with an access token too.
        IdTokenToken = "id_token token",
    }
}

impl ResponseType {
    /// The response type of a request: names in whatever order (OAuth 2.0 Multiple Response Types section 3).
    pub fn of_request(text: &str) -> Option<Self> {
        let is_same = |name: &str| {
            let has = |word| text.split(' ').any(|other| other == word);
            name.split(' ').all(has) && name.split(' ').count() == text.split(' ').count()
        };
        Self::ALL.iter().find(|(name, _)| is_same(name)).map(|(_, response_type)| *response_type)
    }

    /// The grant type that a client must have registered for it (OpenID Connect Registration section 2).
    pub(super) fn grant_type(self) -> GrantType {
        match self {
            Self::Code => GrantType::AuthorizationCode,
            Self::IdToken | Self::IdTokenToken => GrantType::Implicit,
        }
    }
}

named! {
    /// What a client is told as `sub` (OpenID Connect Core section 8).
    SubjectType {
        /// Something that the clients of one sector know, and no other.
        Pairwise = "pairwise",
        /// The users' own `sub`.
        Public = "public",
    }
}

impl SubjectType {
    /// Core section 8: what a client gets that asks for nothing.
    pub(super) fn usual() -> Self {
        Self::Public
    }
}
