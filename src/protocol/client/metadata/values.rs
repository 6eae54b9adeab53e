//! Client metadata values that are one of a fixed set of names.

use serde::{Deserialize, Deserializer, Serialize};

use crate::jose::client_jwk::ClientAlgorithm;
use crate::jose::json::deserialize_name;
use crate::jose::jwk::Algorithm;

/// A value with a registered name, out of a fixed set.
pub trait Named: Copy + Sized + 'static {
    /// All values with their names.
    const ALL: &'static [(&'static str, Self)];

    /// Returns all names, for error messages and for the metadata of the provider.
    fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|(name, _)| *name).collect()
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant,)*
        }

        impl $type {
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl Named for $type {
            const ALL: &'static [(&'static str, Self)] = &[$(($name, Self::$variant),)*];
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_name(deserializer, Self::from_name)
            }
        }
    };
}

named! {
    /// The kind of application (OpenID Connect Registration section 2). It decides which redirect URIs are allowed.
    ApplicationType {
        /// An application on the user's device.
        Native = "native",
        /// An application on a server or in a browser.
        Web = "web",
    }
}

named! {
    /// The client authentication method (OpenID Connect Core section 9). A client that has registered one of the two
    /// methods for secrets may use the other one, too.
    AuthMethod {
        /// The client secret in the `Authorization` header.
        ClientSecretBasic = "client_secret_basic",
        ClientSecretPost = "client_secret_post",
        /// No authentication: the client is public.
        None = "none",
        /// An assertion signed by the client (RFC 7523).
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

impl<'de> Deserialize<'de> for ClientAlgorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_name(deserializer, Self::from_name)
    }
}

named! {
    /// A grant type (RFC 7591 section 2).
    GrantType {
        /// An authorization code (RFC 6749 section 4.1).
        AuthorizationCode = "authorization_code",
        /// The client's own credentials, without a user (RFC 6749 section 4.4).
        ClientCredentials = "client_credentials",
        /// A device code, whose user signs in at another device (RFC 8628 section 3.4).
        DeviceCode = "urn:ietf:params:oauth:grant-type:device_code",
        /// Tokens from the authorization endpoint (OpenID Connect Core section 3.2). The token endpoint does not accept
        /// it.
        Implicit = "implicit",
        /// A refresh token (RFC 6749 section 6).
        RefreshToken = "refresh_token",
    }
}

named! {
    /// A response type (OpenID Connect Core section 3).
    ResponseType {
        /// The authorization code flow.
        Code = "code",
        /// The implicit flow with an ID token only.
        IdToken = "id_token",
        /// The implicit flow with an ID token and an access token.
        IdTokenToken = "id_token token",
    }
}

impl ResponseType {
    /// Parses the `response_type` of a request. Its names may be in any order (OAuth 2.0 Multiple Response Types
    /// section 3).
    pub fn of_request(text: &str) -> Option<Self> {
        let is_same = |name: &str| {
            let has = |word| text.split(' ').any(|other| other == word);
            name.split(' ').all(has) && name.split(' ').count() == text.split(' ').count()
        };
        Self::ALL.iter().find(|(name, _)| is_same(name)).map(|(_, response_type)| *response_type)
    }

    /// Returns the grant type that a client must register for a response type (OpenID Connect Registration section 2).
    pub(super) fn grant_type(self) -> GrantType {
        match self {
            Self::Code => GrantType::AuthorizationCode,
            Self::IdToken | Self::IdTokenToken => GrantType::Implicit,
        }
    }
}

named! {
    /// The kind of subject identifier, `sub`, that a client receives (OpenID Connect Core section 8).
    SubjectType {
        /// A different identifier for each sector, so that clients of different sectors cannot correlate users.
        Pairwise = "pairwise",
        /// The user's own `sub`, the same for all clients.
        Public = "public",
    }
}

impl SubjectType {
    /// Returns the type of a client that has registered none.
    pub(super) fn default_value() -> Self {
        Self::Public
    }
}
