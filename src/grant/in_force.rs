//! The part of a grant that is in force: what the client may still have, and what the user's consent covers.

use crate::config::Config;
use crate::protocol::authorization::claims_request::ClaimsRequest;
use crate::protocol::token::bearer::BearerError;
use crate::protocol::token::token_error::TokenError;
use crate::protocol::user::scope::{
    OFFLINE_ACCESS, OPENID, Scopes, mark_as_requested, without_language,
};
use crate::store::consents::Consent;

/// The access that a client may have now.
pub struct Permission<'a, F> {
    pub config: &'a Config,
    /// Whether the client may have a scope, by its registration.
    pub may_have: F,
    /// Whether the operator trusts the client, so that no consent is needed.
    pub is_trusted: bool,
    /// The user's consent to the client.
    pub consent: Option<&'a Consent>,
}

/// The access of a grant that is in force.
#[derive(Debug)]
pub struct AccessInForce {
    /// The scopes, separated by single spaces.
    pub scope: String,
    /// The claims requested by name.
    pub requested: ClaimsRequest,
}

/// Why nothing of a grant is in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotInForce {
    /// The client is not trusted any longer, and the user has never consented.
    NoConsent,
    /// Neither registration nor consent has one of the scopes.
    NoScope,
}

impl NotInForce {
    /// Returns the text of `error_description`.
    pub fn description(self) -> &'static str {
        match self {
            Self::NoConsent => "the user's consent is needed: sign the user in again",
            Self::NoScope => "the client may no longer have any scope of the grant",
        }
    }
}

impl From<NotInForce> for TokenError {
    fn from(reason: NotInForce) -> Self {
        Self::InvalidGrant(reason.description().into())
    }
}

impl From<NotInForce> for BearerError {
    fn from(reason: NotInForce) -> Self {
        Self::InvalidToken(reason.description().into())
    }
}

impl<F: Fn(&str) -> bool> Permission<'_, F> {
    /// Returns what is in force of the granted scopes and the claims `requested` by name.
    ///
    /// # Errors
    /// [`NotInForce`] if nothing is. `offline_access` alone is nothing, because it gives access to nothing by itself.
    pub fn of(
        &self,
        granted: &str,
        requested: &ClaimsRequest,
    ) -> Result<AccessInForce, NotInForce> {
        if !self.is_trusted && self.consent.is_none() {
            return Err(NotInForce::NoConsent);
        }
        let scope = self.scopes_of(granted);
        let gives_nothing = Scopes::of_valid(&scope).iter().all(|scope| scope == OFFLINE_ACCESS);
        if gives_nothing && scope != granted {
            return Err(NotInForce::NoScope);
        }
        let mut requested = requested.clone();
        if let Some(consent) = self.consent.filter(|_| !self.is_trusted) {
            // The page has shown a claim by itself, or a scope that releases it.
            let scopes = self.scopes_of(&consent.scope);
            let (scopes, claims) = (Scopes::of_valid(&scopes), Scopes::of_valid(&consent.claims));
            let is_covered = |claim: &String| {
                claims.contains(without_language(claim))
                    || self.config.scopes.releases(&scopes, claim)
            };
            requested.id_token.retain(is_covered);
            requested.userinfo.retain(is_covered);
        }
        Ok(AccessInForce { scope, requested })
    }

    /// Returns those of the scopes that the client may have now.
    fn scopes_of(&self, scopes: &str) -> String {
        let scopes = Scopes::of_valid(scopes);
        let mut kept: Vec<_> = scopes.iter().filter(|scope| self.has_scope(scope)).collect();
        if scopes.contains(OPENID) {
            mark_as_requested(&mut kept);
        }
        kept.join(" ")
    }

    fn has_scope(&self, scope: &str) -> bool {
        let api = self.config.resources.of_scope(scope).map(|api| api.uri.as_str());
        (self.may_have)(scope)
            && (self.is_trusted
                || self.consent.is_some_and(|consent| consent.has_scope(scope, api)))
    }
}
