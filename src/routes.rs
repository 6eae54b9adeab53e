//! The table of all that is served: where, by which methods, and what discovery says of it.

use crate::config::Issuer;

/// An endpoint by the name that the log uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// Everything of the operator's, told apart by [`admin`].
    Admin,
    /// Provider metadata, OpenID Connect Discovery.
    Discovery,
    /// The JWK Set.
    Jwks,
    /// Provider metadata, RFC 8414.
    OauthMetadata,
    /// Userinfo's protected resource metadata, RFC 9728.
    ResourceMetadata,
    /// Userinfo.
    Userinfo,
}

impl Endpoint {
    /// The name that the log uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Discovery => "discovery",
            Self::Jwks => "jwks",
            Self::OauthMetadata => "oauth_metadata",
            Self::ResourceMetadata => "resource_metadata",
            Self::Userinfo => "userinfo",
        }
    }
}

/// Where an endpoint lies, relative to the issuer.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Behind the issuer's path, and everything below it.
    Below(&'static str),
    /// Behind the issuer's path (OpenID Connect Discovery section 4).
    Behind(&'static str),
    /// A well-known path with the issuer's own path inserted behind it, and then the rest (RFC 8414
    /// section 3, RFC 9728 section 3).
    WellKnown(&'static str, &'static str),
}

/// A row of the table.
#[derive(Debug)]
pub struct Route {
    /// What answers.
    pub endpoint: Endpoint,
    /// Where.
    pub place: Place,
    /// The methods it answers, `OPTIONS` apart.
    pub methods: &'static [&'static str],
    /// The member of the provider metadata that gives its URL.
    pub member: Option<&'static str>,
    /// Whether scripts of any origin may use it. No cookie is ever looked at there.
    pub cors: bool,
}

const DOCUMENT: &[&str] = &["GET", "HEAD"];
const USERINFO_PATH: &str = "/auth/userinfo";

/// The table.
pub const ROUTES: &[Route] = &[DISCOVERY, OAUTH_METADATA, RESOURCE_METADATA, JWKS, USERINFO, ADMIN];

/// See [`Endpoint::Discovery`].
pub const DISCOVERY: Route = Route {
    endpoint: Endpoint::Discovery,
    place: Place::Behind("/.well-known/openid-configuration"),
    methods: DOCUMENT,
    member: None,
    cors: true,
};

/// See [`Endpoint::OauthMetadata`].
pub const OAUTH_METADATA: Route = Route {
    endpoint: Endpoint::OauthMetadata,
    place: Place::WellKnown("/.well-known/oauth-authorization-server", ""),
    methods: DOCUMENT,
    member: None,
    cors: true,
};

/// See [`Endpoint::ResourceMetadata`].
pub const RESOURCE_METADATA: Route = Route {
    endpoint: Endpoint::ResourceMetadata,
    place: Place::WellKnown("/.well-known/oauth-protected-resource", USERINFO_PATH),
    methods: DOCUMENT,
    member: None,
    cors: true,
};

/// See [`Endpoint::Jwks`].
pub const JWKS: Route = Route {
    endpoint: Endpoint::Jwks,
    place: Place::Behind("/auth/jwks.json"),
    methods: DOCUMENT,
    member: Some("jwks_uri"),
    cors: true,
};

/// See [`Endpoint::Userinfo`].
pub const USERINFO: Route = Route {
    endpoint: Endpoint::Userinfo,
    place: Place::Behind(USERINFO_PATH),
    methods: &["GET", "POST"],
    member: Some("userinfo_endpoint"),
    cors: true,
};

/// See [`Endpoint::Admin`].
pub const ADMIN: Route = Route {
    endpoint: Endpoint::Admin,
    place: Place::Below("/admin"),
    methods: &["GET", "POST", "PUT", "DELETE"],
    member: None,
    cors: false,
};

impl Route {
    /// The endpoint's URL.
    pub fn url(&self, issuer: &Issuer) -> String {
        match self.place {
            Place::Below(path) | Place::Behind(path) => format!("{}{path}", issuer.as_str()),
            Place::WellKnown(before, after) => {
                format!("{}{before}{}{after}", issuer.origin(), issuer.path())
            }
        }
    }

    fn matches(&self, path: &str, issuer: &Issuer) -> bool {
        let behind = path.strip_prefix(issuer.path());
        match self.place {
            Place::Below(own) => behind
                .and_then(|path| path.strip_prefix(own))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            Place::Behind(own) => behind == Some(own),
            Place::WellKnown(before, after) => path
                .strip_prefix(before)
                .and_then(|path| path.strip_prefix(issuer.path()))
                .is_some_and(|rest| rest == after),
        }
    }

    /// The methods as `Allow` lists them.
    pub fn allow(&self) -> String {
        self.methods.join(", ") + if self.cors { ", OPTIONS" } else { "" }
    }
}

/// The row of the table that serves a path.
pub fn route(path: &str, issuer: &Issuer) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.matches(path, issuer))
}
