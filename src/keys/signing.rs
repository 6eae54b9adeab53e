//! The private keys of an isolate, and signing.

use serde::Serialize;
use std::cell::RefCell;
use std::rc::Rc;

use crate::context::Context;
use crate::crypto::seal::Sealer;
use crate::error::Internal;
use crate::jose::jwk::{Algorithm, PrivateKey};
use crate::jose::jws;
use crate::keys::first_key::{self, is_made_at_once, make_first_key};
use crate::keys::published::PublishedKeys;
use crate::keys::rotation;
use crate::keys::signer;
use crate::lifetimes::KEY_SET_SECONDS;
use crate::ports::{Crypto, KEY_TABLE, Platform};
use crate::store::signing_keys;
use crate::store::signing_keys::KeyRow;

/// An isolate's copy of the key table, and the private keys that it has decrypted.
#[derive(Default)]
pub struct SigningKeys {
    table: RefCell<Option<KeyTable>>,
    opened: RefCell<Vec<Rc<PrivateKey>>>,
}

struct KeyTable {
    rows: Rc<[KeyRow]>,
    read_at: i64,
}

impl SigningKeys {
    /// Returns the key that signs with `alg` now. Its public key is published first. If there is no such key, it is
    /// generated: at once if that is fast, otherwise after the response.
    ///
    /// # Errors
    /// - [`Internal::Unavailable`] while the first key of `alg` is being generated, or when the database fails.
    /// - [`Internal::Misconfigured`] when `KEY_ENCRYPTION_KEY` is absent or wrong.
    /// - [`Internal::Broken`] when no key may sign, and a key that may sign later prevents a new one.
    pub async fn get(
        &self,
        alg: Algorithm,
        published: &PublishedKeys,
        context: &Context<'_, impl Platform>,
    ) -> Result<Rc<PrivateKey>, Internal> {
        let sealer = Sealer::new(&context.config.key_encryption_key)?;
        let remembered = self.remembered(context.now);
        if let Some(row) = remembered.as_deref().and_then(|rows| signer(rows, alg, context.now))
            && published.is_published(row.public.kid(), context).await
        {
            return self.open(&sealer, row);
        }
        // The table is read again before it is published, because the remembered one may contain a key that was
        // withdrawn since.
        let mut rows = signing_keys::all(context).await?;
        if signer(&rows, alg, context.now).is_none() {
            let sealer = first_key::sealer(&context.config.key_encryption_key, &rows, context.now)?;
            if !is_made_at_once(alg) {
                published.make_later(&[alg], &rows, context)?;
                let detail = format!("no {} key yet; the first one is being generated", alg.name());
                return Err(Internal::Unavailable { what: KEY_TABLE, detail });
            }
            rows = make_first_key(alg, &sealer, context).await?;
        }
        // Here, because without a cron nothing else notices.
        rotation::log_overdue(&rows, context);
        let rows = self.remember(rows, context.now);
        let row = signer(&rows, alg, context.now).ok_or_else(|| Internal::Broken {
            detail: format!(
                "no {} key in signing_keys may sign now, and a key without an end prevents a new \
                 one: set its sign_until",
                alg.name()
            ),
        })?;
        let key = self.open(&sealer, row)?;
        if !published.is_published(row.public.kid(), context).await {
            published.publish_now(&rows, context).await?;
        }
        Ok(key)
    }

    fn remembered(&self, now: i64) -> Option<Rc<[KeyRow]>> {
        let table = self.table.borrow();
        table
            .as_ref()
            .filter(|table| now < table.read_at + KEY_SET_SECONDS)
            .map(|table| Rc::clone(&table.rows))
    }

    /// Remembers the key table as it was read at `now`.
    pub fn remember(&self, rows: Vec<KeyRow>, now: i64) -> Rc<[KeyRow]> {
        let rows: Rc<[KeyRow]> = rows.into();
        self.opened.borrow_mut().retain(|key| rows.iter().any(|row| row.public.kid() == key.kid()));
        *self.table.borrow_mut() = Some(KeyTable { rows: Rc::clone(&rows), read_at: now });
        rows
    }

    fn open(&self, sealer: &Sealer, row: &KeyRow) -> Result<Rc<PrivateKey>, Internal> {
        let kid = row.public.kid();
        let mut opened = self.opened.borrow_mut();
        if let Some(key) = opened.iter().find(|key| key.kid() == kid) {
            return Ok(Rc::clone(key));
        }
        let key = Rc::new(sealer.open(&row.sealed_private, kid)?);
        opened.push(Rc::clone(&key));
        Ok(key)
    }
}

/// Signs `claims`. Returns a compact JWS with the header parameter `typ`. A signature that fails is tried once more, because
/// a code may already be spent, and its client cannot repeat the request.
///
/// # Errors
/// The error of the platform, if signing fails twice.
pub async fn sign(
    context: &Context<'_, impl Crypto>,
    key: &PrivateKey,
    typ: &str,
    claims: &impl Serialize,
) -> Result<String, Internal> {
    let signing_input =
        jws::signing_input(key, typ, claims).map_err(|error| Internal::unwritable(&error))?;
    let sign = async || context.platform.sign(key, signing_input.as_bytes()).await;
    let (signature, _) = context.at_most_twice(sign).await?;
    Ok(jws::serialize(&signing_input, &signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::jwk::{EcPrivateKey, P256_BYTES};
    use crate::keys::tests::{ALWAYS, ec};
    use zeroize::Zeroizing;

    const NOW: i64 = 1_780_000_000;

    #[test]
    fn the_key_table_is_remembered_for_five_minutes() {
        let keys = SigningKeys::default();
        assert!(keys.remembered(NOW).is_none());
        keys.remember(vec![ec(1, ALWAYS)], NOW);
        assert!(keys.remembered(NOW + KEY_SET_SECONDS - 1).is_some());
        assert!(keys.remembered(NOW + KEY_SET_SECONDS).is_none());
    }

    #[test]
    fn a_private_key_is_forgotten_when_its_row_is_gone() {
        let keys = SigningKeys::default();
        let private = |seed: u8| {
            let key = EcPrivateKey::from_scalar(Zeroizing::new([seed; P256_BYTES])).unwrap();
            Rc::new(PrivateKey::Ec(key))
        };
        keys.opened.borrow_mut().extend([1, 2].map(private));
        let row = ec(2, ALWAYS);
        let kid = row.public.kid().to_owned();
        keys.remember(vec![row], NOW);
        let opened = keys.opened.borrow();
        assert_eq!(opened.iter().map(|key| key.kid()).collect::<Vec<_>>(), [kid]);
    }
}
