//! Clients: their metadata, authentication and registration errors.

pub mod assertion;
pub mod authentication;
pub mod cache_time;
pub mod client_document;
pub mod client_id_url;
pub mod client_name;
pub mod identity;
pub mod jwt;
pub mod localized;
pub mod logo;
pub mod metadata;
pub mod outbound_url;
pub mod redirect_uri;
pub mod registration_error;
pub mod scheme;
pub mod unsupported_metadata;
pub mod voucher;
