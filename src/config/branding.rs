//! The variables by which pages show whose login this is.

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

use super::color::Color;
use super::{ConfigError, Issuer};
use crate::digest::digest;
use crate::protocol::authority::Authority;
use crate::protocol::client::client_name::clean;
use crate::protocol::client::logo::{LOGO_BYTES, to_data_url};
use crate::protocol::client::outbound_url::{OutboundRules, OutboundUrl};
use crate::protocol::text_forms::{is_email, is_web_url};

/// The path of the logo, and of the icon that browsers show for the pages.
pub const ICON_PATH: &str = "/auth/icon.svg";

/// The provider as pages show it. Each field names its variable.
#[derive(Debug)]
pub struct Branding {
    /// `COLOR`: the color of buttons. Links and focus get one that is derived from it.
    pub theme: Option<Theme>,
    /// `HELP_URL`: where users get help with a forgotten password.
    pub help_url: Option<String>,
    /// The URL of the icon. It differs for each logo and color, because browsers keep the icon.
    pub icon_url: String,
    /// `LOGIN_LABEL`: the name that users know their logins by.
    pub login_label: LoginLabel,
    /// `LOGO_URL`.
    pub logo: Option<Logo>,
    /// `NAME`, and without it the host of the issuer.
    pub name: String,
    /// `PRIVACY_URL`: the privacy policy of the provider.
    pub privacy_url: Option<String>,
    /// `SUPPORT_URL`: where users get help.
    pub support_url: Option<String>,
}

/// The provider's logo.
#[derive(Debug)]
pub enum Logo {
    /// The value of the variable is the image itself, as a `data:` URL.
    Embedded(String),
    /// The provider fetches the image, so that no other site learns who signs in.
    Fetched(OutboundUrl),
}

/// The kind of text that users know as their login.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LoginLabel {
    Email,
    #[default]
    UserName,
    UserNameOrEmail,
}

/// The colors of the pages, as a style sheet that overrides the properties of `templates/style.css`.
#[derive(Debug)]
pub struct Theme {
    pub color: Color,
    pub style: String,
    /// The source expression that allows the style sheet (CSP Level 3 section 2.3.1).
    pub csp_hash: String,
}

/// Grounds of `templates/style.css`: the darkest one for links in light mode, the lightest one in dark mode, and the card
/// on which buttons are.
const LIGHT_GROUND: Color = Color::new(0xf3_f4f6);
const LIGHT_CARD: Color = Color::WHITE;
const DARK_GROUND: Color = Color::new(0x23_272e);
const DARK_CARD: Color = Color::new(0x1a_1d22);
/// The contrasts that texts and the edges of controls need (WCAG 2.2 sections 1.4.3 and 1.4.11), and a little more.
const TEXT_CONTRAST: f32 = 4.7;
const EDGE_CONTRAST: f32 = 3.2;

impl Branding {
    pub(super) fn parse(
        variable: &dyn Fn(&'static str) -> Option<String>,
        issuer: &Issuer,
        outbound: OutboundRules<'_>,
    ) -> Result<Self, ConfigError> {
        let url = |name, allowed: Allowed| match variable(name) {
            Some(url) if !allowed.has(&url) => Err(ConfigError::new(name, allowed.rule())),
            url => Ok(url),
        };
        let color = variable("COLOR");
        let theme = match color.as_deref() {
            None => None,
            Some(text) => Some(Theme::new(Color::parse(text).ok_or_else(|| {
                ConfigError::new(
                    "COLOR",
                    "must be # and six hexadecimal digits, for example #0a7f5c",
                )
            })?)),
        };
        let name = match variable("NAME") {
            None => Authority::of_url(issuer.as_str())
                .map_or_else(|_| issuer.as_str().to_owned(), |authority| authority.shown_host()),
            Some(name) if clean(&name) == name => name,
            Some(_) => {
                return Err(ConfigError::new(
                    "NAME",
                    "must be one line of at most 100 visible characters",
                ));
            }
        };
        let logo_url = variable("LOGO_URL");
        let version = digest(&[
            logo_url.as_deref().unwrap_or_default(),
            color.as_deref().unwrap_or_default(),
            &name,
        ]);
        Ok(Self {
            theme,
            help_url: url("HELP_URL", Allowed::WebOrMail)?,
            icon_url: format!("{}{ICON_PATH}?v={version}", issuer.as_str()),
            login_label: login_label(variable("LOGIN_LABEL").as_deref())?,
            logo: logo_url.map(|url| Logo::parse(&url, outbound)).transpose()?,
            name,
            privacy_url: url("PRIVACY_URL", Allowed::Web)?,
            support_url: url("SUPPORT_URL", Allowed::WebOrMail)?,
        })
    }

    /// Returns the name that a title or an icon begins with.
    pub fn initial(&self) -> String {
        self.name.chars().next().into_iter().flat_map(char::to_uppercase).collect()
    }
}

/// The URLs that a variable may have.
#[derive(Clone, Copy)]
enum Allowed {
    Web,
    WebOrMail,
}

impl Allowed {
    fn has(self, url: &str) -> bool {
        match url.strip_prefix("mailto:") {
            Some(address) => {
                matches!(self, Self::WebOrMail) && address.is_ascii() && is_email(address)
            }
            None => url.starts_with("https://") && is_web_url(url),
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Web => "must be an absolute https URL, without a user",
            Self::WebOrMail => {
                "must be an absolute https URL, without a user, or mailto: and an e-mail address"
            }
        }
    }
}

impl Logo {
    fn parse(text: &str, outbound: OutboundRules<'_>) -> Result<Self, ConfigError> {
        let error = |reason: &str| ConfigError::new("LOGO_URL", reason);
        let Some(embedded) = text.strip_prefix("data:") else {
            return match OutboundUrl::parse(text, outbound) {
                Ok(url) => Ok(Self::Fetched(url)),
                Err(reason) => Err(error(reason.description())),
            };
        };
        let image = embedded.split_once(";base64,").and_then(|(_, base64)| to_data_url(base64));
        match image {
            Some(image) if image.len() <= LOGO_BYTES => Ok(Self::Embedded(image)),
            Some(_) => Err(error("must be at most 65536 bytes")),
            None => Err(error(
                "must be an https URL, or a data: URL with a PNG, JPEG, GIF or WebP image in base64",
            )),
        }
    }
}

fn login_label(text: Option<&str>) -> Result<LoginLabel, ConfigError> {
    match text {
        None => Ok(LoginLabel::default()),
        Some("email") => Ok(LoginLabel::Email),
        Some("username") => Ok(LoginLabel::UserName),
        Some("username_or_email") => Ok(LoginLabel::UserNameOrEmail),
        Some(_) => {
            let reason = "must be username, email or username_or_email, in lower case";
            Err(ConfigError::new("LOGIN_LABEL", reason))
        }
    }
}

impl Theme {
    /// Derives the colors of a theme. Buttons have exactly this color, in light and dark mode; the text on them is black or
    /// white, and their edge tells them from the page. Links are darker or lighter until they can be read.
    fn new(color: Color) -> Self {
        let text = color.text();
        // Away from the text, so that it can still be read.
        let over = color.mixed(if text == Color::WHITE { Color::BLACK } else { Color::WHITE }, 3);
        let derived = |ground, card, ink| {
            let link = color.distinct(ground, TEXT_CONTRAST, ink);
            let edge = color.distinct(card, EDGE_CONTRAST, ink);
            format!("--link:{link};--button-edge:{edge}")
        };
        let light = derived(LIGHT_GROUND, LIGHT_CARD, Color::BLACK);
        let dark = derived(DARK_GROUND, DARK_CARD, Color::WHITE);
        let style = format!(
            ":root{{--button:{color};--button-over:{over};--on-button:{text};{light}}}\
             @media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
        );
        let csp_hash = format!("sha256-{}", Base64::encode_string(&Sha256::digest(&style)));
        Self { color, style, csp_hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";

    fn parse(variables: &[(&str, &str)]) -> Result<Branding, ConfigError> {
        let variables = [&[("ISSUER", "https://login.example.com/id")], variables].concat();
        let config = Config::parse(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| (*text).to_owned())
        });
        config.map(|config| config.branding)
    }

    #[test]
    fn without_variables_the_name_is_the_host_of_the_issuer() {
        let branding = parse(&[]).unwrap();
        assert_eq!(branding.name, "login.example.com");
        assert_eq!(branding.initial(), "L");
        assert!(branding.theme.is_none() && branding.logo.is_none());
        assert!(branding.icon_url.starts_with("https://login.example.com/id/auth/icon.svg?v="));
        assert_eq!(branding.login_label, LoginLabel::UserName);
    }

    #[test]
    fn the_error_names_the_variable() {
        let large = format!("data:image/png;base64,iVBORw0KGgo{}=", "A".repeat(65_536));
        for (variable, text) in [
            ("NAME", "Example\nLogin"),
            ("NAME", " Example"),
            ("NAME", "Example\u{202e}"),
            ("LOGO_URL", "http://example.com/logo.png"),
            ("LOGO_URL", "https://login.example.com/logo.png"),
            ("LOGO_URL", "logo.png"),
            ("LOGO_URL", "data:image/svg+xml;base64,PHN2Zy8+"),
            ("LOGO_URL", "data:image/png,x"),
            ("LOGO_URL", &large),
            ("COLOR", "green"),
            ("COLOR", "#0a7"),
            ("SUPPORT_URL", "help@example.com"),
            ("SUPPORT_URL", "http://example.com"),
            ("SUPPORT_URL", "javascript:alert(1)"),
            ("SUPPORT_URL", "mailto:help"),
            ("SUPPORT_URL", "mailto:a@example.com?bcc=b@example.com"),
            ("SUPPORT_URL", "https://example.com@evil.example/"),
            ("PRIVACY_URL", "mailto:help@example.com"),
            ("PRIVACY_URL", "https://"),
            ("HELP_URL", "/help"),
            ("LOGIN_LABEL", "Email"),
        ] {
            assert_eq!(parse(&[(variable, text)]).unwrap_err().variable, variable, "{text}");
        }
        for (variable, text) in [
            ("NAME", "Übungs-Bank, Ø"),
            ("LOGO_URL", "https://example.com/logo.png"),
            ("LOGO_URL", PNG),
            ("SUPPORT_URL", "mailto:help@example.com"),
            ("SUPPORT_URL", "https://example.com/help?topic=login#password"),
            ("HELP_URL", "mailto:help@example.com"),
            ("LOGIN_LABEL", "username_or_email"),
        ] {
            assert!(parse(&[(variable, text)]).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_url_of_the_icon_differs_for_each_logo_color_and_name() {
        let url = |variables: &[(&str, &str)]| parse(variables).unwrap().icon_url;
        let plain = url(&[]);
        for variable in [("LOGO_URL", PNG), ("COLOR", "#0a7f5c"), ("NAME", "Example")] {
            assert_ne!(plain, url(&[variable]));
        }
    }

    #[test]
    fn a_theme_has_the_color_on_buttons_and_derives_the_rest() {
        let style = |color| parse(&[("COLOR", color)]).unwrap().theme.unwrap().style;
        let yellow = style("#FFCC00");
        assert!(yellow.starts_with(":root{--button:#ffcc00;"), "{yellow}");
        assert!(yellow.contains("--on-button:#000000;"), "{yellow}");
        let navy = style("#0a2540");
        assert!(
            navy.contains("--on-button:#ffffff;--link:#0a2540;--button-edge:#0a2540}"),
            "{navy}"
        );
    }
}
