//! What users are called by clients that asked for pairwise subjects (OpenID Connect Core section 8.1). What makes
//! them is in [`super::authorizations`].

use crate::error::Internal;
use crate::ports::{Database, Freshness, Statement};

/// The user whom the clients of a sector know by this subject.
pub async fn user(
    database: &impl Database,
    sector: &str,
    subject: &str,
) -> Result<Option<String>, Internal> {
    let statement =
        Statement::new("SELECT sub FROM pairwise_subjects WHERE subject = ?1 AND sector = ?2")
            .bind(subject)
            .bind(sector);
    let mut rows = database.run(Freshness::Primary, statement).await?;
    rows.pop().map(|mut row| row.text()).transpose()
}
