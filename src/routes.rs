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
    ClientConfiguration,
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
    ClientRegistration,
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
            Self::Par => "par",
            Self::ClientRegistration => "client_registration",
            Self::ClientConfiguration => "client_configuration",
            Self::ResourceMetadata => "resource_metadata",
            Self::SelectAccount => "select_account",
            Self::Logout => "logout",
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
pub enum PathPattern {
    /// Behind the issuer's path, and everything below it.
    Prefix(&'static str),
    /// Behind the issuer's path (OpenID Connect Discovery section 4).
    Exact(&'static str),
    /// Behind the issuer's path, and one segment more: an id.
    WithId(&'static str),
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
    pub path: PathPattern,
    /// The methods it answers, `OPTIONS` apart.
    pub methods: &'static [&'static str],
    /// The member of the provider metadata that gives its URL.
    pub metadata_field: Option<&'static str>,
    /// Who asks.
    pub caller: Caller,
}

/// Who asks at an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
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
    path: PathPattern::Exact("/auth/authorize"),
    methods: PAGE,
    metadata_field: Some("authorization_endpoint"),
    caller: Caller::People,
};

/// See [`Endpoint::Par`].
pub const PAR: Route = Route {
    endpoint: Endpoint::Par,
    path: PathPattern::Exact("/auth/par"),
    methods: FORM,
    metadata_field: Some("pushed_authorization_request_endpoint"),
    caller: Caller::Clients,
};

/// See [`Endpoint::Token`].
pub const TOKEN: Route = Route {
    endpoint: Endpoint::Token,
    path: PathPattern::Exact("/auth/token"),
    methods: FORM,
    metadata_field: Some("token_endpoint"),
    caller: Caller::Clients,
};

/// See [`Endpoint::Login`].
pub const LOGIN: Route = Route {
    endpoint: Endpoint::Login,
    path: PathPattern::Exact("/auth/login"),
    methods: PAGE,
    metadata_field: None,
    caller: Caller::People,
};

/// See [`Endpoint::SelectAccount`].
pub const SELECT_ACCOUNT: Route = Route {
    endpoint: Endpoint::SelectAccount,
    path: PathPattern::Exact("/auth/select-account"),
    methods: FORM,
    metadata_field: None,
    caller: Caller::People,
};

/// See [`Endpoint::Consent`].
pub const CONSENT: Route = Route {
    endpoint: Endpoint::Consent,
    path: PathPattern::Exact("/auth/consent"),
    methods: FORM,
    metadata_field: None,
    caller: Caller::People,
};

/// See [`Endpoint::Account`].
pub const ACCOUNT: Route = Route {
    endpoint: Endpoint::Account,
    path: PathPattern::Exact("/auth/account"),
    methods: PAGE,
    metadata_field: None,
    caller: Caller::People,
};

/// See [`Endpoint::Logout`].
pub const LOGOUT: Route = Route {
    endpoint: Endpoint::Logout,
    path: PathPattern::Exact("/auth/signout"),
    methods: FORM,
    metadata_field: None,
    caller: Caller::People,
};

/// See [`Endpoint::Discovery`].
pub const DISCOVERY: Route = Route {
    endpoint: Endpoint::Discovery,
    path: PathPattern::Exact("/.well-known/openid-configuration"),
    methods: DOCUMENT,
    metadata_field: None,
    caller: Caller::Clients,
};

/// See [`Endpoint::OauthMetadata`].
pub const OAUTH_METADATA: Route = Route {
    endpoint: Endpoint::OauthMetadata,
    path: PathPattern::WellKnown("/.well-known/oauth-authorization-server", ""),
    methods: DOCUMENT,
    metadata_field: None,
    caller: Caller::Clients,
};

/// See [`Endpoint::ResourceMetadata`].
pub const RESOURCE_METADATA: Route = Route {
    endpoint: Endpoint::ResourceMetadata,
    path: PathPattern::WellKnown("/.well-known/oauth-protected-resource", USERINFO_PATH),
    methods: DOCUMENT,
    metadata_field: None,
    caller: Caller::Clients,
};

/// See [`Endpoint::Jwks`].
pub const JWKS: Route = Route {
    endpoint: Endpoint::Jwks,
    path: PathPattern::Exact("/auth/jwks.json"),
    methods: DOCUMENT,
    metadata_field: Some("jwks_uri"),
    caller: Caller::Clients,
};

/// See [`Endpoint::Userinfo`].
pub const USERINFO: Route = Route {
    endpoint: Endpoint::Userinfo,
    path: PathPattern::Exact(USERINFO_PATH),
    methods: &["GET", "POST"],
    metadata_field: Some("userinfo_endpoint"),
    caller: Caller::Clients,
};

/// See [`Endpoint::ClientRegistration`].
pub const REGISTRATION: Route = Route {
    endpoint: Endpoint::ClientRegistration,
    path: PathPattern::Exact("/auth/register"),
    methods: FORM,
    metadata_field: Some("registration_endpoint"),
    caller: Caller::Clients,
};

/// See [`Endpoint::ClientConfiguration`]. Whoever registered may manage that, whatever the policy has become.
pub const CONFIGURATION: Route = Route {
    endpoint: Endpoint::ClientConfiguration,
    path: PathPattern::WithId("/auth/register/"),
    methods: &["GET", "PUT", "DELETE"],
    metadata_field: None,
    caller: Caller::Clients,
};

/// See [`Endpoint::Admin`].
pub const ADMIN: Route = Route {
    endpoint: Endpoint::Admin,
    path: PathPattern::Prefix("/admin"),
    methods: &["GET", "POST", "PUT", "DELETE"],
    metadata_field: None,
    caller: Caller::Operator,
};

impl Route {
    /// The endpoint's URL; where it has one for each id, what stands before that.
    pub fn url(&self, issuer: &Issuer) -> String {
        match self.path {
            PathPattern::Prefix(path) | PathPattern::Exact(path) | PathPattern::WithId(path) => {
                format!("{}{path}", issuer.as_str())
            }
            PathPattern::WellKnown(before, after) => {
                format!("{}{before}{}{after}", issuer.origin(), issuer.path())
            }
        }
    }

    fn matches(&self, path: &str, issuer: &Issuer) -> bool {
        let behind = path.strip_prefix(issuer.path());
        match self.path {
            PathPattern::Prefix(own) => behind
                .and_then(|path| path.strip_prefix(own))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            PathPattern::Exact(own) => behind == Some(own),
            PathPattern::WithId(own) => {
                behind.and_then(|path| path.strip_prefix(own)).is_some_and(|id| !id.contains('/'))
            }
            PathPattern::WellKnown(before, after) => path
                .strip_prefix(before)
                .and_then(|path| path.strip_prefix(issuer.path()))
                .is_some_and(|rest| rest == after),
        }
    }

    /// Whether scripts of any origin may use it.
    pub fn has_cors(&self) -> bool {
        self.caller == Caller::Clients
    }

    /// The methods as `Allow` lists them.
    pub fn allow(&self) -> String {
        self.methods.join(", ") + if self.has_cors() { ", OPTIONS" } else { "" }
    }
}

/// The rows of the table that this configuration serves.
pub fn served(config: &Config) -> impl Iterator<Item = &'static Route> {
    let is_closed = config.registration == Registration::Closed;
    ROUTES.iter().filter(move |route| route.endpoint != Endpoint::ClientRegistration || !is_closed)
}

/// The row of the table that serves a path.
pub fn route(path: &str, config: &Config) -> Option<&'static Route> {
    served(config).find(|route| route.matches(path, &config.issuer))
}
