//! The table of all that is served: where, by which methods, and what discovery says of it.

use crate::config::{Config, Issuer, Registration};

/// An endpoint by the name that the log uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// A person's own page.
    Account,
    /// Everything of the operator's, told apart by [`admin`].
    Admin,
    /// The authorization endpoint.
    Authorize,
    /// A client's own registration, RFC 7592.
    Configuration,
    /// The consent form's.
    Consent,
    /// Provider metadata, OpenID Connect Discovery.
    Discovery,
    /// The JWK Set.
    Jwks,
    /// The login form's.
    Login,
    /// The end of a session.
    Logout,
    /// Provider metadata, RFC 8414.
    OauthMetadata,
    /// Pushed authorization requests, RFC 9126.
    Par,
    /// Registration of a new client, RFC 7591.
    Registration,
    /// Userinfo's protected resource metadata, RFC 9728.
    ResourceMetadata,
    /// The choice of an account.
    SelectAccount,
    /// The token endpoint.
    Token,
    /// Userinfo.
    Userinfo,
}

impl Endpoint {
    /// The name that the log uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Admin => "admin",
            Self::Authorize => "authorize",
            Self::Consent => "consent",
            Self::Discovery => "discovery",
            Self::Jwks => "jwks",
            Self::Login => "login",
            Self::OauthMetadata => "oauth_metadata",
            Self::Par => "pushed_authorization_request",
            Self::Registration => "register",
            Self::Configuration => "registration",
            Self::ResourceMetadata => "resource_metadata",
            Self::SelectAccount => "select_account",
            Self::Logout => "signout",
            Self::Token => "token",
            Self::Userinfo => "userinfo",
        }
    }

    /// Whether it serves a document, the same to everybody.
    pub fn is_document(self) -> bool {
        matches!(self, Self::Discovery | Self::Jwks | Self::OauthMetadata | Self::ResourceMetadata)
    }
}

/// Where an endpoint lies, relative to the issuer.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Behind the issuer's path, and everything below it.
    Below(&'static str),
    /// Behind the issuer's path (OpenID Connect Discovery section 4).
    Behind(&'static str),
    /// Behind the issuer's path, and one segment more: an id.
    Each(&'static str),
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
    pub field: Option<&'static str>,
    /// Who asks.
    pub audience: Audience,
}

/// Who asks at an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audience {
    /// Programs, and scripts of any origin too: no cookie is ever looked at. Errors are JSON.
    Clients,
    /// The operator. Errors are JSON.
    Operator,
    /// People, in their browser: no script of another origin may read anything. Errors are pages.
    People,
}

const DOCUMENT: &[&str] = &["GET", "HEAD"];
const FORM: &[&str] = &["POST"];
const PAGE: &[&str] = &["GET", "POST"];
const USERINFO_PATH: &str = "/auth/userinfo";

/// The table.
pub const ROUTES: &[Route] = &[
    DISCOVERY,
    OAUTH_METADATA,
    RESOURCE_METADATA,
    JWKS,
    AUTHORIZE,
    PAR,
    TOKEN,
    USERINFO,
    REGISTRATION,
    CONFIGURATION,
    LOGIN,
    SELECT_ACCOUNT,
    CONSENT,
    ACCOUNT,
    LOGOUT,
    ADMIN,
];

/// See [`Endpoint::Authorize`].
pub const AUTHORIZE: Route = Route {
    endpoint: Endpoint::Authorize,
    place: Place::Behind("/auth/authorize"),
    methods: PAGE,
    field: Some("authorization_endpoint"),
    audience: Audience::People,
};

/// See [`Endpoint::Par`].
pub const PAR: Route = Route {
    endpoint: Endpoint::Par,
    place: Place::Behind("/auth/par"),
    methods: FORM,
    field: Some("pushed_authorization_request_endpoint"),
    audience: Audience::Clients,
};

/// See [`Endpoint::Token`].
pub const TOKEN: Route = Route {
    endpoint: Endpoint::Token,
    place: Place::Behind("/auth/token"),
    methods: FORM,
    field: Some("token_endpoint"),
    audience: Audience::Clients,
};

/// See [`Endpoint::Login`].
pub const LOGIN: Route = Route {
    endpoint: Endpoint::Login,
    place: Place::Behind("/auth/login"),
    methods: PAGE,
    field: None,
    audience: Audience::People,
};

/// See [`Endpoint::SelectAccount`].
pub const SELECT_ACCOUNT: Route = Route {
    endpoint: Endpoint::SelectAccount,
    place: Place::Behind("/auth/select-account"),
    methods: FORM,
    field: None,
    audience: Audience::People,
};

/// See [`Endpoint::Consent`].
pub const CONSENT: Route = Route {
    endpoint: Endpoint::Consent,
    place: Place::Behind("/auth/consent"),
    methods: FORM,
    field: None,
    audience: Audience::People,
};

/// See [`Endpoint::Account`].
pub const ACCOUNT: Route = Route {
    endpoint: Endpoint::Account,
    place: Place::Behind("/auth/account"),
    methods: PAGE,
    field: None,
    audience: Audience::People,
};

/// See [`Endpoint::Logout`].
pub const LOGOUT: Route = Route {
    endpoint: Endpoint::Logout,
    place: Place::Behind("/auth/signout"),
    methods: FORM,
    field: None,
    audience: Audience::People,
};

/// See [`Endpoint::Discovery`].
pub const DISCOVERY: Route = Route {
    endpoint: Endpoint::Discovery,
    place: Place::Behind("/.well-known/openid-configuration"),
    methods: DOCUMENT,
    field: None,
    audience: Audience::Clients,
};

/// See [`Endpoint::OauthMetadata`].
pub const OAUTH_METADATA: Route = Route {
    endpoint: Endpoint::OauthMetadata,
    place: Place::WellKnown("/.well-known/oauth-authorization-server", ""),
    methods: DOCUMENT,
    field: None,
    audience: Audience::Clients,
};

/// See [`Endpoint::ResourceMetadata`].
pub const RESOURCE_METADATA: Route = Route {
    endpoint: Endpoint::ResourceMetadata,
    place: Place::WellKnown("/.well-known/oauth-protected-resource", USERINFO_PATH),
    methods: DOCUMENT,
    field: None,
    audience: Audience::Clients,
};

/// See [`Endpoint::Jwks`].
pub const JWKS: Route = Route {
    endpoint: Endpoint::Jwks,
    place: Place::Behind("/auth/jwks.json"),
    methods: DOCUMENT,
    field: Some("jwks_uri"),
    audience: Audience::Clients,
};

/// See [`Endpoint::Userinfo`].
pub const USERINFO: Route = Route {
    endpoint: Endpoint::Userinfo,
    place: Place::Behind(USERINFO_PATH),
    methods: &["GET", "POST"],
    field: Some("userinfo_endpoint"),
    audience: Audience::Clients,
};

/// See [`Endpoint::Registration`].
pub const REGISTRATION: Route = Route {
    endpoint: Endpoint::Registration,
    place: Place::Behind("/auth/register"),
    methods: FORM,
    field: Some("registration_endpoint"),
    audience: Audience::Clients,
};

/// See [`Endpoint::Configuration`]. Whoever registered may manage that, whatever the policy has become.
pub const CONFIGURATION: Route = Route {
    endpoint: Endpoint::Configuration,
    place: Place::Each("/auth/register/"),
    methods: &["GET", "PUT", "DELETE"],
    field: None,
    audience: Audience::Clients,
};

/// See [`Endpoint::Admin`].
pub const ADMIN: Route = Route {
    endpoint: Endpoint::Admin,
    place: Place::Below("/admin"),
    methods: &["GET", "POST", "PUT", "DELETE"],
    field: None,
    audience: Audience::Operator,
};

impl Route {
    /// The endpoint's URL; where it has one for each id, what stands before that.
    pub fn url(&self, issuer: &Issuer) -> String {
        match self.place {
            Place::Below(path) | Place::Behind(path) | Place::Each(path) => {
                format!("{}{path}", issuer.as_str())
            }
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
            Place::Each(own) => {
                behind.and_then(|path| path.strip_prefix(own)).is_some_and(|id| !id.contains('/'))
            }
            Place::WellKnown(before, after) => path
                .strip_prefix(before)
                .and_then(|path| path.strip_prefix(issuer.path()))
                .is_some_and(|rest| rest == after),
        }
    }

    /// Whether scripts of any origin may use it.
    pub fn has_cors(&self) -> bool {
        self.audience == Audience::Clients
    }

    /// The methods as `Allow` lists them.
    pub fn allow(&self) -> String {
        self.methods.join(", ") + if self.has_cors() { ", OPTIONS" } else { "" }
    }
}

/// The rows of the table that this configuration serves.
pub fn served(config: &Config) -> impl Iterator<Item = &'static Route> {
    let is_closed = config.registration == Registration::Closed;
    ROUTES.iter().filter(move |route| route.endpoint != Endpoint::Registration || !is_closed)
}

/// The row of the table that serves a path.
pub fn route(path: &str, config: &Config) -> Option<&'static Route> {
    served(config).find(|route| route.matches(path, &config.issuer))
}
