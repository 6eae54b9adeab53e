//! The subjects of users for clients with pairwise subjects (OpenID Connect Core section 8.1).
//! [`super::authorizations`] records them.

use crate::context::Context;
use crate::error::Internal;
use crate::ports::{Database, Freshness, Statement};
use crate::store::batch::read;

/// Finds the user who has this subject for the clients of a sector. Returns the user's own `sub`.
pub async fn user(
    context: &Context<'_, impl Database>,
    sector: &str,
    subject: &str,
) -> Result<Option<String>, Internal> {
    let statement =
        Statement::new("SELECT sub FROM pairwise_subjects WHERE subject = ?1 AND sector = ?2")
            .bind(subject)
            .bind(sector);
    let mut rows = read(context, Freshness::Primary, statement).await?;
    rows.pop().map(|mut row| row.text()).transpose()
}
