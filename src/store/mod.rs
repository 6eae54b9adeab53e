//! The SQL statements, which run on D1 and SQLite: one file per family of tables, one function per decision.

pub mod applications;
pub mod audit;
pub mod authorization_requests;
pub mod authorizations;
pub mod batch;
pub mod client_assertions;
pub mod client_copies;
pub mod client_proof;
pub mod client_secrets;
pub mod clients;
pub mod codes;
pub mod consents;
pub mod deletions;
pub mod device_requests;
pub mod frontchannel;
pub mod grant_list;
pub mod grants;
pub mod identifiers;
pub mod initial_access_tokens;
pub mod logout_deliveries;
pub mod maintenance_runs;
pub mod migrations;
pub mod pairwise_subjects;
pub mod password_changes;
pub mod refresh_tokens;
pub mod registrations;
pub mod revocations;
pub mod revoked_tokens;
pub mod session_ends;
pub mod session_list;
pub mod sessions;
pub mod sign_in_attempts;
pub mod signing_keys;
pub mod slots;
pub mod sweep;
pub mod user_access;
pub mod user_codes;
pub mod users;
pub mod vouched_apis;
pub mod waiting_logouts;

/// How many expired rows of a table are deleted with each row that is added. It is more than one, so that a backlog
/// shrinks.
const SWEPT_WITH_EACH: i64 = 10;
