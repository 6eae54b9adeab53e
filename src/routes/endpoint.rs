//! The endpoints: what a route leads to, and who calls them.

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// The account page of a user.
    Account,
    /// The form of the account page that changes the password.
    AccountPassword,
    /// The forms of the account page that end other sessions.
    AccountSessions,
    /// The operator's API. `endpoint::operator` dispatches by the rest of the path.
    Admin,
    /// The authorization endpoint (RFC 6749 section 3.1).
    Authorize,
    /// The URL at which password managers look for the change of a password (W3C "A Well-Known URL for Changing
    /// Passwords").
    ChangePassword,
    /// The client configuration endpoint (RFC 7592 section 2).
    ClientConfiguration,
    /// The target of the consent form.
    Consent,
    /// The page on which a user types the code of a device (RFC 8628 section 3.3).
    Device,
    /// The device authorization endpoint (RFC 8628 section 3.1).
    DeviceAuthorization,
    /// Provider metadata (OpenID Connect Discovery section 4).
    Discovery,
    /// The logout endpoint (RP-Initiated Logout section 2), the metadata field `end_session_endpoint`.
    EndSession,
    /// The probe of monitors, and the report for the operator.
    Health,
    /// The page at the issuer's URL.
    Home,
    /// The provider's logo.
    Icon,
    /// The token introspection endpoint (RFC 7662 section 2).
    Introspection,
    /// The JWK Set (RFC 7517 section 5).
    Jwks,
    Login,
    /// The target of the sign-out forms of the account page and of the logout endpoint.
    Logout,
    /// Provider metadata (RFC 8414 section 3).
    OauthMetadata,
    /// The pushed authorization request endpoint (RFC 9126 section 2).
    Par,
    /// The client registration endpoint (RFC 7591 section 3).
    ClientRegistration,
    /// Protected resource metadata of the userinfo endpoint (RFC 9728 section 3).
    ResourceMetadata,
    /// The token revocation endpoint (RFC 7009 section 2).
    Revocation,
    /// The target of the account selection form.
    SelectAccount,
    /// The token endpoint (RFC 6749 section 3.2).
    Token,
    /// The userinfo endpoint (OpenID Connect Core section 5.3).
    Userinfo,
}

impl Endpoint {
    /// Returns the endpoint's name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::AccountPassword => "account_password",
            Self::AccountSessions => "account_sessions",
            Self::Admin => "admin",
            Self::Authorize => "authorize",
            Self::ChangePassword => "change_password",
            Self::Consent => "consent",
            Self::Device => "device",
            Self::DeviceAuthorization => "device_authorization",
            Self::Discovery => "discovery",
            Self::EndSession => "end_session",
            Self::Health => "health",
            Self::Home => "home",
            Self::Icon => "icon",
            Self::Introspection => "introspection",
            Self::Jwks => "jwks",
            Self::Login => "login",
            Self::OauthMetadata => "oauth_metadata",
            Self::Par => "par",
            Self::ClientRegistration => "client_registration",
            Self::ClientConfiguration => "client_configuration",
            Self::ResourceMetadata => "resource_metadata",
            Self::Revocation => "revocation",
            Self::SelectAccount => "select_account",
            Self::Logout => "logout",
            Self::Token => "token",
            Self::Userinfo => "userinfo",
        }
    }

    /// Returns whether a request can add rows that expire, and whose batch deletes none of those that have expired.
    pub fn adds_rows(self) -> bool {
        matches!(
            self,
            Self::Authorize
                | Self::Device
                | Self::DeviceAuthorization
                | Self::Login
                | Self::Par
                | Self::Token
        )
    }

    /// Returns whether a request without an error is not logged: one for a document, because HTTP caches answer most of
    /// them and the log would not count them, and a probe, because a monitor sends thousands a day.
    pub fn is_quiet(self) -> bool {
        matches!(
            self,
            Self::Discovery
                | Self::Health
                | Self::Icon
                | Self::Jwks
                | Self::OauthMetadata
                | Self::ResourceMetadata
        )
    }
}

/// The callers of an endpoint. They determine CORS, security headers and the form of errors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// Clients and resource servers, including scripts of any origin, because cookies are ignored. Errors are JSON.
    Clients,
    /// Devices, which have no browser. Scripts of other origins cannot read the responses: a web page could else send the
    /// request of a device from the browser, the network and the country of its visitor, and read the codes. Errors are
    /// JSON.
    Devices,
    /// The operator's programs. Errors are JSON.
    Operator,
    /// Users in their browsers. Scripts of other origins cannot read the responses. Errors are pages.
    Users,
}
