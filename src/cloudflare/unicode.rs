//! The [`Unicode`] port on the platform's strings.

use crate::cloudflare::{Edge, platform};
use crate::ports::{NormalizationForm, Unicode};

impl Unicode for Edge {
    fn normalize(&self, text: &str, form: NormalizationForm) -> String {
        let form = match form {
            NormalizationForm::Nfc => "NFC",
            NormalizationForm::Nfkc => "NFKC",
        };
        platform::normalize(text, form)
    }

    fn name_of_country(&self, code: &str, language: &str) -> Option<String> {
        platform::name_of_country(code, language)
    }
}
