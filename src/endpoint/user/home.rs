//! The page at the issuer's URL, for people and for developers. It shows what the documents publish, and the times of the
//! published keys.

use crate::error::Error;
use crate::http::{Request, Response};
use crate::pages::{Home, KeyTimeline, PublishedKey, Texts};
use crate::ports::Platform;
use crate::provider::Provider;
use crate::routes::{ACCOUNT, DISCOVERY, served};

/// Shows the page. The keys come from the memory of the published documents, so a stranger who reloads it costs the
/// database as much as one who reloads these.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let issuer = &context.config.issuer;
    let set = provider.memory.published_keys.get(context).await.unwrap_or_else(|fault| {
        context.log_fault(&fault);
        None
    });
    let keys = set.as_ref().map(|set| {
        let keys = set.spans().map(|(key, span)| PublishedKey {
            alg: key.alg().name(),
            kid: key.kid(),
            publish_from: span.publish_from,
            sign_from: span.sign_from,
            sign_until: span.sign_until,
            retire_at: span.retire_at,
        });
        KeyTimeline::new(keys.collect(), context.now)
    });
    let endpoints =
        served(context.config).filter_map(|route| Some((route.metadata_field?, route.url(issuer))));
    let page = Home {
        brand: context.config.into(),
        texts: Texts::choose(None, request.header("accept-language").as_deref()),
        issuer: issuer.as_str(),
        account_url: &ACCOUNT.url(issuer),
        discovery_url: &DISCOVERY.url(issuer),
        endpoints: &endpoints.collect::<Vec<_>>(),
        keys,
    };
    Ok(page.response())
}
