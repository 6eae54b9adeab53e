//! The target of the consent form (OpenID Connect Core section 3.1.2.4).

use crate::endpoint::support::form;
use crate::endpoint::user::authorize::device::ACCESS_DENIED;
use crate::endpoint::user::authorize::facts::Facts;
use crate::endpoint::user::authorize::interaction::Interaction;
use crate::endpoint::user::authorize::respond::{Delivery, redirect_to_authorize, refuse};
use crate::endpoint::user::authorize::validate::{Validation, validate};
use crate::error::Error;
use crate::http::{Request, Response};
use crate::interaction::BrowserContext;
use crate::interaction::pending_request::{InteractionState, PendingRequest, resumed};
use crate::interaction::token::{InteractionStep, InteractionToken, shown_for};
use crate::pages::ConsentNotice;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::description::Description;
use crate::provider::Provider;

const DENIED: AuthorizeError = AuthorizeError {
    code: ACCESS_DENIED,
    description: Description::fixed("the user denied the request"),
};

/// Continues the request as the user decided.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let browser = BrowserContext::from_request(context, request)?;

    // 1. Read the form, and find the request that it was shown for.
    let fields = [("decision", 16), form::REQUEST, ("shown", 8_192), form::TOKEN];
    let mut params = form::fields(request, fields).await?;
    let (query, token) = (form::request(&mut params)?, form::field(&mut params, "token")?);
    let decision = form::field(&mut params, "decision")?;
    let shown = form::field(&mut params, "shown")?;
    let mut facts = Facts::of_query(context, &browser, &query).await?;
    let pending = PendingRequest::new(&browser, &query, facts.stored.take())?;

    // 2. Require a form that the provider issued to this browser, for this request and for the user who is signed in
    //    now.
    let sub = facts.session.as_ref().map_or("", |session| session.sub.as_str());
    let request_shown = shown_for(&query, &shown);
    let interaction_token =
        InteractionToken { step: InteractionStep::Consent, request: &request_shown, sub };
    let began_at = interaction_token.began_at(&browser, &token, context.now);
    let has_expired = interaction_token.has_expired(&browser, &token, context.now);
    let interaction = Interaction::new(provider, &browser, &pending, request);
    let Some(began_at) = began_at else {
        // Show the consent page again, to the user who is signed in now.
        let notice = if has_expired { ConsentNotice::FormExpired } else { ConsentNotice::Changed };
        let state = InteractionState { refused_consent: Some(notice), ..Default::default() };
        return interaction.proceed(facts, state).await;
    };

    // 3. Carry out the decision.
    match decision.as_str() {
        "allow" => {
            let state = InteractionState {
                began_at: Some(began_at),
                has_chosen: true,
                consented_to: Some(shown),
                ..InteractionState::default()
            };
            interaction.proceed(facts, state).await
        }
        "switch" => {
            let query = resumed(&browser, &query, InteractionStep::Switch, "", began_at);
            Ok(redirect_to_authorize(context, &query))
        }
        _ => {
            let (reply_to, error) = match validate(provider, &pending, &mut facts).await? {
                Validation::Valid(valid) => (valid.reply_to, DENIED),
                Validation::Refused(reply_to, error) => (reply_to, error),
            };
            let delivery = Delivery { has_acted: true, ..interaction.delivery };
            refuse(context, &pending, &reply_to, error, delivery).await
        }
    }
}
