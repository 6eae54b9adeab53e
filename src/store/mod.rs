//! The SQL, written once for D1 and SQLite: one file per family of tables, one function per decision.

pub mod clients;
pub mod grants;
pub mod signing_keys;
pub mod users;
