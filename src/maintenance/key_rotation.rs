//! The rotation of the signing keys.

use serde_json::{Value, json};

use crate::error::Internal;
use crate::keys::rotation::make_due;
use crate::maintenance::Report;
use crate::ports::Platform;
use crate::provider::Provider;
use crate::store::signing_keys::KeyRow;

/// Makes the keys that are due, and deletes the rows of those that were retired long ago.
pub async fn run(provider: &Provider<'_, impl Platform>) -> Result<Report, Internal> {
    let rotated = make_due(&provider.memory.published_keys, &provider.context).await?;
    let made = |row: &KeyRow| -> Value {
        json!({
            "kid": row.public.kid(),
            "alg": row.public.alg().name(),
            "sign_from": row.sign_from,
        })
    };
    Ok(Report::from_iter([
        ("made".to_owned(), rotated.made.iter().map(made).collect()),
        ("deleted".to_owned(), rotated.deleted.into()),
    ]))
}
