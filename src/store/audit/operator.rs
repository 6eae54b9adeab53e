//! The statements of the events of what the operator takes back. The comment of each says whether it precedes the statement of
//! the act.

use crate::context::Context;
use crate::error::Internal;
use crate::ports::Statement;
use crate::store::audit::kinds::{Actor, EventKind, RevocationReason};
use crate::store::audit::{bind, record, record_event};
use crate::store::client_secrets::REVOKED_TOKEN;
use crate::store::initial_access_tokens::NAME_CHARACTERS;
use crate::store::revocations::RevokedGrants;

/// The revocation of all grants of a user, a client, or both, with the id of its event. Follows it.
pub(in crate::store) fn all_grants_revoked<P>(
    context: &Context<'_, P>,
    event_id: &str,
    grants: RevokedGrants<'_>,
) -> Statement {
    let statement = Statement::new(record_event!(
        "?6, ?7, json_object('grants', 'all', 'reason', ?8) \
         WHERE EXISTS (SELECT 1 FROM users WHERE sub = ?6 AND deleted_at IS NULL) \
           OR ?6 IS NULL AND EXISTS (SELECT 1 FROM clients WHERE client_id = ?7)"
    ));
    bind(context, statement, event_id, (EventKind::GrantRevoked, Actor::Operator))
        .bind(grants.sub())
        .bind(grants.client_id())
        .bind(RevocationReason::Operator.name())
}

/// The end of a client's previous secrets. Precedes it.
pub(in crate::store) fn client_secret_ended<P>(
    context: &Context<'_, P>,
    client_id: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "NULL, client_id, NULL FROM clients WHERE client_id = ?6 AND previous_secrets IS NOT NULL"
    ));
    let kind = (EventKind::ClientSecretEnded, Actor::Operator);
    Ok(record(context, statement, kind)?.bind(client_id))
}

/// A client's new secret, with the seconds for which the one before still counts. Follows it.
pub(in crate::store) fn client_secret_made<P>(
    context: &Context<'_, P>,
    client_id: &str,
    secret_hash: &str,
    overlap: i64,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "NULL, client_id, json_object('overlap', CAST(?8 AS INTEGER)) FROM clients \
         WHERE client_id = ?6 AND secret_hash = ?7"
    ));
    let statement = record(context, statement, (EventKind::ClientSecretMade, Actor::Operator))?;
    Ok(statement.bind(client_id).bind(secret_hash).bind(overlap))
}

/// The revocation of the initial access token whose hash begins so, if it could still register a client. Precedes it.
pub(in crate::store) fn initial_access_token_revoked<P>(
    context: &Context<'_, P>,
    id: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "NULL, NULL, json_object('initial_access_token', substr(token_hash, 1, ?7)) \
         FROM initial_access_tokens WHERE token_hash BETWEEN ?6 AND ?6 || '~' \
           AND uses_left > 0 AND expires_at > ?1"
    ));
    let kind = (EventKind::InitialAccessTokenRevoked, Actor::Operator);
    Ok(record(context, statement, kind)?.bind(id).bind(i64::from(NAME_CHARACTERS)))
}

/// The revocation of a client's registration access token. Precedes it.
pub(in crate::store) fn registration_token_revoked<P>(
    context: &Context<'_, P>,
    client_id: &str,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "NULL, client_id, NULL FROM clients WHERE client_id = ?6 \
           AND registration_token_hash <> ?7 AND document_until IS NULL"
    ));
    let kind = (EventKind::RegistrationTokenRevoked, Actor::Operator);
    Ok(record(context, statement, kind)?.bind(client_id).bind(REVOKED_TOKEN))
}

/// That a user is disabled, or enabled again. Precedes it.
pub(in crate::store) fn user_disabled<P>(
    context: &Context<'_, P>,
    sub: &str,
    is_disabled: bool,
) -> Result<Statement, Internal> {
    let statement = Statement::new(record_event!(
        "sub, NULL, NULL FROM users WHERE sub = ?6 AND deleted_at IS NULL \
           AND (disabled_at IS NOT NULL) <> ?7"
    ));
    let kind = if is_disabled { EventKind::UserDisabled } else { EventKind::UserEnabled };
    let statement = record(context, statement, (kind, Actor::Operator))?;
    Ok(statement.bind(sub).bind(i64::from(is_disabled)))
}
