//! The rotation of the signing keys: by the maintenance when it is due, and by the operator's command.

use crate::context::Context;
use crate::error::Internal;
use crate::jose::jwk::Algorithm;
use crate::keys::first_key::{self, generate};
use crate::keys::plan::{self, NewKey, Plan};
use crate::keys::published::PublishedKeys;
use crate::keys::signer;
use crate::lifetimes::KEY_ROW_SECONDS;
use crate::log::LogEvent;
use crate::ports::Platform;
use crate::store::audit::kinds::Actor;
use crate::store::maintenance_runs;
use crate::store::signing_keys::{self, KeyChange, KeyRow, KeyTable};

/// How often a command is planned again because the keys have changed meanwhile.
const ATTEMPTS: usize = 3;

/// The result of a run of the maintenance.
#[derive(Debug, Default)]
pub struct Rotated {
    /// The keys that it has made.
    pub made: Vec<KeyRow>,
    /// The `kid`s of the keys that it has deleted.
    pub deleted: Vec<String>,
}

/// Why a command was not carried out.
#[derive(Debug)]
pub enum RotationError {
    Internal(Internal),
    /// No more keys of the algorithm may be published for this many seconds.
    TooManyKeys(Algorithm, i64),
    /// No key has this `kid`.
    UnknownKey,
}

impl From<Internal> for RotationError {
    fn from(fault: Internal) -> Self {
        Self::Internal(fault)
    }
}

/// Makes the keys that the table lacks and the successors that are due, publishes them, and deletes the rows of keys that
/// were retired long ago. A fault with one algorithm is logged, and the other one is rotated all the same.
///
/// # Errors
/// The fault that prevents all of it. The next run tries again; until then, the old keys sign.
pub async fn make_due(
    published: &PublishedKeys,
    context: &Context<'_, impl Platform>,
) -> Result<Rotated, Internal> {
    // Makes the first keys. The next run need not wait for a request.
    published.get(context).await?;
    let (now, times) = (context.now, context.config.key_times);
    let table = signing_keys::table(context).await?;
    let due = plan::due(&table.rows, now, times);
    if !due.is_empty() {
        check_clock(context).await.inspect_err(|_| log_overdue(&table.rows, context))?;
    }
    let mut rotated = Rotated::default();
    let mut changed = None;
    for alg in due {
        let plan = plan::succeed(&table.rows, alg, now, times.ahead, times);
        if plan::must_wait(&table.rows, alg, now, &plan).is_some() {
            continue;
        }
        match carry_out(context, &table, (alg, Actor::Provider), plan).await {
            Ok(Some((rows, made))) => {
                changed = Some(rows);
                rotated.made.extend(made);
            }
            // Another run has made it.
            Ok(None) => {}
            Err(fault) => context.log_fault(&fault),
        }
    }
    if let Some(rows) = &changed {
        published.publish_now(rows, context).await?;
    }
    log_overdue(changed.as_deref().unwrap_or(&table.rows), context);
    rotated.deleted = signing_keys::delete_retired(context, now - KEY_ROW_SECONDS).await?;
    Ok(rotated)
}

/// Logs the keys whose successors the maintenance should have made.
pub(super) fn log_overdue<P>(rows: &[KeyRow], context: &Context<'_, P>) {
    let (now, times) = (context.now, context.config.key_times);
    let overdue = plan::rotations(rows, now, times).filter(|one| one.overdue_since.is_some());
    for (alg, row) in overdue.filter_map(|one| Some((one.alg, signer(rows, one.alg, now)?))) {
        let kid = row.public.kid().to_owned();
        context.log_event(LogEvent::KeyRotationOverdue { alg: alg.name(), kid });
    }
}

/// Makes and publishes a new key of each algorithm, which signs as soon as every cache that obeys its headers has it.
/// Returns every key.
///
/// # Errors
/// [`RotationError::TooManyKeys`] when one of the algorithms cannot have another key now. Then nothing changes.
pub async fn rotate(
    published: &PublishedKeys,
    context: &Context<'_, impl Platform>,
) -> Result<Vec<KeyRow>, RotationError> {
    check_clock(context).await?;
    let table = signing_keys::table(context).await?;
    for alg in Algorithm::ALL {
        plan_rotation(&table.rows, alg, context)?;
    }
    let mut rows = table.rows;
    for alg in Algorithm::ALL {
        rows = change(context, |rows| plan_rotation(rows, alg, context).map(|plan| (alg, plan)))
            .await?;
    }
    published.publish_now(&rows, context).await?;
    Ok(rows)
}

fn plan_rotation<P>(
    rows: &[KeyRow],
    alg: Algorithm,
    context: &Context<'_, P>,
) -> Result<Plan, RotationError> {
    let times = context.config.key_times;
    let plan = plan::succeed(rows, alg, context.now, times.shortest_ahead, times);
    match plan::must_wait(rows, alg, context.now, &plan) {
        None => Ok(plan),
        Some(seconds) => Err(RotationError::TooManyKeys(alg, seconds)),
    }
}

/// Withdraws a compromised key and publishes the others. If it signed, another one signs at once. Returns every key.
///
/// # Errors
/// [`RotationError::UnknownKey`] when no key has this `kid`.
pub async fn withdraw(
    kid: &str,
    published: &PublishedKeys,
    context: &Context<'_, impl Platform>,
) -> Result<Vec<KeyRow>, RotationError> {
    let times = context.config.key_times;
    let rows = change(context, |rows| {
        let row = rows.iter().find(|row| row.public.kid() == kid);
        let alg = row.ok_or(RotationError::UnknownKey)?.public.alg();
        let plan = plan::withdraw(rows, kid, context.now, times);
        Ok((alg, plan.ok_or(RotationError::UnknownKey)?))
    })
    .await?;
    published.publish_now(&rows, context).await?;
    Ok(rows)
}

/// Plans a change of the keys of one algorithm and carries it out. Plans it again if the keys have changed meanwhile.
async fn change(
    context: &Context<'_, impl Platform>,
    plan: impl Fn(&[KeyRow]) -> Result<(Algorithm, Plan), RotationError>,
) -> Result<Vec<KeyRow>, RotationError> {
    for _ in 0..ATTEMPTS {
        let table = signing_keys::table(context).await?;
        let (alg, plan) = plan(&table.rows)?;
        if let Some((rows, _)) = carry_out(context, &table, (alg, Actor::Operator), plan).await? {
            return Ok(rows);
        }
    }
    let detail = "other requests change it at the same time".to_owned();
    Err(Internal::Unavailable { what: "the key table", detail }.into())
}

/// Makes the key of a plan, and applies the plan to the table that it was made for. Returns every key and the new one, or
/// `None` if the keys have changed meanwhile.
async fn carry_out(
    context: &Context<'_, impl Platform>,
    table: &KeyTable,
    (alg, actor): (Algorithm, Actor),
    plan: Plan,
) -> Result<Option<(Vec<KeyRow>, Option<KeyRow>)>, Internal> {
    let Plan { new, changed, deleted } = plan;
    let new = match new {
        Some(new) => Some(make(alg, new, &table.rows, &changed, context).await?),
        None => None,
    };
    let change = KeyChange { alg, actor, new, changed, deleted };
    let Some(rows) = signing_keys::apply(context, table, &change).await? else { return Ok(None) };
    if let Some(new) = &change.new {
        let kid = new.public.kid().to_owned();
        context.log_event(LogEvent::KeyRotated { alg: alg.name(), kid });
    }
    Ok(Some((rows, change.new)))
}

/// Generates and seals a key. `changed` are the rows that the plan changes: a key that it withdraws need not be opened.
async fn make(
    alg: Algorithm,
    new: NewKey,
    rows: &[KeyRow],
    changed: &[KeyRow],
    context: &Context<'_, impl Platform>,
) -> Result<KeyRow, Internal> {
    let is_changed = |row: &&KeyRow| changed.iter().any(|one| one.public.kid() == row.public.kid());
    // A key of the other algorithm that cannot be opened does not prevent this one.
    let kept = rows.iter().filter(|row| !is_changed(row)).chain(changed);
    let kept: Vec<_> = kept.filter(|row| row.public.alg() == alg).cloned().collect();
    let secret = &context.config.key_encryption_key;
    let sealer = first_key::sealer(secret, &kept, context.now)?;
    let key = generate(alg, context).await?;
    Ok(KeyRow {
        public: key.public(),
        sealed_private: sealer.seal(&key, context.random()?)?,
        publish_from: new.publish_from,
        sign_from: new.sign_from,
        sign_until: None,
        retire_at: None,
        created_at: Some(context.now),
    })
}

/// Fails if a run of the maintenance started later than now: then this clock is behind, or that one was ahead. A key that an
/// isolate whose clock is behind makes would sign before it is known. The end of the run deletes what is later, so a clock
/// that is right is refused once.
async fn check_clock(context: &Context<'_, impl Platform>) -> Result<(), Internal> {
    if !maintenance_runs::has_later(context).await? {
        return Ok(());
    }
    let detail =
        "this clock is behind that of the last maintenance; no signing key is made".to_owned();
    Err(Internal::Unavailable { what: "the clock", detail })
}
