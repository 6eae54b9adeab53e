//! The provider's logo, as an icon.

use std::rc::Rc;

use crate::config::Logo;
use crate::error::Error;
use crate::http::{Request, Response, address_of};
use crate::pages::Icon;
use crate::ports::Platform;
use crate::provider::Provider;

/// Serves the logo. Without one, or if it cannot be fetched now, the icon is the first letter of the provider's name.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let branding = &provider.context.config.branding;
    let logo: Option<Rc<str>> = match &branding.logo {
        None => None,
        Some(Logo::Embedded(logo)) => Some(Rc::from(logo.as_str())),
        Some(Logo::Fetched(url)) => {
            let address = address_of(request);
            provider.memory.logos.of_provider(url, &provider.fetcher(Some(&address))).await
        }
    };
    // The URL has a digest of the configuration. The image at a URL can change, too, and one that was not fetched may be
    // fetched soon.
    let caching = match (&branding.logo, &logo) {
        (Some(Logo::Fetched(_)), None) => "public, max-age=60",
        _ => "public, max-age=3600",
    };
    let icon = Icon::new(branding, logo.as_deref());
    Ok(icon.response().with("cache-control", caching))
}
