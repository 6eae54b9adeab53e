//! The statement of each act's event. Its comment says whether it precedes the statement of the act.

use crate::context::Context;
use crate::error::Internal;
use crate::ports::Statement;
use crate::store::audit::kinds::{Actor, EventKind, RevocationReason, SessionEndReason};
use crate::store::audit::{record, record_event, record_event_of_stranger, record_of_stranger};
use crate::store::client_proof::{ClientProof, client_is_proven};
use crate::store::client_secrets::has_secret;
use crate::store::grants::is_unrevoked;
use crate::store::identifiers::may_be_client;
use crate::store::initial_access_tokens::NAME_CHARACTERS;
use crate::store::refresh_tokens::is_revocable_by_client;
use crate::store::registrations::{Replacement, may_be_replaced};
use crate::store::slots::free_slot;

/// The creation or the replacement of a client by the operator. Precedes it.
pub(in crate::store) fn client_stored<P>(
    context: &Context<'_, P>,
    client_id: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(concat!(
        "INSERT INTO audit_events (at, id, kind, actor, network, client_id) \
         SELECT ?1, ?2, iif(EXISTS (SELECT 1 FROM clients WHERE client_id = ?6), ?7, ?3), ?4, ?5, \
           ?6 WHERE ",
        may_be_client!("?6"),
        " ON CONFLICT (at, id) DO NOTHING"
    ));
    let statement = record(context, statement, (EventKind::ClientCreated, Actor::Operator))?;
    Ok(statement.bind(client_id).bind(EventKind::ClientUpdated.name()))
}

/// The deletion of a client: by itself, with the registration access token of this hash, or by the operator. Precedes it.
pub(in crate::store) fn client_deleted<P>(
    context: &Context<'_, P>,
    client_id: &str,
    registration_token_hash: Option<&str>,
) -> Result<Statement, Internal> {
    if let Some(token_hash) = registration_token_hash {
        return client_deleted_by_itself(context, client_id, token_hash);
    }
    let statement =
        Statement::new(record_event!("NULL, client_id, NULL FROM clients WHERE client_id = ?6"));
    let statement = record(context, statement, (EventKind::ClientDeleted, Actor::Operator))?;
    Ok(statement.bind(client_id))
}

fn client_deleted_by_itself<P>(
    context: &Context<'_, P>,
    client_id: &str,
    registration_token_hash: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event_of_stranger!(
        "NULL, client_id, NULL FROM clients WHERE client_id = ?7 AND registration_token_hash = ?8"
    ));
    let kind = (EventKind::ClientDeleted, Actor::Client);
    Ok(record_of_stranger(context, statement, &context.random_id()?, kind)?
        .bind(client_id)
        .bind(registration_token_hash))
}

/// The registration of a client without an initial access token. Follows it.
pub(in crate::store) fn client_registered<P>(
    context: &Context<'_, P>,
    client_id: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event_of_stranger!(
        "NULL, client_id, NULL FROM clients WHERE client_id = ?7"
    ));
    let kind = (EventKind::ClientRegistered, Actor::Client);
    Ok(record_of_stranger(context, statement, &context.random_id()?, kind)?.bind(client_id))
}

/// The registration of a client with an initial access token. Follows it.
pub(in crate::store) fn client_registered_with_token<P>(
    context: &Context<'_, P>,
    client_id: &str,
    token_hash: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "NULL, client_id, json_object('initial_access_token', substr(?7, 1, ?8)) FROM clients \
         WHERE client_id = ?6"
    ));
    let statement = record(context, statement, (EventKind::ClientRegistered, Actor::Client))?;
    Ok(statement.bind(client_id).bind(token_hash).bind(i64::from(NAME_CHARACTERS)))
}

/// The replacement of a client's metadata by itself. Precedes it, and has its condition.
pub(in crate::store) fn client_updated<P>(
    context: &Context<'_, P>,
    replacement: &Replacement<'_>,
    metadata: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event_of_stranger!(concat!(
        "NULL, client_id, NULL FROM clients WHERE ",
        may_be_replaced!("?7", "?8", "?9", "?1", "?10"),
    )));
    let kind = (EventKind::ClientUpdated, Actor::Client);
    let statement = record_of_stranger(context, statement, &context.random_id()?, kind)?;
    Ok(statement
        .bind(replacement.client_id)
        .bind(replacement.registration_token_hash.as_str())
        .bind(metadata)
        .bind(replacement.presented_secret_hash.as_deref()))
}

/// The consent of the user of a new grant. Follows the grant.
pub(in crate::store) fn consent_given<P>(
    context: &Context<'_, P>,
    grant_id: &str,
    scope: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "sub, client_id, json_object('grant_id', grants.id, 'scope', ?7) FROM grants \
         WHERE grants.id = ?6 AND revoked_at IS NULL"
    ));
    let statement = record(context, statement, (EventKind::ConsentGiven, Actor::User))?;
    Ok(statement.bind(grant_id).bind(scope))
}

/// The withdrawal of a client's access by the user of a session, if it has any. Precedes it.
pub(in crate::store) fn consent_withdrawn<P>(
    context: &Context<'_, P>,
    cookie_hash: &str,
    client_id: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "sub, ?7, NULL FROM sessions WHERE cookie_hash = ?6 AND ( \
           EXISTS (SELECT 1 FROM consents \
             WHERE consents.sub = sessions.sub AND consents.client_id = ?7) \
           OR EXISTS (SELECT 1 FROM grants \
             WHERE grants.sub = sessions.sub AND grants.client_id = ?7 AND revoked_at IS NULL))"
    ));
    let statement = record(context, statement, (EventKind::ConsentWithdrawn, Actor::User))?;
    Ok(statement.bind(cookie_hash).bind(client_id))
}

/// The revocation of a grant, unless it is revoked already, alone or with all of its user or client. Precedes it.
pub(in crate::store) fn grant_revoked<P>(
    context: &Context<'_, P>,
    grant_id: &str,
    reason: RevocationReason,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(concat!(
        "grants.sub, grants.client_id, json_object('grant_id', grants.id, 'reason', ?7) \
         FROM grants JOIN users ON users.sub = grants.sub \
           LEFT JOIN clients ON clients.client_id = grants.client_id \
         WHERE grants.id = ?6 AND ",
        is_unrevoked!(),
    )));
    let statement = record(context, statement, (EventKind::GrantRevoked, reason.actor()))?;
    Ok(statement.bind(grant_id).bind(reason.name()))
}

/// The revocation of a refresh token's grant by its client, unless the grant is revoked already. Precedes it.
pub(in crate::store) fn grant_revoked_by_client<P>(
    context: &Context<'_, P>,
    token_hash: &str,
    proof: &ClientProof,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(concat!(
        "sub, client_id, json_object('grant_id', grants.id, 'reason', ?7) FROM grants WHERE ",
        is_revocable_by_client!("?6", "?8"),
    )));
    let reason = RevocationReason::Client;
    let statement = record(context, statement, (EventKind::GrantRevoked, reason.actor()))?;
    let condition = proof.condition(None, context.now)?;
    Ok(statement.bind(token_hash).bind(reason.name()).bind(condition))
}

/// A new initial access token. Follows it.
pub(in crate::store) fn initial_access_token_created<P>(
    context: &Context<'_, P>,
    token_hash: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "NULL, NULL, json_object('initial_access_token', substr(token_hash, 1, ?7), 'uses', uses, \
           'expires_at', expires_at) FROM initial_access_tokens WHERE token_hash = ?6"
    ));
    let kind = (EventKind::InitialAccessTokenCreated, Actor::Operator);
    Ok(record(context, statement, kind)?.bind(token_hash).bind(i64::from(NAME_CHARACTERS)))
}

/// A new signing key. Follows it. It has no network if the provider makes it by itself, because the sender of the request
/// that finds no key has nothing to do with it.
pub(in crate::store) fn key_created<P>(
    context: &Context<'_, P>,
    kid: &str,
    actor: Actor,
) -> Result<Statement, Internal> {
    let statement = Statement::new(
        "INSERT INTO audit_events (at, id, kind, actor, network, detail) \
         SELECT ?1, ?2, ?3, ?4, iif(?7, ?5, NULL), json_object('kid', kid, 'alg', alg) \
         FROM signing_keys WHERE kid = ?6 ON CONFLICT (at, id) DO NOTHING",
    );
    let statement = record(context, statement, (EventKind::KeyCreated, actor))?;
    Ok(statement.bind(kid).bind(i64::from(actor == Actor::Operator)))
}

/// The withdrawal of a signing key, by the change of the keys with this id. Follows it.
pub(in crate::store) fn key_withdrawn<P>(
    context: &Context<'_, P>,
    kid: &str,
    change_id: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "NULL, NULL, json_object('kid', kid, 'alg', alg) FROM signing_keys \
         WHERE kid = ?6 AND retire_at = 0 \
           AND EXISTS (SELECT 1 FROM key_claims WHERE alg = signing_keys.alg AND changed_by = ?7)"
    ));
    let statement = record(context, statement, (EventKind::KeyWithdrawn, Actor::Operator))?;
    Ok(statement.bind(kid).bind(change_id))
}

/// The sealing of a signing key under another secret. Follows it.
pub(in crate::store) fn key_resealed<P>(
    context: &Context<'_, P>,
    kid: &str,
    sealed_private: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "NULL, NULL, json_object('kid', kid, 'alg', alg) FROM signing_keys \
         WHERE kid = ?6 AND sealed_private = ?7"
    ));
    let statement = record(context, statement, (EventKind::KeyResealed, Actor::Provider))?;
    Ok(statement.bind(kid).bind(sealed_private))
}

/// Logout tokens that are given up, with one event for each client. Precedes their deletion.
pub(in crate::store) fn logout_tokens_given_up<P>(
    context: &Context<'_, P>,
    given_up: &str,
    actor: Actor,
) -> Result<Statement, Internal> {
    let statement = Statement::new(
        "INSERT INTO audit_events (at, id, kind, actor, network, client_id, detail) \
         SELECT ?1, ?2 || '.' || row_number() OVER (ORDER BY client_id), ?3, ?4, ?5, client_id, \
           json_object('reason', max(value->>'reason'), 'tokens', count(*)) \
         FROM json_each(?6) CROSS JOIN logout_deliveries \
         WHERE session_id = value->>'session_id' AND client_id = value->>'client_id' \
         GROUP BY client_id ON CONFLICT (at, id) DO NOTHING",
    );
    Ok(record(context, statement, (EventKind::LogoutTokenGivenUp, actor))?.bind(given_up))
}

/// A user's new password, or its removal. Precedes it.
pub(in crate::store) fn password_changed<P>(
    context: &Context<'_, P>,
    sub: &str,
    has_password: bool,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "sub, NULL, NULL FROM users WHERE sub = ?6 AND deleted_at IS NULL \
           AND (?7 OR password_hash IS NOT NULL)"
    ));
    let kind = if has_password { EventKind::PasswordSet } else { EventKind::PasswordRemoved };
    let statement = record(context, statement, (kind, Actor::Operator))?;
    Ok(statement.bind(sub).bind(i64::from(has_password)))
}

/// The end of sessions, with one event for each user who had some. Follows the rows of the ended sessions, and precedes the
/// deletion of the sessions: an end that is repeated with the same id is no other event.
pub(in crate::store) fn sessions_ended<P>(
    context: &Context<'_, P>,
    end_id: &str,
    reason: SessionEndReason,
) -> Result<Statement, Internal> {
    let statement = Statement::new(
        "INSERT INTO audit_events (at, id, kind, actor, network, sub, detail) \
         SELECT ?1, ?2 || '.' || row_number() OVER (ORDER BY sub), ?3, ?4, ?5, sub, \
           json_object('reason', ?7, 'sessions', count(*)) \
         FROM ended_sessions \
         WHERE end_id = ?6 AND EXISTS (SELECT 1 FROM sessions WHERE id = session_id) \
         GROUP BY sub ON CONFLICT (at, id) DO NOTHING",
    );
    let statement = record(context, statement, (EventKind::SessionEnded, reason.actor()))?;
    Ok(statement.bind(end_id).bind(reason.name()))
}

/// An access token that the operator mints, with its grant. Follows it.
pub(in crate::store) fn token_minted<P>(
    context: &Context<'_, P>,
    grant_id: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "sub, client_id, json_object('grant_id', grants.id, 'scope', scope) FROM grants \
         WHERE grants.id = ?6"
    ));
    Ok(record(context, statement, (EventKind::TokenMinted, Actor::Operator))?.bind(grant_id))
}

/// The deletion of a user. Precedes it.
pub(in crate::store) fn user_deleted<P>(
    context: &Context<'_, P>,
    sub: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "sub, NULL, NULL FROM users WHERE sub = ?6 AND deleted_at IS NULL"
    ));
    Ok(record(context, statement, (EventKind::UserDeleted, Actor::Operator))?.bind(sub))
}
