//! The page on which a user types the code of a device (RFC 8628 section 3.3). The code finds a stored authorization
//! request; what follows is the authorization endpoint's.

use crate::endpoint::support::form;
use crate::endpoint::user::authorize::respond::redirect_to_authorize;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::interaction::BrowserContext;
use crate::interaction::pending_request::query_of;
use crate::interaction::token::{InteractionStep, InteractionToken};
use crate::lifetimes::ADDRESS_PAUSE_SECONDS;
use crate::limits::rate_limits::may_type_code;
use crate::limits::user_codes::open;
use crate::pages::{CodeNotice, DeviceForm, Texts};
use crate::ports::Platform;
use crate::protocol::authorization::user_code::UserCode;
use crate::protocol::params::Params;
use crate::provider::Provider;
use crate::routes::{ACCOUNT, DEVICE};
use crate::store::user_codes::TypedCode;

/// The field with the code. It is longer than a code, because spaces and punctuation are forgiven.
const USER_CODE: form::Field = ("user_code", 64);

/// The form and the link to the page have the same token, which names nobody.
const TOKEN: InteractionToken<'_> =
    InteractionToken { step: InteractionStep::Device, request: "", sub: "" };

/// Shows the form, with the code of `verification_uri_complete` if the link has it, or opens the request of a code.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let browser = BrowserContext::from_request(context, request)?;
    let texts = Texts::choose(None, request.header("accept-language").as_deref());
    let shown = Form { browser: &browser, texts };
    if request.method() != "POST" {
        // A link only fills in the form: its sender may have chosen the code (section 3.3.1).
        let params = Params::parse(request.query().as_bytes(), &[&[USER_CODE.0]]);
        let params = params.unwrap_or_default();
        let parse = |code: &str| UserCode::parse(code, |text| context.nfkc(text));
        let linked = params.once(USER_CODE.0).ok().flatten().and_then(parse);
        let user_code = linked.map(|code| code.to_string()).unwrap_or_default();
        return Ok(shown.page(provider, &user_code, None));
    }

    // 1. Read the form, which the provider must have issued to this browser: another site must not type codes with it.
    let mut params = form::fields(request, [USER_CODE, form::TOKEN]).await?;
    let (typed, token) =
        (form::field(&mut params, USER_CODE.0)?, form::field(&mut params, "token")?);
    let refuse = |notice: CodeNotice| {
        context.log_refusal(notice.code());
        Ok(shown.page(provider, &typed, Some(notice)))
    };
    if TOKEN.began_at(&browser, &token, context.now).is_none() {
        let is_new = browser.is_new();
        return refuse(if is_new { CodeNotice::CookiesNeeded } else { CodeNotice::FormExpired });
    }

    // 2. Parse the code. What is not one finds nothing, so it is not counted.
    let Some(user_code) = UserCode::parse(&typed, |text| context.nfkc(text)) else {
        return refuse(CodeNotice::NotACode);
    };

    // 3. Find the request, unless too many wrong codes were typed (section 5.1). A user who is signed in need not wait for
    //    others.
    let session = browser.find_session(context).await?;
    let too_many = |wait| CodeNotice::TooManyCodes {
        wait: u32::try_from(wait).unwrap_or(u32::MAX),
        may_sign_in: session.is_none(),
    };
    if session.is_none() && !may_type_code(context, &browser.address).await {
        return refuse(too_many(ADDRESS_PAUSE_SECONDS));
    }
    match open(context, &browser, session.as_ref(), &user_code).await? {
        TypedCode::Found { handle } => {
            Ok(browser.remember_in(redirect_to_authorize(context, &query_of(&handle))))
        }
        TypedCode::Wait(seconds) => refuse(too_many(seconds)),
        TypedCode::Wrong => refuse(CodeNotice::WrongCode),
    }
}

/// The form in a browser.
struct Form<'a> {
    browser: &'a BrowserContext<'a>,
    texts: &'static Texts,
}

impl Form<'_> {
    fn page(
        &self,
        provider: &Provider<'_, impl Platform>,
        user_code: &str,
        notice: Option<CodeNotice>,
    ) -> Response {
        let context = &provider.context;
        let page = DeviceForm {
            brand: context.config.into(),
            texts: self.texts,
            action: &DEVICE.url(&context.config.issuer),
            token: &TOKEN.issue(self.browser, context.now),
            user_code,
            account_url: &ACCOUNT.url(&context.config.issuer),
            notice,
        };
        self.browser.remember_in(page.response())
    }
}
