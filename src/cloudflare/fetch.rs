//! The [`Fetch`] port on the platform's `fetch`.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cloudflare::task::{self, Failure, wait};
use crate::cloudflare::{Edge, platform};
use crate::jose::json;
use crate::ports::{Document, Fetch, FetchError, FetchLimits, Form};
use crate::protocol::client::outbound_url::OutboundUrl;

/// The outcome of one request, as `platform.mjs` returns it.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Document(Document),
    /// The message of the error.
    Failed(String),
}

impl Fetch for Edge {
    async fn fetch(&self, url: &OutboundUrl, limits: &FetchLimits) -> Result<Document, FetchError> {
        let FetchLimits { accept, limit, timeout, is_binary, .. } = *limits;
        read(wait(platform::fetch_document(url.as_str(), accept, limit, timeout, is_binary)).await)
    }

    async fn post(
        &self,
        forms: &[Form<'_>],
        limits: &FetchLimits,
    ) -> Vec<Result<Document, FetchError>> {
        let FetchLimits { accept, limit, timeout, .. } = *limits;
        let outcomes = match serde_json::to_string(forms) {
            Ok(forms) => read(wait(platform::post_forms(&forms, accept, limit, timeout)).await),
            Err(error) => Err(FetchError { detail: error.to_string() }),
        };
        let outcomes: Vec<Outcome> = match outcomes {
            Ok(outcomes) => outcomes,
            Err(error) => return forms.iter().map(|_| Err(error.clone())).collect(),
        };
        let result = |outcome| match outcome {
            Outcome::Document(document) => Ok(document),
            Outcome::Failed(detail) => Err(FetchError { detail }),
        };
        outcomes.into_iter().map(result).collect()
    }
}

/// Reads the JSON that a function of `platform.mjs` returns.
fn read<T: DeserializeOwned>(outcome: task::Outcome) -> Result<T, FetchError> {
    let json = outcome.map_err(|Failure { message }| FetchError { detail: message })?;
    let json =
        json.as_string().ok_or_else(|| FetchError { detail: "the response has no text".into() })?;
    json::from_own(&json).map_err(|error| FetchError { detail: error.to_string() })
}
