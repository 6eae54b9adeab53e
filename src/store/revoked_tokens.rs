//! The access tokens that their client has revoked (RFC 7009). An access token is not stored, so each of these is a row
//! until it expires.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::SWEEP_DELAY_SECONDS;
use crate::ports::Statement;
use crate::protocol::token::access_token::AccessToken;
use crate::store::batch::{Batch, Handle, exists};
use crate::store::client_proof::{ClientProof, ProofMethod, client_is_proven};
use crate::store::client_secrets::has_secret;
use crate::store::slots::{SlotGroup, Slots, delete_expired, free_slot};

/// The slots that the token of a client may take.
#[derive(Debug)]
pub struct RevocationSlots {
    /// Those of the client, if it is confidential. It may take one if it is the operator's.
    own: Option<Slots>,
    /// Those of all other clients.
    shared: Slots,
}

impl RevocationSlots {
    /// Draws some for a client that proves its identity so.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] if the platform's random source fails.
    pub fn draw<P>(
        context: &Context<'_, P>,
        proof: &ClientProof,
        address: &str,
    ) -> Result<Self, Internal> {
        let own = match proof.method {
            ProofMethod::Public => None,
            ProofMethod::Assertion { .. } | ProofMethod::Secret { .. } => {
                let group = SlotGroup::revocations_of(&proof.client_id);
                Some(Slots::draw(context, group, address)?)
            }
        };
        let shared = Slots::draw(context, SlotGroup::REVOKED_TOKENS, address)?;
        Ok(Self { own, shared })
    }
}

/// Revokes an access token, if its client is proven. Returns whether it is revoked then: it is not if all slots are taken.
///
/// Idempotent: a token has one row.
pub fn revoke<P>(
    batch: &mut Batch,
    token: &AccessToken,
    proof: &ClientProof,
    (slots, context): (&RevocationSlots, &Context<'_, P>),
) -> Result<Handle<bool>, Internal> {
    let RevocationSlots { own, shared } = slots;
    let record = Statement::new(concat!(
        "INSERT INTO revoked_tokens (jti, expires_at, slot) SELECT ?1, ?2, slot FROM (SELECT ",
        free_slot!(
            "revoked_tokens",
            "coalesce((SELECT ?6 FROM clients \
               WHERE clients.client_id = ?5 AND registration_token_hash IS NULL), ?3)"
        ),
        " AS slot) WHERE slot IS NOT NULL AND ?5 = ?4->>'client_id' AND ",
        client_is_proven!("?4"),
        " ON CONFLICT (jti) DO NOTHING",
    ))
    .bind(token.jti.as_str())
    .bind(token.exp + context.config.leeway)
    .bind(shared.as_json())
    .bind(proof.condition(None, context.now)?)
    .bind(token.client_id.as_str())
    .bind(own.as_ref().map(Slots::as_json));
    for slots in own.iter().chain([shared]) {
        let delete = Statement::new(delete_expired!("revoked_tokens"));
        batch.add(slots.bind_to(delete, context.now - SWEEP_DELAY_SECONDS));
    }
    batch.add(record);
    Ok(is_revoked(batch, &token.jti))
}

/// Returns whether the access token with this `jti` is revoked.
pub fn is_revoked(batch: &mut Batch, jti: &str) -> Handle<bool> {
    let find = Statement::new("SELECT 1 FROM revoked_tokens WHERE jti = ?1").bind(jti);
    batch.query(find, exists)
}

/// Deletes at most `limit` tokens that expired [`SWEEP_DELAY_SECONDS`] ago.
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM revoked_tokens WHERE jti IN \
         (SELECT jti FROM revoked_tokens WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2) \
         RETURNING 1",
    )
    .bind(now - SWEEP_DELAY_SECONDS)
    .bind(limit)
}
