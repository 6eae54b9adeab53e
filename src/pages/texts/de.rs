//! German.

use super::{Phrase, Texts};

pub(super) const TEXTS: Texts = Texts {
    tag: "de",

    sign_in: "Anmelden",
    sign_in_to: Phrase("weiter zu {}"),
    login: "Benutzername",
    password: "Passwort",
    wrong_credentials: "Benutzername oder Passwort stimmt nicht. Bitte versuchen Sie es noch einmal.",
    too_many_attempts: Phrase(
        "Zu viele Versuche. Bitte warten Sie {} und versuchen Sie es dann noch einmal.",
    ),
    form_expired: "Dieses Formular ist abgelaufen. Bitte versuchen Sie es noch einmal.",
    cookies_needed: "Für die Anmeldung sind Cookies nötig. Bitte lassen Sie sie für diese Website zu \
                     und versuchen Sie es dann noch einmal.",
    other_account_wanted: "Die Anwendung verlangt ein anderes Konto. Bitte melden Sie sich mit \
                           diesem an.",
    privacy_policy: "Datenschutzerklärung",
    terms: "Nutzungsbedingungen",
    quoted: Phrase("„{}“"),
    calls_itself: Phrase("Die Anwendung nennt sich {} (nicht geprüft)"),
    not_verified: "Nicht geprüft. Die Anwendung hat diesen Namen selbst gewählt.",
    device_application: "einer Anwendung auf Ihrem Gerät",
    own_pages: "Über diese Anwendung:",
    new_tab: "(öffnet sich in einem neuen Tab)",

    choose_account: "Konto wählen",
    signed_in_as: "Angemeldet als",
    continue_as: Phrase("Weiter als {}"),
    use_another_account: "Anderes Konto verwenden",

    consent: Phrase("{} den Zugriff auf Ihr Konto erlauben?"),
    published_by: Phrase("Die Angaben zur Anwendung hat {} veröffentlicht"),
    leads_to: Phrase("Danach geht es weiter zu {}"),
    requested_access: "Die Anwendung möchte",
    device_warning: "Dies ist eine Anwendung auf Ihrem eigenen Gerät. Erlauben Sie den Zugriff nur, \
                     wenn Sie diese Anmeldung dort selbst begonnen haben.",
    allow: "Erlauben",
    deny: "Ablehnen",
    withdraw_hint: "Sie können diesen Zugriff jederzeit widerrufen.",

    openid: "Wer Sie sind: eine Kennung Ihres Kontos",
    profile: "Ihr Profil: Name, Bild, Geburtsdatum und Ähnliches",
    email: "Ihre E-Mail-Adresse",
    address: "Ihre Postanschrift",
    phone: "Ihre Telefonnummer",
    groups: "Die Gruppen, denen Sie angehören",
    offline_access: "Fortdauernder Zugriff, auch während Sie die Anwendung nicht benutzen",
    name: "Ihr Name",
    nickname: "Ihr Spitzname",
    preferred_username: "Ihr Benutzername",
    website: "Ihre Webseiten",
    picture: "Ihr Bild",
    gender: "Ihr Geschlecht",
    birthdate: "Ihr Geburtsdatum",
    zoneinfo: "Ihre Zeitzone",
    locale: "Ihre Sprache",
    updated_at: "Wann Ihre Angaben zuletzt geändert wurden",

    granted: "Anwendungen mit Zugriff auf Ihr Konto",
    since: Phrase("Seit {}"),
    withdraw: "Zugriff widerrufen",
    no_applications: "Keine Anwendung hat Zugriff auf Ihr Konto.",
    sign_out: "Abmelden",

    signed_out: "Sie sind abgemeldet",
    signed_out_elsewhere: "In Anwendungen können Sie noch angemeldet sein. Wenn auch andere dieses \
                           Gerät benutzen, melden Sie sich bitte auch dort ab.",
    close_window: "Sie können dieses Fenster jetzt schließen.",

    error: "Etwas ist schiefgegangen",
    start_again: "Bitte gehen Sie zurück zur Anwendung und beginnen Sie noch einmal.",
    try_later: "Bitte versuchen Sie es in einigen Minuten noch einmal.",
    tell_application: "Die Anwendung hat eine Anfrage gestellt, die nicht beantwortet werden kann. \
                       Bitte melden Sie dies ihrem Betreiber.",
    error_code: "Fehlercode:",

    back_to_application: "Zurück zur Anwendung",
    not_vouched_for: Phrase(
        "Die Anwendung läuft unter {}. Dieser Dienst bürgt nicht für sie. Gehen Sie nur dorthin, wenn \
         Sie sie kennen.",
    ),
    device_not_vouched_for: "Die Anwendung läuft auf Ihrem eigenen Gerät. Dieser Dienst bürgt nicht \
                             für sie. Gehen Sie nur zurück, wenn Sie sie kennen.",
    go_to: Phrase("Weiter zu {}"),

    help: "Hilfe",
};
