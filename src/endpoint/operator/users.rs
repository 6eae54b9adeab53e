//! The operator's requests about users.

use serde_json::{Value, json};
use std::collections::HashMap;
use zeroize::Zeroizing;

use super::{Page, body, invalid, refused};
use crate::context::Context;
use crate::error::{Error, Internal};
use crate::http::{Request, Response};
use crate::limits::attempts;
use crate::ports::{Platform, Unicode};
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::{InvalidDocument, JsonObject};
use crate::protocol::user::claims;
use crate::protocol::user::login::normalize_login;
use crate::protocol::user::password::{self, Password};
use crate::store::users::{self, NewUser, PutOutcome, Refusal, User};

/// Parses a user: `{"sub", "login", "claims", "password_hash", "disabled"}`, in an import one per line. `path_sub` is the sub in
/// the path, if there is one.
fn parse_document(
    mut document: JsonObject,
    path_sub: Option<&str>,
    context: &Context<'_, impl Unicode>,
) -> Result<NewUser, InvalidField> {
    let sub = match (document.string("sub")?, path_sub) {
        (Some(sub), Some(path_sub)) if sub != path_sub => {
            return Err(InvalidField::new("sub", "must be the sub in the path, or left out"));
        }
        (Some(sub), _) => sub,
        (None, Some(path_sub)) => path_sub.to_owned(),
        (None, None) => return Err(InvalidField::missing("sub")),
    };
    check_sub(&sub)?;
    let normalize = |login: &str| normalize_login(login, |text| context.nfkc(text));
    let login = document.string("login")?.map(|login| normalize(&login)).transpose();
    let login = login.map_err(|error| InvalidField::new("login", error))?;
    let claims = document.object("claims")?;
    let password_hash = document.string("password_hash")?;
    if let Some(hash) = &password_hash {
        password::check_hash(hash).map_err(|error| InvalidField::new("password_hash", error))?;
    }
    let disabled = document.boolean("disabled")?;
    // What `show` adds to a user is allowed, and changes nothing.
    document.boolean("has_password")?;
    document.integer("created_at")?;
    document.integer("updated_at")?;
    document.end()?;
    if let Some(claims) = &claims {
        let is_custom = |claim: &str| context.config.scopes.has_custom_claim(claim);
        claims::validate(claims, is_custom, context.now)?;
    }
    let default_login = normalize(&sub).ok();
    Ok(NewUser { sub, login, default_login, claims, password_hash, disabled })
}

/// Checks a sub: printable ASCII characters, at most 255 (OpenID Connect Core section 2).
fn check_sub(sub: &str) -> Result<(), InvalidField> {
    let is_printable = sub.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    // A path cannot contain `.` and `..` as a sub, because URL parsers remove them.
    if sub.len() > 255 || !is_printable || sub.trim() != sub || matches!(sub, "" | "." | "..") {
        let reason = "must be 1 to 255 printable ASCII characters, without a space at either \
                      end, and not . or ..";
        return Err(InvalidField::new("sub", reason));
    }
    Ok(())
}

/// Creates or replaces a user, and returns it. Absent fields keep their stored value. Only here, not in an import, the
/// document may have a `password`.
pub async fn put(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
    sub: &str,
) -> Result<Response, Error> {
    let mut document = JsonObject::parse(&body(request).await?).map_err(invalid)?;
    let password = extract_password(&mut document, context).map_err(invalid)?;
    let mut user = parse_document(document, Some(sub), context).map_err(invalid)?;
    let is_new_password = password.is_some();
    if let Some(password) = password {
        if user.password_hash.is_some() {
            let reason = "must not be present together with password_hash";
            return Err(invalid(InvalidField::new("password", reason)));
        }
        user.password_hash = Some(password.hash(context.random()?)?);
    }
    match users::put(context, &user).await? {
        PutOutcome::Stored(user) => {
            // Not for a hash, which a directory may store again and again.
            if is_new_password {
                attempts::forget(context, &user.login).await?;
            }
            respond(&user)
        }
        PutOutcome::Refused(refusal) => Err(refuse(&refusal)),
    }
}

fn refuse(refusal: &Refusal) -> Error {
    match refusal {
        Refusal::LoginMissing => invalid(explain(refusal)),
        Refusal::Deleted | Refusal::IsClient | Refusal::LoginTaken => {
            refused(409, "conflict", explain(refusal))
        }
    }
}

fn explain(refusal: &Refusal) -> InvalidField {
    let (field, reason) = match refusal {
        Refusal::Deleted => ("sub", "belonged to a deleted user, and cannot be used again"),
        Refusal::IsClient => ("sub", "must not be the client_id of a client"),
        Refusal::LoginMissing => ("login", "missing, and the sub cannot be the login"),
        Refusal::LoginTaken => ("login", "belongs to another user"),
    };
    InvalidField::new(field, reason)
}

pub(super) fn extract_password(
    document: &mut JsonObject,
    context: &Context<'_, impl Unicode>,
) -> Result<Option<Password>, InvalidField> {
    const FIELD: &str = "password";
    let Some(password) = document.string(FIELD)? else { return Ok(None) };
    let password = Password::new(Zeroizing::new(password), |text| context.nfc(text));
    password.check().map_err(|error| InvalidField::new(FIELD, error))?;
    Ok(Some(password))
}

pub async fn show(context: &Context<'_, impl Platform>, sub: &str) -> Result<Response, Error> {
    respond(&users::find(context, sub).await?.ok_or_else(no_such_user)?)
}

pub(super) fn respond(user: &User) -> Result<Response, Error> {
    Ok(Response::json(200, &to_json(user)?))
}

/// Lists users, one page per request.
pub async fn list(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let page = Page::from_request(request)?;
    let found = users::list(context, &page.after, page.limit + 1).await?;
    let to_json = |(_, user): (String, Option<User>)| user.as_ref().map(to_json).transpose();
    Ok(page.respond(context, "users", found, |(sub, _)| sub.clone(), to_json))
}

/// Deletes a user and the user's grants. The sub is never reused. Deleting the user again does not change the
/// time.
pub async fn delete(context: &Context<'_, impl Platform>, sub: &str) -> Result<Response, Error> {
    let deleted_at = users::delete(context, sub).await?.ok_or_else(no_such_user)?;
    Ok(Response::json(200, &json!({ "sub": sub, "deleted_at": deleted_at })))
}

/// Creates or replaces the users of an NDJSON body. Every line is checked and every valid one stored; the report lists
/// each refused line with its error.
pub async fn import(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let body = body(request).await?;
    let mut refusals: Vec<(usize, String)> = Vec::new();
    let mut users: Vec<NewUser> = Vec::new();
    let mut lines: Vec<Vec<usize>> = Vec::new();
    let mut index_of_sub = HashMap::new();
    let numbered = body.split(|&b| b == b'\n').enumerate().map(|(index, line)| (index + 1, line));
    for (number, line) in numbered.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let mut user = match parse_line(line, context) {
            Ok(user) => user,
            Err(error) => {
                refusals.push((number, error.to_string()));
                continue;
            }
        };
        // The last of several lines for a user counts, as it would in separate requests.
        let index = *index_of_sub.entry(user.sub.clone()).or_insert(users.len());
        if let (Some(earlier), Some(numbers)) = (users.get_mut(index), lines.get_mut(index)) {
            std::mem::swap(earlier, &mut user);
            earlier.complete_from(user);
            numbers.push(number);
        } else {
            users.push(user);
            lines.push(vec![number]);
        }
    }
    let mut stored = 0;
    let outcomes = users::put_all(context, &users).await?;
    for (numbers, outcome) in lines.into_iter().zip(&outcomes) {
        match outcome {
            Ok(()) => stored += numbers.len(),
            Err(refusal) => {
                let error = explain(refusal).to_string();
                refusals.extend(numbers.into_iter().map(|number| (number, error.clone())));
            }
        }
    }
    refusals.sort_unstable_by_key(|(line, _)| *line);
    let refused: Vec<_> =
        refusals.into_iter().map(|(line, error)| json!({ "line": line, "error": error })).collect();
    Ok(Response::json(200, &json!({ "stored": stored, "refused": refused })))
}

fn parse_line(
    line: &[u8],
    context: &Context<'_, impl Unicode>,
) -> Result<NewUser, InvalidDocument> {
    Ok(parse_document(JsonObject::parse(line)?, None, context)?)
}

pub(super) fn no_such_user() -> Error {
    refused(404, "not_found", "sub: no user has this sub")
}

fn to_json(user: &User) -> Result<Value, Internal> {
    let claims = users::parse_claims(&user.claims).map_err(|_| Internal::Broken {
        detail: format!("damaged row in D1: the claims of the user {}", user.sub),
    })?;
    Ok(json!({
        "sub": user.sub,
        "login": user.login,
        "claims": claims,
        "has_password": user.has_password,
        "disabled": user.is_disabled,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    }))
}
