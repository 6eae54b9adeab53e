//! Checks of client metadata fields against each other.

use super::values::{ApplicationType, AuthMethod, GrantType, SubjectType};
use super::{ClientMetadata, MetadataError};
use crate::protocol::client::redirect_uri;
use crate::protocol::invalid_field::InvalidField;

impl ClientMetadata {
    /// Checks what the grant types of the client require.
    pub(super) fn check_flows(&self) -> Result<(), MetadataError> {
        if self.grant_types.contains(&GrantType::ClientCredentials) {
            self.check_machine()?;
        }
        if self.has_implicit() {
            self.check_implicit()?;
        }
        if !self.insecure_redirect_hosts.is_empty() {
            self.check_insecure()?;
        }
        if !self.introspection_resources.is_empty() && !self.is_confidential() {
            let reason = "must be left out, because token_endpoint_auth_method is none";
            return Err(InvalidField::new("introspection_resources", reason).into());
        }
        Ok(())
    }

    /// Checks a client with the grant type `client_credentials`. No user gives consent, so that the operator must set the
    /// scopes, and the client must authenticate (RFC 6749 section 4.4).
    fn check_machine(&self) -> Result<(), InvalidField> {
        let (field, reason) = if !self.is_confidential() {
            (
                "token_endpoint_auth_method",
                "must not be none, because grant_types has client_credentials",
            )
        } else if self.scope.is_none() {
            ("scope", "missing; grant_types has client_credentials, which needs it")
        } else {
            return Ok(());
        };
        Err(InvalidField::new(field, reason))
    }

    /// Checks a client with the grant type `implicit`. Redirect URIs of a web application must be `https` and not on a
    /// loopback host (OpenID Connect Registration section 2, `application_type`).
    fn check_implicit(&self) -> Result<(), MetadataError> {
        let is_public = |uri: &String| uri.starts_with("https://") && !redirect_uri::is_local(uri);
        match self.redirect_uris.iter().position(|uri| !is_public(uri)) {
            Some(index) if self.application_type == ApplicationType::Web => {
                let reason = "must be https and not on a loopback host, because grant_types has \
                              implicit and application_type is web";
                let error = InvalidField::element("redirect_uris", index, reason);
                Err(MetadataError::RedirectUri(error))
            }
            _ => Ok(()),
        }
    }

    /// Checks a client with unencrypted redirect URIs. Who reads a response on its way must gain no token by it: so no
    /// token is in the response, and a code is worthless without the client's credentials.
    fn check_insecure(&self) -> Result<(), InvalidField> {
        let because = if self.has_implicit() {
            "grant_types has implicit"
        } else if !self.is_confidential() {
            "token_endpoint_auth_method is none"
        } else {
            return Ok(());
        };
        let reason = format_args!("must be left out, because {because}");
        Err(InvalidField::new("insecure_redirect_hosts", reason))
    }

    /// Checks that a client with pairwise subject identifiers has a sector (OpenID Connect Core section 8.1): the host
    /// of `sector_identifier_uri`, or the one host of all redirect URIs. It must be on the public internet, because
    /// several clients share loopback hosts and private-use schemes.
    pub(super) fn check_sector(&self) -> Result<(), InvalidField> {
        if self.subject_type == SubjectType::Public || self.sector_identifier_uri.is_some() {
            return Ok(());
        }
        let mut hosts = self.redirect_uris.iter().map(|uri| public_host(uri));
        let first = hosts.next().flatten();
        if first.is_some() && hosts.all(|host| host == first) {
            return Ok(());
        }
        Err(InvalidField::new(
            "sector_identifier_uri",
            "missing; subject_type is pairwise, and redirect_uris do not all have the same \
             public host",
        ))
    }

    /// Checks that the keys are either in `jwks` or at `jwks_uri` (RFC 7591 section 2), that there are keys if another
    /// field needs them, and that `jwks` has a key for each registered algorithm.
    pub(super) fn check_keys(&self) -> Result<(), InvalidField> {
        let signs = self.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt;
        let needs_keys = [
            (signs, "token_endpoint_auth_method private_key_jwt"),
            (self.request_object_signing_alg.is_some(), "request_object_signing_alg"),
            (self.require_signed_request_object, "require_signed_request_object"),
        ];
        if self.jwks.is_some() && self.jwks_uri.is_some() {
            return Err(InvalidField::new("jwks", "must not be present together with jwks_uri"));
        }
        if let Some((_, what)) = needs_keys.iter().find(|(needs, _)| *needs)
            && self.jwks.is_none()
            && self.jwks_uri.is_none()
        {
            return Err(InvalidField::new(
                "jwks",
                format_args!("missing; {what} needs jwks or jwks_uri"),
            ));
        }
        let Some(keys) = &self.jwks else { return Ok(()) };
        let algs = [
            ("token_endpoint_auth_signing_alg", self.token_endpoint_auth_signing_alg),
            ("request_object_signing_alg", self.request_object_signing_alg),
        ];
        for (field, alg) in algs {
            if let Some(alg) = alg
                && keys.candidates(alg, None).next().is_none()
            {
                let reason =
                    format!("must have a key for {}, because it is the {field}", alg.name());
                return Err(InvalidField::new("jwks", reason));
            }
        }
        Ok(())
    }
}

/// Returns the host of a redirect URI, unless the URI leads to the user's own device.
fn public_host(uri: &str) -> Option<String> {
    redirect_uri::host(uri).filter(|_| !redirect_uri::is_local(uri))
}
