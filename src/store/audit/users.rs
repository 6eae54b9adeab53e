//! The events of users that the operator stores, one by one or in an import. A user who is stored as before has none, so
//! that a directory may store all of its users every night.

use crate::context::Context;
use crate::error::Internal;
use crate::ports::Statement;
use crate::store::audit::bind;
use crate::store::audit::kinds::{Actor, EventKind};

/// A SQL condition: the entry has another login than the user.
macro_rules! login_differs {
    () => {
        "coalesce(value->>'login' <> users.login, 0)"
    };
}

/// A SQL condition: the entry has other claims than the user.
macro_rules! claims_differ {
    () => {
        "coalesce(value->'claims' <> users.claims, 0)"
    };
}

/// A SQL condition: the entry has another password hash than the user.
macro_rules! password_differs {
    () => {
        "coalesce(value->>'password_hash' <> coalesce(users.password_hash, ''), 0)"
    };
}

/// A SQL condition: the entry disables the user, or enables the disabled user.
macro_rules! disabled_differs {
    () => {
        "coalesce(value->>'disabled' <> (users.disabled_at IS NOT NULL), 0)"
    };
}

/// A SQL condition: the user is not as the entry has it.
macro_rules! user_differs {
    () => {
        concat!(
            "(users.sub IS NULL OR ",
            login_differs!(),
            " OR ",
            claims_differ!(),
            " OR ",
            password_differs!(),
            " OR ",
            disabled_differs!(),
            ")"
        )
    };
}

/// The statements before and after the one that stores the entries of a JSON array. The first one adds an event for each entry
/// that differs from its user. The second one deletes those of the entries that were refused, whose users still differ.
/// Only afterwards is it known which these are, because one entry may give up the login that another one gets.
pub(in crate::store) fn stored<P>(
    context: &Context<'_, P>,
    entries: &str,
) -> Result<(Statement, Statement), Internal> {
    let id = context.random_id()?;
    let add = Statement::new(concat!(
        "INSERT INTO audit_events (at, id, kind, actor, network, sub, detail) \
         SELECT ?1, ?2 || '.' || key, iif(users.sub IS NULL, ?3, ?7), ?4, ?5, value->>'sub', \
           iif(users.sub IS NULL, NULL, json_object('changed', json('[' || substr(iif(",
        login_differs!(),
        ", ',\"login\"', '') || iif(",
        claims_differ!(),
        ", ',\"claims\"', '') || iif(",
        password_differs!(),
        ", ',\"password\"', '') || iif(",
        disabled_differs!(),
        ", ',\"disabled\"', ''), 2) || ']'))) \
         FROM json_each(?6) LEFT JOIN users ON users.sub = value->>'sub' WHERE ",
        user_differs!(),
        " ON CONFLICT (at, id) DO NOTHING",
    ));
    let add = bind(context, add, &id, (EventKind::UserCreated, Actor::Operator));
    let delete_refused = Statement::new(concat!(
        "DELETE FROM audit_events WHERE (at, id) IN (SELECT ?1, ?2 || '.' || key FROM json_each(?3) \
           LEFT JOIN users ON users.sub = value->>'sub' AND users.deleted_at IS NULL WHERE ",
        user_differs!(),
        ")",
    ));
    let delete_refused = delete_refused.bind(context.now).bind(id).bind(entries);
    Ok((add.bind(entries).bind(EventKind::UserUpdated.name()), delete_refused))
}
