//! The endpoints: one file each, named as its specification names it, that reads from top to bottom as the
//! specification's list of steps.

pub mod account;
pub mod admin;
pub mod authorize;
pub mod client;
pub mod consent;
pub mod desk;
pub mod discovery;
mod form;
pub mod jwks;
pub mod login;
pub mod pushed;
pub mod register;
pub mod registration;
pub mod resource_metadata;
pub mod sector;
pub mod select_account;
pub mod signout;
pub mod token;
pub mod userinfo;
