//! Step 4: decide what a request needs next. A pure function of the request, the session, the stored consent and the
//! user's progress with this request.

use crate::endpoint::user::authorize::validate::ValidatedRequest;
use crate::interaction::pending_request::InteractionState;
use crate::pages::Notice;
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::token::id_token::PASSWORD_ACR;
use crate::store::consents::Consent;
use crate::store::sessions::Session;

#[derive(Debug)]
pub enum Next<'a> {
    /// Show the consent page to the signed-in user.
    AskConsent(&'a Session),
    /// Respond with a code or tokens for the signed-in user.
    Respond(&'a Session),
    /// Respond with an error.
    Refuse(AuthorizeError),
    /// Show the account chooser with the signed-in user.
    SelectAccount(&'a Session),
    /// Show the sign-in page.
    SignIn(Option<Notice>),
}

/// Decides the next step. Under `prompt=none` no page may be shown, so the response is an error where a page is needed.
pub fn decide<'a>(
    validated: &ValidatedRequest,
    session: Option<&'a Session>,
    remembered: Option<&Consent>,
    state: &InteractionState,
    now: i64,
) -> Next<'a> {
    let prompt = validated.request.prompt;
    let page = |page, code, description| {
        if prompt.none { Next::Refuse(AuthorizeError::new(code, description)) } else { page }
    };

    // 1. Refuse an essential `acr` that is not that of a password (Core section 5.5.1.1).
    if let Some(limits) = &validated.request.claims.essential_acr
        && !limits.iter().any(|acr| acr == PASSWORD_ACR)
    {
        return Next::Refuse(AuthorizeError::new(
            "unmet_authentication_requirements",
            "claims: no value of the essential claim acr can be met",
        ));
    }

    // 2. Require a session with a recent enough authentication (section 3.1.2.3). Under `prompt=none`, a client that its
    //    user never allowed gets the same answer, because another one would disclose that a user is signed in, and who.
    let sign_in =
        |notice| page(Next::SignIn(notice), "login_required", "no session satisfies the request");
    let Some(session) = session else { return sign_in(None) };
    if prompt.none && !validated.client.trusted && remembered.is_none() {
        return sign_in(None);
    }
    let is_new = state.began_at.is_some_and(|began_at| session.auth_time >= began_at);
    // `max_age=0` means the same as `prompt=login`. A session from the same second may belong to another request, so
    // only an authentication for this request is recent enough.
    let is_too_old =
        validated.request.max_age.is_some_and(|age| age == 0 || now - session.auth_time > age);
    if state.wants_switch || (prompt.login || is_too_old) && !is_new {
        return sign_in(None);
    }

    // 3. Require the user that the request names, if it names one (section 3.1.2.2). APIs recognize a machine's token by
    //    its `sub`, which is the client identifier, so it must not be the user's. Earlier versions stored such users.
    if !validated.required_user.admits(&session.sub) || session.sub == validated.client.client_id {
        return sign_in(Some(Notice::OtherAccountWanted));
    }

    // 4. Let the user choose the account, if the client requires it.
    if prompt.select_account && !state.has_chosen {
        return Next::SelectAccount(session);
    }

    // 5. Require consent (section 3.1.2.4). If another sender can impersonate the client, or has sent the request of a
    //    device to its user, neither stored consent nor trust applies.
    let needs_decision = validated
        .reply_to
        .needs_decision(&validated.client.metadata, validated.request.response_type);
    let is_allowed = !needs_decision
        && (validated.client.trusted
            || remembered.is_some_and(|known| validated.is_covered_by(known)));
    let has_consented = state.consented_to.as_deref() == Some(&*validated.shown());
    if !has_consented && (prompt.consent || !is_allowed) {
        return page(Next::AskConsent(session), "consent_required", "the user's consent is needed");
    }
    Next::Respond(session)
}
