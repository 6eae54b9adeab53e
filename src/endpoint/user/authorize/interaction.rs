//! An authorization request in a browser, and the pages for its user.

use std::rc::Rc;

use super::respond::Delivery;
use super::validate::ValidatedRequest;
use crate::http::{Request, Response, country_of, network_of};
use crate::interaction::BrowserContext;
use crate::interaction::pending_request::{InteractionState, PendingRequest};
use crate::interaction::token::{InteractionStep, InteractionToken, shown_for};
use crate::pages::{self, ConsentNotice, Device, Notice, Verification};
use crate::ports::Platform;
use crate::protocol::client::voucher::Voucher;
use crate::provider::Provider;
use crate::routes::{ACCOUNT, CONSENT, LOGIN, SELECT_ACCOUNT};
use crate::store::clients::Client;
use crate::store::sessions::Session;

/// An authorization request in a browser.
pub struct Interaction<'a, P> {
    pub provider: &'a Provider<'a, P>,
    /// The browser that sent the HTTP request.
    pub browser: &'a BrowserContext<'a>,
    pub pending: &'a PendingRequest,
    /// How the browser gets pages and the response.
    pub delivery: Delivery,
    /// Whether a page may have the client's logo, which is fetched. The response to a `HEAD` needs none.
    shows_logo: bool,
    /// The country of the browser, if the platform knows it.
    country: Option<String>,
}

impl<'a, P> Interaction<'a, P> {
    /// Makes the interaction that an HTTP request is part of.
    pub fn new(
        provider: &'a Provider<'a, P>,
        browser: &'a BrowserContext<'a>,
        pending: &'a PendingRequest,
        request: &impl Request,
    ) -> Self {
        let shows_logo = request.method() != "HEAD";
        Self {
            provider,
            browser,
            pending,
            delivery: Delivery::new(request, &pending.params),
            shows_logo,
            country: country_of(request),
        }
    }
}

impl<P: Platform> Interaction<'_, P> {
    /// Renders the sign-in page.
    pub async fn login_page(
        &self,
        request: &ValidatedRequest,
        login: &str,
        notice: Option<Notice>,
    ) -> Response {
        let logo = self.logo_at_sign_in(request).await;
        let page = pages::Login {
            brand: self.provider.context.config.into(),
            texts: self.delivery.texts,
            client: Some(self.client(request, logo.as_deref())),
            redirect_uri: request.reply_to.redirect_uri(),
            action: &LOGIN.url(&self.provider.context.config.issuer),
            request: &self.pending.query,
            token: &self.interaction_token(InteractionStep::Login, "", self.provider.context.now),
            login,
            notice,
        };
        self.browser.remember_in(page.response())
    }

    /// Renders the account chooser.
    pub async fn select_account_page(
        &self,
        request: &ValidatedRequest,
        session: &Session,
        state: &InteractionState,
    ) -> Response {
        let logo = self.logo_at_sign_in(request).await;
        let page = pages::ChooseAccount {
            brand: self.provider.context.config.into(),
            texts: self.delivery.texts,
            client: self.client(request, logo.as_deref()),
            redirect_uri: request.reply_to.redirect_uri(),
            name: session.name.as_deref(),
            login: &session.login,
            action: &SELECT_ACCOUNT.url(&self.provider.context.config.issuer),
            request: &self.pending.query,
            token: &self.interaction_token(
                InteractionStep::SelectAccount,
                &session.sub,
                self.began_at(state),
            ),
        };
        self.browser.remember_in(page.response())
    }

    pub async fn consent_page(
        &self,
        request: &ValidatedRequest,
        session: &Session,
        state: &InteractionState,
    ) -> Response {
        let claims: Vec<_> = request.single_claims.iter().map(String::as_str).collect();
        let shown = request.shown();
        let logo = self.logo(request).await;
        // A form that was allowed, and asks again, has shown other access than the request needs now.
        let outdated = state.consented_to.as_ref().map(|_| ConsentNotice::Changed);
        let browser_network = network_of(&self.browser.address);
        let device = self.pending.device.as_ref().map(|pending| Device {
            device: &pending.device,
            browser_network: &browser_network,
            browser_country: self.country.as_deref(),
            now: self.provider.context.now,
        });
        let page = pages::Consent {
            brand: self.provider.context.config.into(),
            texts: self.delivery.texts,
            notice: state.refused_consent.or(outdated),
            client: self.client(request, logo.as_deref()),
            redirect_uri: request.reply_to.redirect_uri(),
            device,
            account: &session.display_name(),
            account_url: &ACCOUNT.url(&self.provider.context.config.issuer),
            configured: self.provider.context.config.into(),
            scope: request.request.granted(),
            claims: &claims,
            action: &CONSENT.url(&self.provider.context.config.issuer),
            request: &self.pending.query,
            shown: &shown,
            token: &self.consent_token(&shown, &session.sub, self.began_at(state)),
        };
        self.browser.remember_in(page.response())
    }

    async fn logo(&self, request: &ValidatedRequest) -> Option<Rc<str>> {
        if !self.shows_logo {
            return None;
        }
        let fetcher = self.provider.fetcher(Some(&self.browser.address));
        let logos = &self.provider.memory.logos;
        logos.copy(&request.client, self.delivery.texts.tag, &fetcher).await
    }

    /// Returns the logo for a page on which the user signs in, which has none of a stranger's.
    async fn logo_at_sign_in(&self, request: &ValidatedRequest) -> Option<Rc<str>> {
        match request.client.voucher() {
            Voucher::Operator => self.logo(request).await,
            Voucher::Nobody | Voucher::Apis(_) => None,
        }
    }

    /// Returns the client as pages show it.
    fn client<'b>(
        &self,
        request: &'b ValidatedRequest,
        logo: Option<&'b str>,
    ) -> pages::Client<'b> {
        let Client { client_id, metadata, .. } = &request.client;
        let own_host = self.provider.context.config.issuer.own_host();
        let verification = Verification::new(request.client.voucher(), own_host);
        pages::Client::new(client_id, metadata, verification, self.delivery.texts, logo)
    }

    fn consent_token(&self, shown: &str, sub: &str, began_at: i64) -> String {
        let request = shown_for(&self.pending.query, shown);
        InteractionToken { step: InteractionStep::Consent, request: &request, sub }
            .issue(self.browser, began_at)
    }

    fn interaction_token(&self, step: InteractionStep, sub: &str, began_at: i64) -> String {
        InteractionToken { step, request: &self.pending.query, sub }.issue(self.browser, began_at)
    }

    fn began_at(&self, state: &InteractionState) -> i64 {
        state.began_at.unwrap_or(self.provider.context.now)
    }
}
