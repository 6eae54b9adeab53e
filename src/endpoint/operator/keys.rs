//! The signing keys, for the operator. No response contains a private key.

use serde_json::{Value, json};

use super::{body, invalid, refused};
use crate::context::Context;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::keys::KeyState;
use crate::keys::plan::rotations;
use crate::keys::rotation::{RotationError, rotate, withdraw};
use crate::ports::Platform;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::{InvalidDocument, JsonObject};
use crate::provider::Provider;
use crate::store::signing_keys::{self, KeyRow};

/// Lists the keys from the oldest to the newest, with the next rotation of each algorithm.
pub async fn list(context: &Context<'_, impl Platform>) -> Result<Response, Error> {
    Ok(respond(context, &signing_keys::all(context).await?))
}

/// Makes a new key of each algorithm, or, with `{"compromised": KID}`, withdraws a key. Lists the keys.
pub async fn make_new(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let Provider { context, memory } = provider;
    let compromised = parse(&body(request).await?).map_err(invalid)?;
    let published = &memory.published_keys;
    let changed = match &compromised {
        None => rotate(published, context).await,
        Some(kid) => withdraw(kid, published, context).await,
    };
    let rows = memory.signing_keys.remember(changed.map_err(refusal)?, context.now);
    Ok(respond(context, &rows))
}

/// Parses the body: nothing, or an object with the optional field `compromised`.
fn parse(json: &[u8]) -> Result<Option<String>, InvalidDocument> {
    if json.is_empty() {
        return Ok(None);
    }
    let mut document = JsonObject::parse(json)?;
    let compromised = document.string("compromised")?;
    document.end()?;
    Ok(compromised)
}

fn refusal(error: RotationError) -> Error {
    match error {
        RotationError::Internal(fault) => fault.into(),
        RotationError::TooManyKeys(alg, seconds) => {
            let description = format_args!(
                "{} {} keys are published, which is the most; rotate again in {seconds} seconds, when \
                 the first of them retires",
                signing_keys::MOST_PUBLISHED_KEYS,
                alg.name()
            );
            refused(409, "conflict", description)
        }
        RotationError::UnknownKey => refused(
            404,
            "not_found",
            InvalidField::new("compromised", "no signing key has this kid"),
        ),
    }
}

fn respond(context: &Context<'_, impl Platform>, rows: &[KeyRow]) -> Response {
    let now = context.now;
    // A key of an older version has no time of its own to begin at, and one that is withdrawn has none to end.
    let time = |time: i64| (time > 0).then_some(time);
    let key = |row: &KeyRow| -> Value {
        json!({
            "kid": row.public.kid(),
            "alg": row.public.alg().name(),
            "state": KeyState::of(row, rows, now).name(),
            "created_at": row.created_at,
            "publish_from": time(row.publish_from),
            "sign_from": time(row.sign_from),
            "sign_until": row.sign_until.and_then(time),
            "retire_at": row.retire_at.and_then(time),
        })
    };
    let rotation = rotations(rows, now, context.config.key_times).map(|rotation| {
        json!({
            "alg": rotation.alg.name(),
            "next_at": rotation.next_at,
            "overdue_since": rotation.overdue_since,
        })
    });
    let mut keys: Vec<_> = rows.iter().collect();
    keys.sort_by_key(|row| row.created_at);
    let keys: Vec<_> = keys.into_iter().map(key).collect();
    Response::json(200, &json!({ "keys": keys, "rotation": rotation.collect::<Vec<_>>() }))
}
