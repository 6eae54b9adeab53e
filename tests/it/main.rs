//! Whole requests through `handle`, on real SQLite with the real migrations, with the clock and
//! randomness fixed.
#![allow(clippy::pedantic, clippy::restriction, reason = "tests may panic")]

mod admin;
mod clients;
mod discovery;
mod everywhere;
mod hostile;
mod jwks;
mod key_changes;
mod passwords;
mod platform;
mod rsa_keys;
mod userinfo;
mod world;
