//! The operator's requests about the audit trail.

use serde_json::{Map, Value, json};

use super::{Page, invalid, once, query, without_nulls};
use crate::context::Context;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::jose::json;
use crate::ports::Platform;
use crate::protocol::invalid_field::InvalidField;
use crate::store::audit::kinds::EventKind;
use crate::store::audit::list::{self, Event, EventPage, Filter, Position};

/// The largest time: the largest whole number that every reader of JSON keeps.
const END_OF_TIME: i64 = (1 << 53) - 1;

/// The parameters of the request, beside those of every [`Page`].
const PARAMETERS: [&str; 5] = ["client", "kind", "since", "until", "user"];

/// Lists events, the newest first, one page per request. A page may have fewer events than its limit before the last one,
/// because the events that it looks at are limited, too.
pub async fn list(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let page = Page::from_request(request)?;
    let params = query(request, &PARAMETERS)?;
    let filter = Filter {
        sub: once(&params, "user")?.map(str::to_owned),
        client_id: once(&params, "client")?.map(str::to_owned),
        kind: once(&params, "kind")?.map(kind).transpose()?,
        since: once(&params, "since")?.map_or(Ok(0), |text| time("since", text))?,
    };
    let until = once(&params, "until")?.map_or(Ok(END_OF_TIME), |text| time("until", text))?;
    let end = Position { at: until, id: String::new() };
    let after = if page.after.is_empty() { Some(end) } else { parse_position(&page.after) };
    let after = after.ok_or_else(|| {
        invalid(InvalidField::new("after", "must be the next of the page before"))
    })?;
    let limit = usize::try_from(page.limit).unwrap_or_default();
    let EventPage { events, next } = list::list(context, &filter, &after, limit).await?;
    let events: Vec<_> = events.into_iter().map(to_json).collect();
    let mut document = Map::from_iter([("events".to_owned(), events.into())]);
    document.extend(next.map(|next| ("next".to_owned(), write_position(&next).into())));
    Ok(Response::json(200, &document.into()))
}

fn kind(name: &str) -> Result<EventKind, Error> {
    EventKind::from_name(name).ok_or_else(|| {
        let names: Vec<_> = EventKind::ALL.into_iter().map(EventKind::name).collect();
        let reason = format_args!("must be one of {}", names.join(" "));
        invalid(InvalidField::new("kind", reason))
    })
}

fn time(name: &'static str, text: &str) -> Result<i64, Error> {
    text.parse().ok().filter(|time| (0..=END_OF_TIME).contains(time)).ok_or_else(|| {
        invalid(InvalidField::new(name, "must be a time in whole seconds since 1970"))
    })
}

/// Writes a position as an event's `id`.
fn write_position(position: &Position) -> String {
    format!("{}.{}", position.at, position.id)
}

fn parse_position(text: &str) -> Option<Position> {
    let (at, id) = text.split_once('.')?;
    let at = at.parse().ok().filter(|at| (0..=END_OF_TIME).contains(at))?;
    Some(Position { at, id: id.to_owned() })
}

/// Renders an event. Fields without a value are left out. A damaged detail is shown as its text.
fn to_json(event: Event) -> Value {
    let parse = |text: String| json::from_own(&text).unwrap_or(Value::String(text));
    let detail = event.detail.map(parse);
    without_nulls(json!({
        "id": write_position(&event.position),
        "at": event.position.at,
        "kind": event.kind,
        "actor": event.actor,
        "sub": event.sub,
        "client_id": event.client_id,
        "network": event.network,
        "detail": detail,
    }))
}
