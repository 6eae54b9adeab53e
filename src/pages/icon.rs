//! The provider's logo as a document that browsers show as an icon.

use askama::Template;

use crate::config::{Branding, Color};
use crate::http::Response;

/// The color of buttons in `templates/style.css`.
const COLOR: Color = Color::new(0x24_50b8);

/// The icon: an image in SVG, because responses are texts. Without a logo, it is the first letter of the provider's name.
#[derive(Template)]
#[template(path = "icon.svg", escape = "html")]
pub struct Icon<'a> {
    logo: Option<&'a str>,
    color: Color,
    initial: String,
}

impl<'a> Icon<'a> {
    /// Creates the icon. `logo` is a `data:` URL.
    pub fn new(branding: &Branding, logo: Option<&'a str>) -> Self {
        let color = branding.theme.as_ref().map_or(COLOR, |theme| theme.color);
        Self { logo, color, initial: branding.initial() }
    }

    /// Renders the icon as a response, whose policy is for those who open it as a page.
    pub fn response(&self) -> Response {
        let Ok(body) = self.render() else { return Response::empty(500) };
        Response::text(200, "image/svg+xml", body)
            .with("content-security-policy", "default-src 'none'; img-src data:; sandbox")
    }
}
