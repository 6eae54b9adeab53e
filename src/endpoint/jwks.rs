//! The JWK Set (RFC 7517 section 5; OpenID Connect Core section 10.1.1).

use crate::Provider;
use crate::config::Config;
use crate::context::Cx;
use crate::error::Error;
use crate::ports::Platform;
use crate::publication::Document;
use std::rc::Rc;

/// The published set, or `None` while there is no key: nobody may remember that.
pub async fn document(
    provider: &Provider,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
) -> Result<Option<Rc<Document>>, Error> {
    let set = provider.memory.published_keys.get(config, platform, cx).await?;
    Ok(set.map(|set| Rc::clone(&set.document)))
}
