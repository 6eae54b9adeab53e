//! The migrations that are applied, as wrangler records them.

use crate::ports::Statement;
use crate::store::batch::{Batch, Handle, exists};

/// The newest migration that this build needs: the name of its file.
pub const NEWEST: &str = env!("POSTERN_MIGRATION");

/// Reads whether the newest migration is applied. They are applied in the order of their names, so all others are, too.
pub fn newest_is_applied_in(batch: &mut Batch) -> Handle<bool> {
    let find = Statement::new("SELECT 1 FROM d1_migrations WHERE name = ?1").bind(NEWEST);
    batch.query(find, exists)
}
