//! Whole requests through `handle`, with SQLite, the real migrations, a fixed clock and fixed randomness.
#![allow(clippy::pedantic, clippy::restriction, reason = "tests may panic")]
#![allow(clippy::disallowed_methods, reason = "tests read JSON as a client does")]

mod admin;
mod browser;
mod certification;
mod client_assertions;
mod clients;
mod clocks;
mod codes;
mod consent;
mod damaged_rows;
mod database_requests;
mod descriptions;
mod discovery;
mod documented_errors;
mod documents;
mod everywhere;
mod fetched_keys;
mod floors;
mod full_database;
mod hostile;
mod implicit;
mod json_round_trip;
mod jwks;
mod key_changes;
mod logos;
mod lost_responses;
mod pages;
mod pairwise;
mod passwords;
mod platform;
mod pushed;
mod query_plans;
mod refresh;
mod registration;
mod repeated_responses;
mod request_objects;
mod resources;
mod rsa_keys;
mod scope_spaces;
mod shape;
mod sign_in;
mod signer;
mod statement_texts;
mod test_provider;
mod userinfo;
