//! What the members of client metadata say together.

use super::values::{ApplicationType, AuthMethod, GrantType, SubjectType, name_of};
use super::{ClientMetadata, Registrable};
use crate::protocol::authorization::redirect_uri;

impl ClientMetadata {
    /// RFC 7591 section 2.1, OpenID Connect Registration section 2: each response type has its grant type, and the
    /// other way round.
    pub(super) fn check_flows(&self, registrable: Registrable) -> Result<(), String> {
        for response_type in &self.response_types {
            if !self.grant_types.contains(&response_type.grant_type()) {
                return Err(format!(
                    "grant_types must have {}, which the response type {} needs",
                    name_of(response_type.grant_type()),
                    name_of(*response_type)
                ));
            }
        }
        let has = |grant_type| self.response_types.iter().any(|one| one.grant_type() == grant_type);
        let needs_code = [GrantType::AuthorizationCode, GrantType::RefreshToken];
        if self.grant_types.iter().any(|one| needs_code.contains(one))
            && !has(GrantType::AuthorizationCode)
        {
            return Err("response_types must have code, which a code and a refresh token both \
                        come from"
                .into());
        }
        if self.grant_types.contains(&GrantType::ClientCredentials) {
            self.check_machine(registrable)?;
        }
        if !self.grant_types.contains(&GrantType::Implicit) {
            return Ok(());
        }
        if !registrable.implicit {
            return Err("grant_types must not have implicit: it is not allowed here".into());
        }
        if !has(GrantType::Implicit) {
            return Err("response_types must have id_token or id_token token for implicit".into());
        }
        let is_public = |uri: &String| uri.starts_with("https://") && !redirect_uri::is_local(uri);
        if self.application_type == ApplicationType::Web
            && !self.redirect_uris.iter().all(is_public)
        {
            return Err("redirect_uris must be https, and not this machine's, for implicit".into());
        }
        Ok(())
    }

    /// What a machine may do, somebody must have said.
    fn check_machine(&self, registrable: Registrable) -> Result<(), String> {
        if !registrable.client_credentials {
            return Err(
                "grant_types must not have client_credentials, which the operator gives".into()
            );
        }
        if !self.is_confidential() {
            return Err("token_endpoint_auth_method must not be none for client_credentials".into());
        }
        if self.scope.is_none() {
            return Err("scope must say what client_credentials may do".into());
        }
        Ok(())
    }

    /// OpenID Connect Core section 8.1: a sector is a host of the public internet, the same for all redirect URIs where
    /// nothing else says which. What leads to a person's own device is everybody's.
    pub(super) fn check_sector(&self) -> Result<(), String> {
        if self.subject_type == SubjectType::Public || self.sector_identifier_uri.is_some() {
            return Ok(());
        }
        let mut hosts = self.redirect_uris.iter().map(|uri| public_host(uri));
        let first = hosts.next().flatten();
        if first.is_some() && hosts.all(|host| host == first) {
            return Ok(());
        }
        Err("sector_identifier_uri must be there for pairwise, where redirect_uris do not all \
             have one host of the public internet"
            .into())
    }

    /// RFC 7591 section 2: the keys stand in one place, where they must be somewhere.
    pub(super) fn check_keys(&self) -> Result<(), String> {
        let signs = self.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt;
        let needs_keys = [
            (signs, "private_key_jwt"),
            (self.request_object_signing_alg.is_some(), "request_object_signing_alg"),
            (self.require_signed_request_object, "require_signed_request_object"),
        ];
        if self.jwks.is_some() && self.jwks_uri.is_some() {
            return Err("jwks must not stand beside jwks_uri".into());
        }
        if let Some((_, what)) = needs_keys.iter().find(|(needs, _)| *needs)
            && self.jwks.is_none()
            && self.jwks_uri.is_none()
        {
            return Err(format!("jwks or jwks_uri must be there for {what}"));
        }
        if !signs && self.token_endpoint_auth_signing_alg.is_some() {
            return Err(
                "token_endpoint_auth_signing_alg must be left out but for private_key_jwt".into()
            );
        }
        let Some(keys) = &self.jwks else { return Ok(()) };
        let algs = [self.token_endpoint_auth_signing_alg, self.request_object_signing_alg];
        match algs.into_iter().flatten().find(|alg| keys.candidates(*alg, None).next().is_none()) {
            Some(alg) => Err(format!("jwks must have a key for {}", alg.name())),
            None => Ok(()),
        }
    }
}

/// The host of a redirect URI, unless that leads to a person's own device.
fn public_host(uri: &str) -> Option<String> {
    redirect_uri::host(uri).filter(|_| !redirect_uri::is_local(uri))
}
