//! The target of the form that changes the user's password.
//!
//! Anybody at a browser in which a user is signed in could type guesses of the current password here. So each is an
//! attempt to sign in, with the same counters and pauses.

use zeroize::Zeroizing;

use crate::context::Context;
use crate::crypto::mac::Purpose;
use crate::endpoint::support::form;
use crate::endpoint::user::account::page::{AccountFacts, Reading, show};
use crate::error::{Error, PageError};
use crate::http::{Request, Response};
use crate::interaction::BrowserContext;
use crate::interaction::cookies::Cookie;
use crate::interaction::token::{InteractionStep, InteractionToken};
use crate::lifetimes::ADDRESS_PAUSE_SECONDS;
use crate::limits::attempts::Attempt;
use crate::log::LogEvent;
use crate::pages::{AccountNotice, PasswordNotice, Texts};
use crate::ports::Platform;
use crate::protocol::user::login::TypedLogin;
use crate::protocol::user::password::{LONGEST_TYPED, Password, PasswordCheck};
use crate::provider::Provider;
use crate::routes::ACCOUNT;
use crate::secret::hash;
use crate::store::audit::kinds::EventKind;
use crate::store::audit::sign_ins::AttemptedSignIn;
use crate::store::batch::Batch;
use crate::store::password_changes::{
    Cookies, PasswordChange, SignedInUser, find_user, find_user_in,
};
use crate::store::sign_in_attempts::{Admission, count_in};

struct PasswordForm {
    /// The login of the user whom the form was shown to.
    login: String,
    current: Zeroizing<String>,
    new: Zeroizing<String>,
    /// Whether the access of all applications ends.
    ends_access: bool,
    token: String,
    /// Whether the user wants to see the passwords, or to hide them again, instead of changing it.
    visible: Option<bool>,
}

impl PasswordForm {
    async fn from_request(request: &impl Request) -> Result<Self, PageError> {
        let fields = [
            ("login", 1_024),
            ("current_password", LONGEST_TYPED),
            ("new_password", LONGEST_TYPED),
            ("end_access", 4),
            ("visible", 5),
            form::TOKEN,
        ];
        let mut params = form::fields(request, fields).await?;
        Ok(Self {
            login: form::field(&mut params, "login")?,
            current: Zeroizing::new(form::field(&mut params, "current_password")?),
            new: Zeroizing::new(form::field(&mut params, "new_password")?),
            ends_access: form::field(&mut params, "end_access")? == "true",
            token: form::field(&mut params, "token")?,
            visible: match form::field(&mut params, "visible")?.as_str() {
                "" => None,
                visible => Some(visible == "true"),
            },
        })
    }

    fn notice(&self, notice: PasswordNotice) -> AccountNotice<'static> {
        AccountNotice::Password { notice, ends_access: self.ends_access }
    }
}

/// The content of the token in the form. It is bound to the session and to the login, which the attempts are counted for.
pub fn password_token<'a>(cookie_hash: &'a str, login: &'a str) -> InteractionToken<'a> {
    InteractionToken { step: InteractionStep::ChangePassword, request: login, sub: cookie_hash }
}

/// Changes the password, and shows the account page.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let account = || Ok(Response::see_other(ACCOUNT.url(&context.config.issuer)));
    if request.method() != "POST" {
        return account();
    }
    let browser = BrowserContext::from_request(context, request)?;
    let texts = Texts::choose(None, request.header("accept-language").as_deref());

    // 1. Read the form. That of another site arrives without the session's cookie. The GET has it.
    let form = PasswordForm::from_request(request).await?;
    let (Some(cookie), Some(cookie_hash)) = (&browser.session, browser.session_hash()) else {
        return account();
    };

    // 2. Require a form that the provider issued to this browser in this session, for this login.
    let token = password_token(&cookie_hash, &form.login);
    let new_cookie = browser.mac.code(Purpose::SessionCookie, &[cookie, &form.token]);
    let outcome = if token.began_at(&browser, &form.token, context.now).is_none() {
        Outcome::NotChanged(AccountNotice::FormExpired)
    } else if let Some(visible) = form.visible {
        Outcome::NotChanged(form.notice(PasswordNotice::Typing { visible }))
    } else {
        let cookies = Cookies { old_hash: &cookie_hash, new_hash: &hash(&new_cookie) };
        change(context, &browser, request, (&form, cookies)).await?
    };

    // 3. Show the page, in the session under the new cookie if it has one.
    let (notice, facts) = match outcome {
        Outcome::Changed(facts) => {
            let notice = AccountNotice::PasswordChanged { ended_access: form.ends_access };
            let page = show(provider, &browser, texts, facts, Some(notice)).await?;
            return Ok(page.with_cookie(Cookie::Session.set(&context.config.issuer, &new_cookie)));
        }
        Outcome::SignedOut => (None, None),
        Outcome::NotChanged(notice) => {
            if let AccountNotice::Password { notice, .. } = &notice
                && let Some(code) = notice.code()
            {
                context.log_refusal(code);
            }
            let mut batch = Batch::default();
            let reading = Reading::add(&mut batch, cookie_hash, context.now);
            let mut outcome = batch.run_idempotent(context).await?;
            (Some(notice), reading.finish(&mut outcome)?)
        }
    };
    Ok(show(provider, &browser, texts, facts, notice).await?)
}

enum Outcome {
    /// The password is the new one, and the session has the new cookie.
    Changed(Option<AccountFacts>),
    NotChanged(AccountNotice<'static>),
    /// The session has ended.
    SignedOut,
}

/// Counts the attempt, and then changes the password.
async fn change(
    context: &Context<'_, impl Platform>,
    browser: &BrowserContext<'_>,
    request: &impl Request,
    (form, cookies): (&PasswordForm, Cookies<'_>),
) -> Result<Outcome, Error> {
    let too_many = |seconds: i64| {
        let wait = u32::try_from(seconds).unwrap_or(u32::MAX);
        Ok(Outcome::NotChanged(form.notice(PasswordNotice::TooManyAttempts { wait })))
    };

    // 1. Check the new password, before the current one costs an attempt.
    let new = Password::new(form.new.clone(), |text| context.nfc(text));
    if new.check().is_err() {
        return Ok(Outcome::NotChanged(form.notice(PasswordNotice::Invalid)));
    }

    // 2. Count the attempt, as a sign-in does, and read the user.
    let login = TypedLogin::new(&form.login, |text| context.nfkc(text));
    let attempt = Attempt::from_request(browser, context, request, &login)?;
    if !attempt.is_within_limit(context).await {
        return too_many(ADDRESS_PAUSE_SECONDS);
    }
    let mut batch = Batch::default();
    let event_id = context.random_id()?;
    let kind = EventKind::PasswordChangeFailed;
    let attempted = AttemptedSignIn { event_id: &event_id, kind, login: &login, client: None };
    let counting = count_in(&mut batch, &attempt.counters(), &attempted, context)?;
    let user = find_user_in(&mut batch, cookies, context.now);
    let mut outcome = batch.run_idempotent(context).await?;
    if let Admission::Wait(seconds) = counting.admission(&mut outcome)? {
        context.log_event(LogEvent::SignInBudgetExhausted {});
        return too_many(seconds);
    }

    // 3. Verify the current password and change it. Try once more if the hash changed in between: another browser may have
    //    changed it, or the user has sent this form twice.
    let mut user = outcome.take(user)?;
    for _ in 0..2 {
        let Some(known) = &user else { return Ok(Outcome::SignedOut) };
        let attempt = (&attempt, event_id.as_str());
        if let Some(outcome) = verify(context, (form, &new), (known, cookies), attempt).await? {
            return Ok(outcome);
        }
        user = find_user(context, cookies).await?;
    }
    Ok(Outcome::NotChanged(form.notice(PasswordNotice::WrongCurrent)))
}

/// Verifies the current password of a user, and changes it if it is right. Returns `None` if it was changed meanwhile, or the
/// session has ended.
async fn verify(
    context: &Context<'_, impl Platform>,
    (form, new): (&PasswordForm, &Password),
    (user, cookies): (&SignedInUser, Cookies<'_>),
    (attempt, event_id): (&Attempt, &str),
) -> Result<Option<Outcome>, Error> {
    // 1. The operator may have given the user another login since the form was shown: then another one's attempts count.
    if user.login != form.login {
        return Ok(Some(Outcome::NotChanged(AccountNotice::FormExpired)));
    }
    let is_right = |password: &Password| {
        password.verify(user.password_hash.as_deref()) != PasswordCheck::Wrong
    };

    // 2. If the user has sent this form twice, the password is the new one already, and the session has the new cookie.
    //    Somebody else who has only the old cookie does not get the new one.
    let mut batch = Batch::default();
    if user.is_changed {
        if !is_right(new) {
            return Ok(Some(Outcome::SignedOut));
        }
        let reading = Reading::add(&mut batch, cookies.new_hash.to_owned(), context.now);
        let mut outcome = batch.run_idempotent(context).await?;
        return Ok(Some(Outcome::Changed(reading.finish(&mut outcome)?)));
    }

    // 3. Verify, and change.
    let current = Password::new(form.current.clone(), |text| context.nfc(text));
    let Some(old_hash) = user.password_hash.as_deref().filter(|_| is_right(&current)) else {
        return Ok(Some(Outcome::NotChanged(form.notice(PasswordNotice::WrongCurrent))));
    };
    let change = PasswordChange {
        sub: &user.sub,
        cookies,
        old_hash,
        new_hash: &new.hash(context.random()?)?,
        ends_access: form.ends_access,
        counters: &attempt.counters(),
        event_id,
    };
    let is_changed = change.add_to(&mut batch, context)?;
    let reading = Reading::add(&mut batch, cookies.new_hash.to_owned(), context.now);
    let mut outcome = batch.run_idempotent(context).await?;
    let is_changed = outcome.take(is_changed)?;
    let facts = reading.finish(&mut outcome)?;
    Ok(is_changed.then_some(Outcome::Changed(facts)))
}
