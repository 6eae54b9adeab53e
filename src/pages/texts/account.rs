//! The texts of the account page about sessions and the password.

use super::Phrase;

#[derive(Debug)]
pub(in crate::pages) struct AccountTexts {
    /// Above the browsers in which the user is signed in.
    pub(in crate::pages) signed_in: &'static str,
    pub(in crate::pages) this_browser: &'static str,
    pub(in crate::pages) unknown_browser: &'static str,
    /// After the name of a browser; `{}` is the operating system.
    pub(in crate::pages) on_system: Phrase,
    /// `{}` is a date.
    pub(in crate::pages) signed_in_on: Phrase,
    /// Before the country that the user signed in from.
    pub(in crate::pages) country: &'static str,
    /// Before the network that the user signed in from.
    pub(in crate::pages) network: &'static str,
    /// Instead of country and network.
    pub(in crate::pages) unknown_place: &'static str,
    pub(in crate::pages) more_sessions: &'static str,
    pub(in crate::pages) sign_out_there: &'static str,
    pub(in crate::pages) sign_out_others: &'static str,
    /// After `sign_out_there`.
    pub(in crate::pages) other_signed_out: &'static str,
    /// After `sign_out_others`.
    pub(in crate::pages) others_signed_out: &'static str,

    pub(in crate::pages) change_password: &'static str,
    pub(in crate::pages) current_password: &'static str,
    pub(in crate::pages) new_password: &'static str,
    /// `{}` is the smallest number of characters.
    pub(in crate::pages) rule: Phrase,
    pub(in crate::pages) end_access: &'static str,
    /// Under `end_access`.
    pub(in crate::pages) others_end: &'static str,
    pub(in crate::pages) show_passwords: &'static str,
    pub(in crate::pages) hide_passwords: &'static str,
    pub(in crate::pages) passwords_visible: &'static str,
    pub(in crate::pages) wrong_password: &'static str,
    /// `{}` is the smallest number of characters.
    pub(in crate::pages) invalid_password: Phrase,
    pub(in crate::pages) password_changed: &'static str,
    /// After `password_changed`, if the user wanted it.
    pub(in crate::pages) access_ended: &'static str,
}
