//! The endpoints, in rooms by who calls them. Each file is named as its specification names the endpoint, and reads
//! from top to bottom as the specification's list of steps.

pub mod client;
pub mod documents;
pub mod operator;
pub mod support;
pub mod user;
