//! Client metadata documents (draft-ietf-oauth-client-id-metadata-document-01): the metadata of a client at the URL that
//! is its identifier.

use std::fmt;

use crate::protocol::client::metadata::{
    AuthMethod, ClientMetadata, MetadataError, Registrable, SubjectType,
};
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::{JsonObject, NotAnObject};

/// The fields of a shared secret. A document that everybody can read cannot have one.
const SECRETS: [&str; 2] = ["client_secret", "client_secret_expires_at"];

const METHOD: &str = "token_endpoint_auth_method";
const SECTOR: &str = "sector_identifier_uri";

/// An error in a client metadata document.
#[derive(Debug)]
pub enum InvalidClientDocument {
    Metadata(MetadataError),
    NotAnObject(NotAnObject),
}

impl fmt::Display for InvalidClientDocument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metadata(error) => error.fmt(formatter),
            Self::NotAnObject(error) => error.fmt(formatter),
        }
    }
}

impl From<InvalidField> for InvalidClientDocument {
    fn from(error: InvalidField) -> Self {
        Self::Metadata(error.into())
    }
}

/// The metadata of a document.
#[derive(Debug)]
pub struct ClientDocument {
    pub metadata: ClientMetadata,
    /// The values that were left out or ignored: see [`JsonObject::warnings`].
    pub warnings: Vec<InvalidField>,
}

/// Parses the document of a client. Unknown fields are ignored. `registrable` is for clients that nobody vouches for.
pub fn parse(
    client_id: &str,
    text: &str,
    registrable: Registrable,
) -> Result<ClientDocument, InvalidClientDocument> {
    let mut document =
        JsonObject::parse(text.as_bytes()).map_err(InvalidClientDocument::NotAnObject)?;
    document.omit_empty();

    // 1. The document says that it is the client's, compared byte for byte (RFC 3986 section 6.2.1).
    if document.string("client_id")?.as_deref() != Some(client_id) {
        let reason = "must be the URL of the document, byte for byte";
        return Err(InvalidField::new("client_id", reason).into());
    }

    // 2. There is no shared secret.
    if let Some(field) = SECRETS.into_iter().find(|field| document.contains(field)) {
        let reason = "must be left out of a client metadata document";
        return Err(InvalidField::new(field, reason).into());
    }

    // 3. The client is public or has a key. A document that does not say is that of a public client: the default of
    //    RFC 7591 is a secret, which it cannot have.
    let method = document.string(METHOD)?.unwrap_or_else(|| AuthMethod::None.name().to_owned());
    if ![AuthMethod::None, AuthMethod::PrivateKeyJwt].iter().any(|one| one.name() == method) {
        let reason = "must be none or private_key_jwt in a client metadata document";
        return Err(InvalidField::new(METHOD, reason).into());
    }
    document.insert(METHOD, method);

    // 4. The metadata is valid.
    let metadata = ClientMetadata::from_document(&mut document, registrable)
        .map_err(InvalidClientDocument::Metadata)?;

    // 5. A sector has a document of its own, which is checked at registration only.
    if metadata.sector_identifier_uri.is_some() && metadata.subject_type == SubjectType::Pairwise {
        let reason =
            "must be left out of a client metadata document with the subject_type pairwise";
        return Err(InvalidField::new(SECTOR, reason).into());
    }
    Ok(ClientDocument { metadata, warnings: document.warnings().to_vec() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::client::outbound_url::OutboundRules;
    use crate::protocol::own_host::OwnHost;

    /// Parses a document with two more fields, which may be `null`.
    fn parse_with(sector: &Value, subject_type: &str) -> Result<ClientDocument, String> {
        let url = "https://app.example/client.json";
        let document = json!({
            "client_id": url, "redirect_uris": ["https://app.example/cb"],
            SECTOR: sector, "subject_type": subject_type,
        });
        let own_host = &OwnHost::of_issuer("https://login.example.com").unwrap();
        let outbound = OutboundRules { allows_loopback: false, own_host };
        let parsed = parse(url, &document.to_string(), Registrable::by_everybody(outbound));
        parsed.map_err(|error| error.to_string())
    }

    #[test]
    fn a_sector_and_pairwise_subjects_are_refused_only_together() {
        let sector = json!("https://app.example/sector.json");
        assert!(parse_with(&Value::Null, "pairwise").is_ok());
        assert!(parse_with(&sector, "public").is_ok());
        let error = parse_with(&sector, "pairwise").unwrap_err();
        assert!(error.starts_with("sector_identifier_uri: must be left out"), "{error}");
    }
}
