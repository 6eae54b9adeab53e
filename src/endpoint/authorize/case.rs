//! A request that is being worked on, and the pages that a person is shown for it.

use std::rc::Rc;

use crate::browser::Visit;
use crate::browser::pending::{Pending, Progress};
use crate::browser::ticket::{Step, Ticket, shown_for};
use crate::endpoint::authorize::asked::Asked;
use crate::endpoint::desk::Desk;
use crate::http::Response;
use crate::pages::{self, Notice, Texts};
use crate::ports::Platform;
use crate::routes::{ACCOUNT, CONSENT, LOGIN, SELECT_ACCOUNT};
use crate::store::clients::Client;
use crate::store::sessions::Session;

/// A request that is being worked on.
pub struct Case<'a, P> {
    /// What is asked for.
    pub asked: &'a Asked,
    /// What the endpoint works with.
    pub desk: &'a Desk<'a, P>,
    /// How it is asked for.
    pub pending: &'a Pending,
    /// The person's language.
    pub texts: &'static Texts,
    /// The browser that the person has.
    pub visit: &'a Visit<'a>,
}

impl<P: Platform> Case<'_, P> {
    /// The page on which a person signs in.
    pub async fn login_page(&self, login: &str, notice: Option<Notice>) -> Response {
        let logo = self.logo().await;
        let page = pages::Login {
            texts: self.texts,
            client: Some(self.client(logo.as_deref())),
            redirect_uri: Some(&self.asked.reply_to.redirect_uri),
            action: &LOGIN.url(&self.desk.config.issuer),
            request: &self.pending.query,
            token: &self.ticket(Step::Login, "", self.desk.cx.now),
            login,
            notice,
        };
        page.response().with_cookie(self.visit.remember_browser())
    }

    /// The page on which a person chooses the account.
    pub async fn select_account_page(&self, session: &Session, progress: &Progress) -> Response {
        let logo = self.logo().await;
        let page = pages::ChooseAccount {
            texts: self.texts,
            client: self.client(logo.as_deref()),
            redirect_uri: &self.asked.reply_to.redirect_uri,
            account: &session.display_name(),
            action: &SELECT_ACCOUNT.url(&self.desk.config.issuer),
            request: &self.pending.query,
            token: &self.ticket(Step::SelectAccount, &session.sub, self.began_at(progress)),
        };
        page.response().with_cookie(self.visit.remember_browser())
    }

    /// The page on which a person allows what is asked for, or does not.
    pub async fn consent_page(&self, session: &Session, progress: &Progress) -> Response {
        let claims: Vec<_> = self.asked.single_claims.iter().map(String::as_str).collect();
        let shown = self.asked.shown();
        let logo = self.logo().await;
        let page = pages::Consent {
            texts: self.texts,
            client: self.client(logo.as_deref()),
            redirect_uri: &self.asked.reply_to.redirect_uri,
            account: &session.display_name(),
            account_url: &ACCOUNT.url(&self.desk.config.issuer),
            resources: &self.desk.config.resources,
            scope: self.asked.request.granted(),
            claims: &claims,
            action: &CONSENT.url(&self.desk.config.issuer),
            request: &self.pending.query,
            shown: &shown,
            token: &self.consent_ticket(&shown, &session.sub, self.began_at(progress)),
        };
        page.response().with_cookie(self.visit.remember_browser())
    }

    async fn logo(&self) -> Option<Rc<str>> {
        let Desk { config, cx, logos, platform, .. } = *self.desk;
        logos.copy(&self.asked.client, self.texts.tag, config, platform, cx).await
    }

    /// The client as the page shows it.
    fn client<'b>(&'b self, logo: Option<&'b str>) -> pages::Client<'b> {
        let Client { client_id, metadata, .. } = &self.asked.client;
        pages::Client::new(client_id, metadata, self.texts, logo)
    }

    fn consent_ticket(&self, shown: &str, sub: &str, began_at: i64) -> String {
        let request = shown_for(&self.pending.query, shown);
        Ticket { step: Step::Consent, request: &request, sub }.issue(self.visit, began_at)
    }

    fn ticket(&self, step: Step, sub: &str, began_at: i64) -> String {
        Ticket { step, request: &self.pending.query, sub }.issue(self.visit, began_at)
    }

    fn began_at(&self, progress: &Progress) -> i64 {
        progress.began_at.unwrap_or(self.desk.cx.now)
    }
}
