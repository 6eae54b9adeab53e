//! The proof of a client's identity. Statements that spend or revoke require it in SQL, so that one request to D1
//! authenticates the client and decides.

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Internal, Protocol};
use crate::log::LogEvent;
use crate::protocol::client::assertion::AssertionError;
use crate::protocol::client::metadata::GrantType;
use crate::protocol::description::Description;
use crate::protocol::token::token_error::{CLIENT_REFUSED, TokenError};
use crate::store::batch::{Batch, Handle, Outcome};
use crate::store::client_assertions::{self, AssertionUse};
use crate::store::client_copies::{self, NewCopy};
use crate::store::clients::{self, Client, StoredClient};
use crate::store::slots::Slots;

/// The error of a client that nobody vouches for while too many rows of such clients are stored.
const TOO_MANY: Protocol = Protocol::TryLater(Description::fixed(
    "too many clients that nobody vouches for use the provider; try again later",
));

/// A client, and the way in which it has proven its identity.
#[derive(Debug)]
pub struct ClientProof {
    pub client_id: String,
    /// The client, if it is one by document and D1 does not have this copy. It is stored first.
    pub copy: Option<Box<NewCopy>>,
    pub method: ProofMethod,
}

#[derive(Debug)]
pub enum ProofMethod {
    /// An assertion with a valid signature. It counts if this is the first use of its `jti`.
    Assertion {
        jti_hash: String,
        /// When the `jti` may be forgotten, in Unix seconds.
        expires_at: i64,
        /// The random id of the request that uses it.
        use_id: String,
        /// See [`client_assertions::Assertion::slots`].
        slots: Option<Slots>,
    },
    /// None: the client must be public.
    Public,
    /// A client secret, of which only the hash is compared.
    Secret { secret_hash: String },
}

/// The statements that check a proof.
pub struct ProofHandles {
    client: Handle<Option<StoredClient>>,
    now: i64,
    assertion_use: Option<Handle<AssertionUse>>,
}

/// The outcome of checking a proof.
#[derive(Debug)]
pub enum Checked {
    /// The client is the one that it claims to be.
    Proven(Box<Client>),
    /// The client does not exist, or the proof is wrong.
    Refused,
    /// The assertion was used before.
    Replayed,
    /// Nothing was stored, because the client is one that nobody vouches for, and there are too many rows of these.
    TooMany {
        /// Their kind, for the log.
        rows: &'static str,
    },
}

impl Checked {
    /// Returns the proven client.
    ///
    /// # Errors
    /// [`TokenError::InvalidClient`] if the proof is wrong, [`Protocol::TryLater`] if there are too many rows.
    pub fn client<P>(self, context: &Context<'_, P>) -> Result<Client, Error> {
        match self {
            Self::Proven(client) => Ok(*client),
            Self::Refused => Err(CLIENT_REFUSED.into()),
            Self::Replayed => Err(TokenError::from(AssertionError::Replayed).into()),
            Self::TooMany { rows } => {
                context.log_event(LogEvent::SlotsExhausted { rows });
                Err(TOO_MANY.into())
            }
        }
    }
}

/// The conditions that a statement puts on the client besides its proof, so that nothing is spent if the request is
/// refused.
pub struct ClientConditions {
    /// The grant type that the client must have registered.
    pub grant_type: GrantType,
    /// The names of the algorithms for which there is a key. The client's ID tokens must use one of them.
    pub algs: String,
}

/// A SQL condition: the client has proven its identity and meets the conditions. `$p` is the parameter with the text of
/// [`ClientProof::condition`]. The `CASE` keeps damaged metadata from failing the statement.
macro_rules! client_is_proven {
    ($p:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM clients WHERE clients.client_id = ",
            $p,
            "->>'client_id' AND (clients.expires_at IS NULL OR clients.expires_at > ",
            $p,
            "->>'now') AND ",
            has_secret!(concat!($p, "->>'secret_hash'"), concat!($p, "->>'now'")),
            " AND CASE WHEN json_valid(metadata) THEN (",
            $p,
            "->>'auth_method' IS NULL OR metadata->>'token_endpoint_auth_method' = ",
            $p,
            "->>'auth_method') AND (",
            $p,
            "->>'algs' IS NULL OR instr(",
            $p,
            "->>'algs', metadata->>'id_token_signed_response_alg') > 0) AND (",
            $p,
            "->>'grant_type' IS NULL OR EXISTS (SELECT 1 FROM json_each(metadata, '$.grant_types') \
                           WHERE value = ",
            $p,
            "->>'grant_type')) ELSE 0 END) \
             AND (",
            $p,
            "->>'use_id' IS NULL OR EXISTS (SELECT 1 FROM client_assertions \
               WHERE client_assertions.client_id = ",
            $p,
            "->>'client_id' AND jti_hash = ",
            $p,
            "->>'jti_hash' AND used_by = ",
            $p,
            "->>'use_id'))"
        )
    };
}
pub(super) use client_is_proven;

/// The parameter of [`client_is_proven`].
#[derive(Serialize)]
struct Condition<'a> {
    client_id: &'a str,
    now: i64,
    secret_hash: Option<&'a str>,
    auth_method: Option<&'a str>,
    jti_hash: Option<&'a str>,
    use_id: Option<&'a str>,
    grant_type: Option<GrantType>,
    algs: Option<&'a str>,
}

impl ClientProof {
    /// Adds the statements that check the proof. They come before the statements that require it.
    pub fn add_to(&self, batch: &mut Batch, now: i64) -> Result<ProofHandles, Internal> {
        if let Some(copy) = &self.copy {
            client_copies::store(batch, &copy.client, Some(&copy.slots), now)?;
        }
        let assertion_use = match &self.method {
            ProofMethod::Assertion { jti_hash, expires_at, use_id, slots } => {
                let assertion = client_assertions::Assertion {
                    client_id: &self.client_id,
                    jti_hash,
                    expires_at: *expires_at,
                    use_id,
                    slots: slots.as_ref(),
                };
                Some(client_assertions::use_once(batch, &assertion, now))
            }
            ProofMethod::Public | ProofMethod::Secret { .. } => None,
        };
        let client = clients::look_up(batch, &self.client_id, now);
        Ok(ProofHandles { client, now, assertion_use })
    }

    /// Returns the client, if the proof is right.
    ///
    /// # Errors
    /// [`Internal::Broken`] if the client's metadata is damaged.
    pub fn check(&self, handles: ProofHandles, outcome: &mut Outcome) -> Result<Checked, Internal> {
        let Some(stored) = outcome.take(handles.client)? else {
            let too_many = Checked::TooMany { rows: "client_documents" };
            return Ok(if self.copy.is_some() { too_many } else { Checked::Refused });
        };
        let assertion_use = handles.assertion_use.map(|used| outcome.take(used)).transpose()?;
        let client = stored.parse()?;
        let is_right = match &self.method {
            ProofMethod::Assertion { .. } => true,
            ProofMethod::Public => !client.metadata.is_confidential(),
            ProofMethod::Secret { secret_hash } => client.has_secret(secret_hash, handles.now),
        };
        Ok(match (is_right, assertion_use) {
            (false, _) => Checked::Refused,
            (true, Some(AssertionUse::Refused)) => Checked::TooMany { rows: "client_assertions" },
            (true, Some(AssertionUse::Replayed)) => Checked::Replayed,
            (true, None | Some(AssertionUse::First)) => Checked::Proven(Box::new(client)),
        })
    }

    /// Returns the parameter of [`client_is_proven`]. Without `conditions` the client needs only be proven.
    pub(super) fn condition(
        &self,
        conditions: Option<&ClientConditions>,
        now: i64,
    ) -> Result<String, Internal> {
        let (secret_hash, auth_method, jti) = match &self.method {
            ProofMethod::Assertion { jti_hash, use_id, .. } => {
                (None, Some("private_key_jwt"), Some((jti_hash.as_str(), use_id.as_str())))
            }
            ProofMethod::Public => (None, Some("none"), None),
            ProofMethod::Secret { secret_hash } => (Some(secret_hash.as_str()), None, None),
        };
        let condition = Condition {
            client_id: &self.client_id,
            now,
            secret_hash,
            auth_method,
            jti_hash: jti.map(|(jti_hash, _)| jti_hash),
            use_id: jti.map(|(_, use_id)| use_id),
            grant_type: conditions.map(|conditions| conditions.grant_type),
            algs: conditions.map(|conditions| conditions.algs.as_str()),
        };
        serde_json::to_string(&condition)
            .map_err(|error| Internal::Broken { detail: error.to_string() })
    }
}
