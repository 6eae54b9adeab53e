//! Where the login form leads: a person says who they are, and goes on with what they came for.

use zeroize::Zeroizing;

use crate::browser::Visit;
use crate::browser::attempts::Attempt;
use crate::browser::cookies::Cookie;
use crate::browser::pending::{Pending, resumed};
use crate::browser::ticket::{Step, Ticket};
use crate::endpoint::account::account_login_page;
use crate::endpoint::authorize::answer::refuse;
use crate::endpoint::authorize::asked::{Examined, examine};
use crate::endpoint::authorize::case::Case;
use crate::endpoint::desk::Desk;
use crate::endpoint::form;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::opaque::{hash, random_text};
use crate::pages::{Notice, Texts};
use crate::ports::Platform;
use crate::protocol::login::fold_login;
use crate::protocol::password::{self, Verdict};
use crate::routes::{ACCOUNT, AUTHORIZE};
use crate::store::sessions::{self, SignIn};
use crate::store::sign_in_attempts::Admission;
use crate::store::users::find_account;

/// Signs a person in, or shows the form again with what was wrong.
pub async fn serve(
    desk: &Desk<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    // Who asks for this address by itself is after their own account.
    if request.method() == "GET" {
        return Ok(Response::see_other(ACCOUNT.url(&desk.config.issuer)));
    }
    let visit = Visit::of(desk.config, desk.cx, request)?;

    // 1. The form, and what the person came for.
    let fields = [("login", 1_024), ("password", 1_024), form::REQUEST, form::TOKEN];
    let mut params = form::fields(request, fields).await?;
    let (query, token) = (form::request(&mut params)?, form::field(&mut params, "token")?);
    let login = form::field(&mut params, "login")?;
    let password = Zeroizing::new(form::field(&mut params, "password")?);

    // 2. Our own form, in this browser, shown not long ago: nobody is signed in unawares as somebody else.
    let ticket = Ticket { step: Step::Login, request: &query, sub: "" };
    let outcome = match ticket.began_at(&visit, &token, desk.cx.now) {
        Some(began_at) => sign_in(desk, &visit, request, &login, &password)
            .await?
            .map(|welcome| (welcome, began_at)),
        None if visit.is_new => Err(Notice::CookiesNeeded),
        None => Err(Notice::FormExpired),
    };

    // 3. On with it, or the form again.
    match outcome {
        Ok((welcome, began_at)) => {
            let next = if query.is_empty() {
                ACCOUNT.url(&desk.config.issuer)
            } else {
                let query = resumed(&visit, &query, Step::Continue, &welcome.sub, began_at);
                format!("{}?{query}", AUTHORIZE.url(&desk.config.issuer))
            };
            Ok(Response::see_other(next)
                .with_cookie(Cookie::Session.set(&desk.config.issuer, &welcome.session))
                .with_cookie(welcome.device))
        }
        Err(notice) => show_again(desk, &visit, request, &query, &login, notice).await,
    }
}

/// What a browser gets in which somebody has signed in.
struct Welcome {
    sub: String,
    session: String,
    device: String,
}

async fn sign_in(
    desk: &Desk<'_, impl Platform>,
    visit: &Visit<'_>,
    request: &impl Request,
    login: &str,
    password: &str,
) -> Result<Result<Welcome, Notice>, Error> {
    let (platform, cx) = (desk.platform, desk.cx);
    // 1. A login as it is stored. One that nobody can have is looked for all the same.
    let login = fold_login(login).unwrap_or_default();

    // 2. Not too often: before the password costs anything, and counted before it is known to be wrong.
    let attempt = Attempt::of(visit, cx, request, &login)?;
    if let Admission::Wait(seconds) = attempt.admit(platform, cx).await? {
        let wait = u32::try_from(seconds).unwrap_or(u32::MAX);
        return Ok(Err(Notice::TooManyAttempts { wait }));
    }

    // 3. The password, and the session. Another look, where the hash became another in between: the same person
    // may have sent the form twice, and the first one renewed it.
    for _ in 0..2 {
        match check(desk, visit, &attempt, &login, password).await? {
            Checked::Overtaken => {}
            Checked::Right(welcome) => return Ok(Ok(welcome)),
            Checked::Wrong => break,
        }
    }
    Ok(Err(Notice::WrongCredentials))
}

/// What came of looking at a password.
enum Checked {
    /// It was right, and is another now.
    Overtaken,
    /// It is right, and the session has begun.
    Right(Welcome),
    /// It is wrong, or there is no such account.
    Wrong,
}

async fn check(
    desk: &Desk<'_, impl Platform>,
    visit: &Visit<'_>,
    attempt: &Attempt,
    login: &str,
    password: &str,
) -> Result<Checked, Error> {
    let (platform, cx) = (desk.platform, desk.cx);
    // 1. The password. It takes as long where there is no such account, or no password.
    let account = find_account(platform, login).await?;
    let known_hash = account.as_ref().and_then(|account| account.password_hash.as_deref());
    let verdict = password::verify(password, known_hash);
    let (Some(account), Some(known_hash), Verdict::Right { is_outdated }) =
        (&account, known_hash, verdict)
    else {
        return Ok(Checked::Wrong);
    };

    // 2. The session, under a cookie that nobody has seen before (session fixation).
    let session = random_text(cx)?;
    let new_hash = if is_outdated { Some(password::hash(password, cx)?) } else { None };
    let old_cookie_hash = visit.session_hash();
    let sign_in = SignIn {
        sub: &account.sub,
        password_hash: known_hash,
        new_password_hash: new_hash.as_deref(),
        session_id: &cx.random_id()?,
        cookie_hash: &hash(&session),
        old_cookie_hash: old_cookie_hash.as_deref(),
        counter: attempt.counter(),
        account_counter: attempt.account_counter(),
    };
    if !sessions::begin(platform, &sign_in, cx.now).await? {
        return Ok(Checked::Overtaken);
    }
    let device = attempt.remember_device(visit);
    Ok(Checked::Right(Welcome { sub: account.sub.clone(), session, device }))
}

/// The form again, with the login as it was typed.
async fn show_again(
    desk: &Desk<'_, impl Platform>,
    visit: &Visit<'_>,
    request: &impl Request,
    query: &str,
    login: &str,
    notice: Notice,
) -> Result<Response, Error> {
    desk.cx.log_refusal(notice.code());
    if query.is_empty() {
        let texts = Texts::choose(None, request.header("accept-language").as_deref());
        return Ok(account_login_page(desk, visit, texts, login, Some(notice)));
    }
    let pending = Pending::find(desk.platform, query, desk.cx.now).await?;
    let texts = form::texts(request, &pending.params);
    match examine(desk, &pending).await? {
        Examined::Accepted(asked) => {
            let case = Case { asked: &asked, desk, pending: &pending, texts, visit };
            Ok(case.login_page(login, Some(notice)).await)
        }
        Examined::Refused(reply_to, error) => refuse(desk, &pending, &reply_to, error, texts).await,
    }
}
