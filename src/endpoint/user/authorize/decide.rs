//! What a request needs next: a pure function of what is asked, who is signed in, what they allowed, and what
//! they have done for this request so far.

use crate::endpoint::user::authorize::validate::ValidatedRequest;
use crate::interaction::pending_request::InteractionState;
use crate::pages::Notice;
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::token::id_token::PASSWORD_ACR;
use crate::store::consents::Consent;
use crate::store::sessions::Session;

/// What to do next.
#[derive(Debug)]
pub enum Next<'a> {
    /// Ask who is signed in whether the client may have what it asks for.
    AskConsent(&'a Session),
    /// Answer with a code for who is signed in.
    Respond(&'a Session),
    /// Answer with an error.
    Refuse(AuthorizeError),
    /// Ask whether it shall be the account that is signed in.
    SelectAccount(&'a Session),
    /// Ask who is there.
    SignIn(Option<Notice>),
}

/// Decides. Under `prompt=none` no page may be shown: what would need one is refused.
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

    // 1. Only what a password can show can be shown (Core section 5.5.1.1).
    if let Some(limits) = &validated.request.claims.essential_acr
        && !limits.iter().any(|acr| acr == PASSWORD_ACR)
    {
        return Next::Refuse(AuthorizeError::new(
            "unmet_authentication_requirements",
            "none of the essential acr values can be met",
        ));
    }

    // 2. Somebody is there, and has shown it recently enough (section 3.1.2.3).
    let sign_in =
        |notice| page(Next::SignIn(notice), "login_required", "nobody is signed in who would do");
    let Some(session) = session else { return sign_in(None) };
    let is_new = state.began_at.is_some_and(|began_at| session.auth_time >= began_at);
    // No age at all is what prompt=login asks for: the very second of a sign-in has more than one request.
    let is_too_old =
        validated.request.max_age.is_some_and(|age| age == 0 || now - session.auth_time > age);
    if state.wants_switch || (prompt.login || is_too_old) && !is_new {
        return sign_in(None);
    }

    // 3. It is who it must be: somebody else is never good enough (section 3.1.2.2).
    if !validated.required_user.admits(&session.sub) {
        return sign_in(Some(Notice::OtherAccountWanted));
    }

    // An API tells a machine's token by its `sub`, which is the client's id.
    if session.sub == validated.client.client_id {
        return Next::Refuse(AuthorizeError::new(
            "access_denied",
            "the account has the same name as the client",
        ));
    }

    // 4. It is the account that the person wants to use.
    if prompt.select_account && !state.has_chosen {
        return Next::SelectAccount(session);
    }

    // 5. The client may have what it asks for (section 3.1.2.4). A client that anything on the person's
    // device could claim to be is asked about every time: neither memory nor trust tells it from another
    // (RFC 8252 section 8.6).
    let is_impersonable = validated
        .reply_to
        .is_impersonable(&validated.client.metadata, validated.request.response_type);
    let is_allowed = !is_impersonable
        && (validated.client.trusted
            || remembered.is_some_and(|known| validated.is_covered_by(known)));
    let has_consented = state.consented_to.as_deref() == Some(&*validated.shown());
    if !has_consented && (prompt.consent || !is_allowed) {
        return page(
            Next::AskConsent(session),
            "consent_required",
            "the person must be asked for consent",
        );
    }
    Next::Respond(session)
}
