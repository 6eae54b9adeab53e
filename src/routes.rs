//! The table of routes: path, methods, caller and metadata field of every endpoint.

mod endpoint;

pub use endpoint::{Caller, Endpoint};

use crate::config::{Config, ICON_PATH, Issuer, Registration};

/// The paths of an endpoint, relative to the issuer.
#[derive(Clone, Copy, Debug)]
pub enum PathPattern {
    /// This path below the issuer's path, and every path below this one.
    Prefix(&'static str),
    /// The issuer's path, with or without a slash at its end.
    Root,
    /// This path below the issuer's path.
    Exact(&'static str),
    /// This path below the issuer's path, followed by one segment: an identifier.
    WithId(&'static str),
    /// This path of the issuer's origin, without the issuer's path.
    OfOrigin(&'static str),
    /// A well-known path, followed by the issuer's path and then by the second path (RFC 8414 section 3, RFC 9728
    /// section 3).
    WellKnown(&'static str, &'static str),
}

/// A row of the table.
#[derive(Debug)]
pub struct Route {
    /// The endpoint that answers.
    pub endpoint: Endpoint,
    /// The paths that it answers at.
    pub path: PathPattern,
    /// The methods that it answers, without `OPTIONS`. Every `GET` has a `HEAD`, which writes nothing but what the
    /// provider publishes: its documents, and keys that it still lacks.
    pub methods: &'static [&'static str],
    /// The field of the provider metadata that contains its URL, if any.
    pub metadata_field: Option<&'static str>,
    /// The callers that it is for.
    pub caller: Caller,
}

const DOCUMENT: &[&str] = &["GET", "HEAD"];
const FORM: &[&str] = &["POST"];
const PAGE: &[&str] = &["GET", "HEAD", "POST"];
const USERINFO_PATH: &str = "/auth/userinfo";

/// Every route that the provider can serve. See [`served`].
pub const ROUTES: &[Route] = &[
    DISCOVERY,
    DISCOVERY_BY_PATH,
    OAUTH_METADATA,
    RESOURCE_METADATA,
    JWKS,
    AUTHORIZE,
    PAR,
    DEVICE_AUTHORIZATION,
    TOKEN,
    REVOCATION,
    INTROSPECTION,
    USERINFO,
    REGISTRATION,
    CONFIGURATION,
    LOGIN,
    SELECT_ACCOUNT,
    CONSENT,
    DEVICE,
    ACCOUNT,
    END_SESSION,
    ACCOUNT_PASSWORD,
    ACCOUNT_SESSIONS,
    LOGOUT,
    HOME,
    ICON,
    CHANGE_PASSWORD,
    ADMIN,
    HEALTH,
];

/// See [`Endpoint::Authorize`].
pub const AUTHORIZE: Route = Route {
    endpoint: Endpoint::Authorize,
    path: PathPattern::Exact("/auth/authorize"),
    methods: PAGE,
    metadata_field: Some("authorization_endpoint"),
    caller: Caller::Users,
};

/// See [`Endpoint::Par`].
pub const PAR: Route = Route {
    endpoint: Endpoint::Par,
    path: PathPattern::Exact("/auth/par"),
    methods: FORM,
    metadata_field: Some("pushed_authorization_request_endpoint"),
    caller: Caller::Clients,
};

/// See [`Endpoint::DeviceAuthorization`].
pub const DEVICE_AUTHORIZATION: Route = Route {
    endpoint: Endpoint::DeviceAuthorization,
    path: PathPattern::Exact("/auth/device"),
    methods: FORM,
    metadata_field: Some("device_authorization_endpoint"),
    caller: Caller::Devices,
};

/// See [`Endpoint::Token`].
pub const TOKEN: Route = Route {
    endpoint: Endpoint::Token,
    path: PathPattern::Exact("/auth/token"),
    methods: FORM,
    metadata_field: Some("token_endpoint"),
    caller: Caller::Clients,
};

/// See [`Endpoint::Revocation`].
pub const REVOCATION: Route = Route {
    endpoint: Endpoint::Revocation,
    path: PathPattern::Exact("/auth/revoke"),
    methods: FORM,
    metadata_field: Some("revocation_endpoint"),
    caller: Caller::Clients,
};

/// See [`Endpoint::Introspection`].
pub const INTROSPECTION: Route = Route {
    endpoint: Endpoint::Introspection,
    path: PathPattern::Exact("/auth/introspect"),
    methods: FORM,
    metadata_field: Some("introspection_endpoint"),
    caller: Caller::Clients,
};

/// See [`Endpoint::Login`].
pub const LOGIN: Route = Route {
    endpoint: Endpoint::Login,
    path: PathPattern::Exact("/auth/login"),
    methods: PAGE,
    metadata_field: None,
    caller: Caller::Users,
};

/// See [`Endpoint::SelectAccount`].
pub const SELECT_ACCOUNT: Route = Route {
    endpoint: Endpoint::SelectAccount,
    path: PathPattern::Exact("/auth/select-account"),
    methods: FORM,
    metadata_field: None,
    caller: Caller::Users,
};

/// See [`Endpoint::Consent`].
pub const CONSENT: Route = Route {
    endpoint: Endpoint::Consent,
    path: PathPattern::Exact("/auth/consent"),
    methods: FORM,
    metadata_field: None,
    caller: Caller::Users,
};

/// See [`Endpoint::Device`]. Its path is short, because users type it.
pub const DEVICE: Route = Route {
    endpoint: Endpoint::Device,
    path: PathPattern::Exact("/device"),
    methods: PAGE,
    metadata_field: None,
    caller: Caller::Users,
};

/// See [`Endpoint::Account`].
pub const ACCOUNT: Route = Route {
    endpoint: Endpoint::Account,
    path: PathPattern::Exact("/auth/account"),
    methods: PAGE,
    metadata_field: None,
    caller: Caller::Users,
};

/// See [`Endpoint::EndSession`].
pub const END_SESSION: Route = Route {
    endpoint: Endpoint::EndSession,
    path: PathPattern::Exact("/auth/logout"),
    methods: PAGE,
    metadata_field: Some("end_session_endpoint"),
    caller: Caller::Users,
};

/// See [`Endpoint::AccountPassword`]. A browser that reloads the page after a form has this URL gets the account page.
pub const ACCOUNT_PASSWORD: Route = Route {
    endpoint: Endpoint::AccountPassword,
    path: PathPattern::Exact("/auth/account/password"),
    methods: PAGE,
    metadata_field: None,
    caller: Caller::Users,
};

/// See [`Endpoint::AccountSessions`]. Likewise.
pub const ACCOUNT_SESSIONS: Route = Route {
    endpoint: Endpoint::AccountSessions,
    path: PathPattern::Exact("/auth/account/sessions"),
    methods: PAGE,
    metadata_field: None,
    caller: Caller::Users,
};

/// See [`Endpoint::Logout`].
pub const LOGOUT: Route = Route {
    endpoint: Endpoint::Logout,
    path: PathPattern::Exact("/auth/signout"),
    methods: FORM,
    metadata_field: None,
    caller: Caller::Users,
};

/// See [`Endpoint::Home`].
pub const HOME: Route = Route {
    endpoint: Endpoint::Home,
    path: PathPattern::Root,
    methods: DOCUMENT,
    metadata_field: None,
    caller: Caller::Users,
};

/// See [`Endpoint::Icon`].
pub const ICON: Route = Route {
    endpoint: Endpoint::Icon,
    path: PathPattern::Exact(ICON_PATH),
    methods: DOCUMENT,
    metadata_field: None,
    caller: Caller::Users,
};

/// See [`Endpoint::ChangePassword`].
pub const CHANGE_PASSWORD: Route = Route {
    endpoint: Endpoint::ChangePassword,
    path: PathPattern::OfOrigin("/.well-known/change-password"),
    methods: DOCUMENT,
    metadata_field: None,
    caller: Caller::Users,
};

/// See [`Endpoint::Discovery`].
pub const DISCOVERY: Route = Route {
    endpoint: Endpoint::Discovery,
    path: PathPattern::Exact("/.well-known/openid-configuration"),
    methods: DOCUMENT,
    metadata_field: None,
    caller: Caller::Clients,
};

/// The metadata of an issuer with a path, where RFC 8414 section 5 expects it. Without a path it is [`DISCOVERY`].
pub const DISCOVERY_BY_PATH: Route = Route {
    endpoint: Endpoint::Discovery,
    path: PathPattern::WellKnown("/.well-known/openid-configuration", ""),
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
    methods: PAGE,
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

/// See [`Endpoint::ClientConfiguration`]. It is served even if registration is closed, so that registered clients can
/// manage their registration.
pub const CONFIGURATION: Route = Route {
    endpoint: Endpoint::ClientConfiguration,
    path: PathPattern::WithId("/auth/register/"),
    methods: &["GET", "HEAD", "PUT", "DELETE"],
    metadata_field: None,
    caller: Caller::Clients,
};

/// See [`Endpoint::Admin`].
pub const ADMIN: Route = Route {
    endpoint: Endpoint::Admin,
    path: PathPattern::Prefix("/admin"),
    methods: &["GET", "HEAD", "POST", "PUT", "DELETE"],
    metadata_field: None,
    caller: Caller::Operator,
};

/// See [`Endpoint::Health`].
pub const HEALTH: Route = Route {
    endpoint: Endpoint::Health,
    path: PathPattern::Exact("/healthz"),
    methods: DOCUMENT,
    metadata_field: None,
    caller: Caller::Operator,
};

impl Route {
    /// Returns the endpoint's URL. For [`PathPattern::WithId`] it is the URL without the identifier.
    pub fn url(&self, issuer: &Issuer) -> String {
        match self.path {
            PathPattern::Prefix(path) | PathPattern::Exact(path) | PathPattern::WithId(path) => {
                format!("{}{path}", issuer.as_str())
            }
            PathPattern::Root => issuer.as_str().to_owned(),
            PathPattern::OfOrigin(path) => format!("{}{path}", issuer.origin()),
            PathPattern::WellKnown(before, after) => {
                format!("{}{before}{}{after}", issuer.origin(), issuer.path())
            }
        }
    }

    fn matches(&self, path: &str, issuer: &Issuer) -> bool {
        let relative = path.strip_prefix(issuer.path());
        match self.path {
            PathPattern::Prefix(own) => relative
                .and_then(|path| path.strip_prefix(own))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            PathPattern::Root => matches!(relative, Some("" | "/")),
            PathPattern::Exact(own) => relative == Some(own),
            PathPattern::OfOrigin(own) => path == own,
            PathPattern::WithId(own) => {
                relative.and_then(|path| path.strip_prefix(own)).is_some_and(|id| !id.contains('/'))
            }
            PathPattern::WellKnown(before, after) => path
                .strip_prefix(before)
                .and_then(|path| path.strip_prefix(issuer.path()))
                .is_some_and(|rest| rest == after),
        }
    }

    /// Returns whether scripts of any origin may call the endpoint (CORS).
    pub fn has_cors(&self) -> bool {
        self.caller == Caller::Clients
    }

    /// Returns the value of the `Allow` header (RFC 9110 section 10.2.1).
    pub fn allow(&self) -> String {
        self.methods.join(", ") + if self.has_cors() { ", OPTIONS" } else { "" }
    }
}

/// Returns the routes that are served under this configuration.
pub fn served(config: &Config) -> impl Iterator<Item = &'static Route> {
    let is_closed = config.registration == Registration::Closed;
    let is_served = move |route: &&Route| match route.endpoint {
        Endpoint::ClientRegistration => !is_closed,
        Endpoint::Home => config.has_home_page,
        _ => true,
    };
    ROUTES.iter().filter(is_served)
}

/// Returns the route that serves a path, if any.
pub fn route(path: &str, config: &Config) -> Option<&'static Route> {
    served(config).find(|route| route.matches(path, &config.issuer))
}
