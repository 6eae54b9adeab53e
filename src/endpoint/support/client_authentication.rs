//! Client authentication (RFC 6749 section 2.3, OpenID Connect Core section 9), the first step of every endpoint that
//! requires it.

use super::body::{Limit, read_form};
use super::client_documents::{self, ClientKind};
use crate::error::{Error, Protocol};
use crate::fetched::client_documents::{ClientDocumentError, DocumentFault};
use crate::fetched::client_keys::KeysError;
use crate::http::{Request, address_of};
use crate::ports::Platform;
use crate::protocol::client::assertion::{AssertionError, ClientAssertion, Expected};
use crate::protocol::client::authentication::Credentials;
use crate::protocol::client::metadata::AuthMethod;
use crate::protocol::client::voucher::Voucher;
use crate::protocol::params::Params;
use crate::protocol::token::token_error::{CLIENT_REFUSED, TokenError};
use crate::provider::Provider;
use crate::routes::{DEVICE_AUTHORIZATION, INTROSPECTION, PAR, REVOCATION, TOKEN};
use crate::secret::hash;
use crate::store::client_copies::NewCopy;
use crate::store::client_proof::{ClientProof, ProofMethod};
use crate::store::clients::{self, Client};
use crate::store::slots::{SlotGroup, Slots};

/// Reads the form parameters whose names are in one of the lists `known`. Parameters in the URL are ignored (RFC 6749
/// section 3.2).
///
/// # Errors
/// [`TokenError::InvalidRequest`] if the body is not such a form.
pub async fn form(
    request: &impl Request,
    limit: Limit,
    known: &[&'static [&'static str]],
) -> Result<Params, TokenError> {
    read_form(request, limit, known)
        .await
        .map_err(|error| TokenError::InvalidRequest(error.description()))
}

/// The treatment of a client by document that D1 does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NewDocument {
    /// It refuses the client, because no user has signed in to it.
    Refuse,
    /// It fetches the document, and stores the client.
    Store,
}

/// Returns the proof of the client's identity. Secrets are compared by the statements that the proof is added to. The
/// signature of an assertion is verified first, which needs the client's keys and so a request to D1 of its own. So does
/// a client by document, whose copy may have to be renewed.
///
/// # Errors
/// [`TokenError::InvalidClient`] or [`TokenError::InvalidRequest`] if the authentication fails, [`Protocol::TryLater`] if
/// the client's keys or its document cannot be fetched now, otherwise [`Error::Internal`] if the platform fails.
pub async fn prove(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    params: &Params,
    new_document: NewDocument,
) -> Result<ClientProof, Error> {
    let authorization = request.header("authorization");
    let find = FindClient { provider, address: address_of(request), new_document };
    Ok(match Credentials::from_request(authorization.as_deref(), params)? {
        Credentials::Assertion { assertion, client_id } => {
            by_assertion(&find, &assertion, client_id.as_deref()).await?
        }
        Credentials::Public { client_id } => {
            let kind = ClientKind::new(&client_id, provider.context.config);
            let copy = if kind == ClientKind::Registered {
                None
            } else {
                let Found { client, copy, is_new } = find.client(&client_id).await?;
                if is_new && client.metadata.is_confidential() {
                    return Err(CLIENT_REFUSED.into());
                }
                copy
            };
            ClientProof { client_id, copy, method: ProofMethod::Public }
        }
        Credentials::Secret { client_id, secret } => ClientProof {
            client_id,
            copy: None,
            method: ProofMethod::Secret { secret_hash: hash(secret.expose()) },
        },
    })
}

/// The search for the client of a request.
struct FindClient<'a, P> {
    provider: &'a Provider<'a, P>,
    /// The address of the request's sender.
    address: String,
    new_document: NewDocument,
}

/// A client that was found.
struct Found {
    client: Client,
    /// The copy to store, if the client is by document and D1 does not have this copy.
    copy: Option<Box<NewCopy>>,
    /// Whether D1 has no copy at all. The client must be authenticated before one is stored.
    is_new: bool,
}

impl<P: Platform> FindClient<'_, P> {
    /// Finds a client, by document or stored.
    async fn client(&self, client_id: &str) -> Result<Found, Error> {
        let context = &self.provider.context;
        let kind = ClientKind::new(client_id, context.config);
        if kind == ClientKind::Refused {
            return Err(CLIENT_REFUSED.into());
        }
        let stored = clients::find_stored(context, client_id).await?;
        if kind == ClientKind::Registered {
            let client = stored.ok_or(CLIENT_REFUSED)?.parse()?;
            return Ok(Found { client, copy: None, is_new: false });
        }
        let is_new = stored.is_none();
        if is_new && self.new_document == NewDocument::Refuse {
            return Err(CLIENT_REFUSED.into());
        }
        let sender = (client_id, self.address.as_str());
        let found = client_documents::find(self.provider, sender, stored).await;
        let (client, is_stored) = found.map_err(document_error)?;
        let copy = if is_stored {
            None
        } else {
            let slots = Slots::draw(context, SlotGroup::DOCUMENTS, &self.address)?;
            Some(Box::new(NewCopy { client: client.clone(), slots }))
        };
        Ok(Found { client, copy, is_new })
    }
}

fn document_error(error: ClientDocumentError) -> Error {
    match error {
        ClientDocumentError::Fault(
            DocumentFault::Invalid(description) | DocumentFault::Refused(description),
        ) => TokenError::InvalidClient(description).into(),
        ClientDocumentError::Fault(DocumentFault::TryLater(description)) => {
            Protocol::TryLater(description).into()
        }
        ClientDocumentError::Internal(fault) => fault.into(),
    }
}

/// Verifies an assertion of the method `private_key_jwt` (RFC 7523 section 3), all but that it is used once.
async fn by_assertion(
    find: &FindClient<'_, impl Platform>,
    text: &str,
    client_id: Option<&str>,
) -> Result<ClientProof, Error> {
    let Provider { context, memory } = find.provider;
    // 1. Check the claims before anything is looked up.
    let issuer = &context.config.issuer;
    let endpoints = [TOKEN, PAR, DEVICE_AUTHORIZATION, REVOCATION, INTROSPECTION]
        .map(|route| route.url(issuer));
    let audiences: Vec<_> = endpoints.iter().map(String::as_str).chain([issuer.as_str()]).collect();
    let expected =
        Expected { audiences: &audiences, leeway: context.config.leeway, now: context.now };
    let assertion = ClientAssertion::parse(text, &expected).map_err(refused)?;
    if client_id.is_some_and(|client_id| client_id != assertion.client_id) {
        return Err(refused(AssertionError::OtherClient));
    }

    // 2. Find the client, which must have registered this method and algorithm.
    let Found { client, copy, .. } = find.client(&assertion.client_id).await?;
    let method = client.metadata.token_endpoint_auth_method;
    if method != AuthMethod::PrivateKeyJwt || !assertion.has_registered_alg(&client.metadata) {
        return Err(CLIENT_REFUSED.into());
    }

    // 3. Verify the signature with the client's keys.
    let fetcher = find.provider.fetcher(Some(&find.address));
    let verified = memory.fetched_keys.verify(&client, &assertion.signature, &fetcher).await;
    let is_verified = verified.map_err(|error| match error {
        KeysError::Document(error) if error.is_temporary() => {
            Protocol::TryLater(error.description_of("jwks_uri")).into()
        }
        KeysError::Document(error) => {
            TokenError::InvalidClient(error.description_of("jwks_uri")).into()
        }
        KeysError::Internal(fault) => Error::from(fault),
    })?;
    if !is_verified {
        return Err(refused(AssertionError::Signature));
    }

    // 4. The statements that the proof is added to require that the assertion was not used before.
    let method = ProofMethod::Assertion {
        jti_hash: hash(&assertion.jti),
        expires_at: assertion.exp + context.config.leeway,
        use_id: context.random_id()?,
        slots: match client.voucher() {
            Voucher::Operator => None,
            Voucher::Nobody | Voucher::Apis(_) => {
                let group = SlotGroup::ASSERTIONS_OF_STRANGERS;
                Some(Slots::draw(context, group, &find.address)?)
            }
        },
    };
    Ok(ClientProof { client_id: client.client_id, copy, method })
}

fn refused(error: AssertionError) -> Error {
    TokenError::from(error).into()
}
