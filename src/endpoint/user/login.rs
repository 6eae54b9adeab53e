//! The target of the sign-in form: signs the user in, and continues the pending request.

use zeroize::Zeroizing;

use crate::context::Context;
use crate::endpoint::support::form;
use crate::endpoint::user::account::account_login_page;
use crate::endpoint::user::authorize::facts::{Facts, Reading};
use crate::endpoint::user::authorize::interaction::Interaction;
use crate::endpoint::user::authorize::respond::{redirect_to_authorize, refuse};
use crate::endpoint::user::authorize::validate::{Validation, validate};
use crate::error::{Error, PageError};
use crate::http::{Request, Response};
use crate::interaction::BrowserContext;
use crate::interaction::cookies::Cookie;
use crate::interaction::pending_request::{PendingRequest, resumed};
use crate::interaction::token::{InteractionStep, InteractionToken};
use crate::lifetimes::ADDRESS_PAUSE_SECONDS;
use crate::limits::attempts::Attempt;
use crate::log::LogEvent;
use crate::pages::{Notice, Texts};
use crate::ports::Platform;
use crate::protocol::user::login::TypedLogin;
use crate::protocol::user::password::{LONGEST_TYPED, Password, PasswordCheck};
use crate::provider::Provider;
use crate::routes::ACCOUNT;
use crate::secret::hash;
use crate::store::audit::kinds::EventKind;
use crate::store::audit::sign_ins::AttemptedSignIn;
use crate::store::batch::Batch;
use crate::store::sessions::{self, Origin, SignIn};
use crate::store::sign_in_attempts::{Admission, count_in};
use crate::store::users::{Account, find_account, find_account_in};

struct LoginForm {
    login: String,
    password: Zeroizing<String>,
    /// The query of the request that the user signs in for; empty for the account page.
    query: String,
    token: String,
    /// Whether the user wants to see the password, or to hide it again, instead of signing in.
    visible: Option<bool>,
}

impl LoginForm {
    async fn from_request(request: &impl Request) -> Result<Self, PageError> {
        let fields = [
            ("login", 1_024),
            ("password", LONGEST_TYPED),
            ("visible", 5),
            form::REQUEST,
            form::TOKEN,
        ];
        let mut params = form::fields(request, fields).await?;
        Ok(Self {
            query: form::request(&mut params)?,
            token: form::field(&mut params, "token")?,
            login: form::field(&mut params, "login")?,
            password: Zeroizing::new(form::field(&mut params, "password")?),
            visible: match form::field(&mut params, "visible")?.as_str() {
                "" => None,
                visible => Some(visible == "true"),
            },
        })
    }
}

/// Signs a user in, or shows the form again with a notice.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let issuer = &context.config.issuer;
    // A user who opened this URL directly expects the account page.
    if request.method() != "POST" {
        return Ok(Response::see_other(ACCOUNT.url(issuer)));
    }
    let browser = BrowserContext::from_request(context, request)?;

    // 1. Read the form.
    let form = LoginForm::from_request(request).await?;

    // 2. Require a form that the provider issued to this browser not long ago. Otherwise another site could sign the
    //    user in to an attacker's account (login CSRF).
    let interaction_token =
        InteractionToken { step: InteractionStep::Login, request: &form.query, sub: "" };
    let outcome = match interaction_token.began_at(&browser, &form.token, context.now) {
        Some(_) if form.visible.is_some() => (SignInOutcome::NotTried, context.now),
        Some(began_at) => (sign_in(context, &browser, request, &form).await?, began_at),
        None if browser.is_new() => {
            (SignInOutcome::Refused(Notice::CookiesNeeded, None), context.now)
        }
        None => (SignInOutcome::Refused(Notice::FormExpired, None), context.now),
    };

    // 3. Continue the request, or show the form again.
    match outcome {
        (SignInOutcome::SignedIn(session), began_at) => {
            let response = if form.query.is_empty() {
                Response::see_other(ACCOUNT.url(issuer))
            } else {
                let query = resumed(
                    &browser,
                    &form.query,
                    InteractionStep::Continue,
                    &session.sub,
                    began_at,
                );
                redirect_to_authorize(context, &query)
            };
            Ok(response
                .with_cookie(Cookie::Session.set(issuer, &session.cookie))
                .with_cookie(session.device))
        }
        (SignInOutcome::Refused(notice, facts), _) => {
            context.log_refusal(notice.code());
            show_again(provider, (&browser, request), &form, Some(notice), facts).await
        }
        (SignInOutcome::NotTried, _) => {
            let notice = (form.visible == Some(true)).then_some(Notice::PasswordVisible);
            show_again(provider, (&browser, request), &form, notice, None).await
        }
    }
}

enum SignInOutcome {
    /// A session has begun.
    SignedIn(NewSession),
    /// No session has begun; the form is shown again, with these facts if they were read.
    Refused(Notice, Option<Box<Facts>>),
    /// The user has not tried to sign in; the form is shown again without the password.
    NotTried,
}

/// A new session, and the cookies for its browser.
struct NewSession {
    sub: String,
    /// The session cookie's value.
    cookie: String,
    /// The `Set-Cookie` of the device cookie.
    device: String,
}

async fn sign_in(
    context: &Context<'_, impl Platform>,
    browser: &BrowserContext<'_>,
    request: &impl Request,
    form: &LoginForm,
) -> Result<SignInOutcome, Error> {
    // 1. Normalize what was typed.
    let login = TypedLogin::new(&form.login, |text| context.nfkc(text));
    let password = Password::new(form.password.clone(), |text| context.nfc(text));
    let attempt = Attempt::from_request(browser, context, request, &login)?;
    if !attempt.is_within_limit(context).await {
        return Ok(SignInOutcome::Refused(too_many_attempts(ADDRESS_PAUSE_SECONDS), None));
    }

    // 2. Count the attempt before the password is verified, because verification is expensive and concurrent attempts
    //    must all count. The same batch reads the password hash, and the facts for the form if it is shown again. If
    //    its response gets lost, the attempt counts twice, as it would if the user tried again.
    let mut batch = Batch::default();
    let facts = Reading::of_query(&mut batch, browser, &form.query, None, context.now);
    let event_id = context.random_id()?;
    let attempted = AttemptedSignIn {
        event_id: &event_id,
        kind: EventKind::SignInFailed,
        login: &login,
        client: facts.client_of_request(),
    };
    let counting = count_in(&mut batch, &attempt.counters(), &attempted, context)?;
    let account = find_account_in(&mut batch, &login);
    let mut outcome = batch.run_idempotent(context).await?;
    let facts = Some(Box::new(facts.finish(&mut outcome)?));
    if let Admission::Wait(seconds) = counting.admission(&mut outcome)? {
        context.log_event(LogEvent::SignInBudgetExhausted {});
        return Ok(SignInOutcome::Refused(too_many_attempts(seconds), facts));
    }

    // 3. Verify the password and begin the session. This is a second request to the database, because the module
    //    verifies the password. Try once more if the hash changed in between, because the user may have sent the form
    //    twice and the first request renewed an outdated hash.
    let mut account = outcome.take(account)?;
    let origin = Origin::from_request(context, request);
    for _ in 0..2 {
        let attempt = (&attempt, event_id.as_str(), &origin);
        match check(context, browser, attempt, account.as_ref(), &password).await? {
            PasswordOutcome::Right(session) => return Ok(SignInOutcome::SignedIn(session)),
            PasswordOutcome::Wrong => break,
            PasswordOutcome::UserDisabled => {
                return Ok(SignInOutcome::Refused(Notice::AccountDisabled, facts));
            }
            PasswordOutcome::HashChanged => account = find_account(context, &login).await?,
        }
    }
    Ok(SignInOutcome::Refused(Notice::WrongCredentials, facts))
}

fn too_many_attempts(seconds: i64) -> Notice {
    Notice::TooManyAttempts { wait: u32::try_from(seconds).unwrap_or(u32::MAX) }
}

enum PasswordOutcome {
    /// The password was right, but the user's hash changed, or the user was disabled, before the session began.
    HashChanged,
    /// The password is right, and the session has begun.
    Right(NewSession),
    /// The password is right, but the operator has disabled the user.
    UserDisabled,
    /// The password is wrong, or the user does not exist.
    Wrong,
}

async fn check(
    context: &Context<'_, impl Platform>,
    browser: &BrowserContext<'_>,
    (attempt, event_id, origin): (&Attempt, &str, &Origin),
    account: Option<&Account>,
    password: &Password,
) -> Result<PasswordOutcome, Error> {
    // 1. Verify the password. It takes equally long if the user does not exist or has no password.
    let known_hash = account.and_then(|account| account.password_hash.as_deref());
    let verdict = password.verify(known_hash);
    let (Some(account), Some(known_hash), PasswordCheck::Right { is_outdated }) =
        (account, known_hash, verdict)
    else {
        return Ok(PasswordOutcome::Wrong);
    };

    // 2. Require a user who is not disabled. Only somebody who knows the password learns it. The attempt counts as a
    //    failed one.
    if account.is_disabled {
        return Ok(PasswordOutcome::UserDisabled);
    }

    // 3. Begin the session under a new cookie, which prevents session fixation.
    let cookie = context.random_text()?;
    let new_hash = if is_outdated { Some(password.hash(context.random()?)?) } else { None };
    let old_cookie_hash = browser.session_hash();
    let sign_in = SignIn {
        sub: &account.sub,
        password_hash: known_hash,
        new_password_hash: new_hash.as_deref(),
        session_id: &context.random_id()?,
        cookie_hash: &hash(&cookie),
        old_cookie_hash: old_cookie_hash.as_deref(),
        counters: &attempt.counters(),
        event_id,
        origin,
    };
    if !sessions::begin(context, &sign_in).await? {
        return Ok(PasswordOutcome::HashChanged);
    }
    let device = attempt.remember_device(browser, &account.login);
    Ok(PasswordOutcome::Right(NewSession { sub: account.sub.clone(), cookie, device }))
}

/// Shows the form again with the login that was typed.
async fn show_again(
    provider: &Provider<'_, impl Platform>,
    (browser, request): (&BrowserContext<'_>, &impl Request),
    form: &LoginForm,
    notice: Option<Notice>,
    facts: Option<Box<Facts>>,
) -> Result<Response, Error> {
    let context = &provider.context;
    if form.query.is_empty() {
        let texts = Texts::choose(None, request.header("accept-language").as_deref());
        return Ok(account_login_page(context, browser, texts, &form.login, notice));
    }
    let mut facts = match facts {
        Some(facts) => *facts,
        None => Facts::of_query(context, browser, &form.query).await?,
    };
    let pending = PendingRequest::new(browser, &form.query, facts.stored.take())?;
    let interaction = Interaction::new(provider, browser, &pending, request);
    match validate(provider, &pending, &mut facts).await? {
        Validation::Valid(valid) => Ok(interaction.login_page(&valid, &form.login, notice).await),
        Validation::Refused(reply_to, error) => {
            refuse(context, &pending, &reply_to, error, interaction.delivery).await
        }
    }
}
