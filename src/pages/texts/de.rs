//! German.

use super::{LoginTexts, Phrase, Texts};

pub(super) const TEXTS: Texts = Texts {
    tag: "de",

    sign_in: "Anmelden",
    sign_in_to: Phrase("Weiter zu {}"),
    password: "Passwort",
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
    can_see: Phrase("Das zeigen Sie {}"),
    can_do: Phrase("Das erlauben Sie {}"),
    device_warning: "Dies ist eine Anwendung auf Ihrem eigenen Gerät. Erlauben Sie den Zugriff nur, \
                     wenn Sie diese Anmeldung dort selbst begonnen haben.",
    allow: "Erlauben",
    deny: "Ablehnen",
    withdraw_hint: Phrase("Sie können das jederzeit auf {} widerrufen."),
    account_page: "Ihrer Kontoseite",
    changed: "Das Konto oder der angefragte Zugriff hat sich geändert, seit diese Seite angezeigt wurde. Bitte prüfen Sie beides.",

    openid: "Wer Sie sind: eine Kennung Ihres Kontos",
    profile: "Ihr Profil mit Name, Bild und Geburtsdatum",
    email: "Ihre E-Mail-Adresse",
    address: "Ihre Postanschrift",
    phone: "Ihre Telefonnummer",
    groups: "Die Gruppen, denen Sie angehören",
    offline_access: "Diesen Zugriff behalten, auch während Sie die Anwendung nicht benutzen",
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

    your_account: "Ihr Konto",
    granted: "Anwendungen mit Zugriff auf Ihr Konto",
    since: Phrase("Zugriff seit {}"),
    last_used: Phrase("Zuletzt benutzt am {}"),
    months: [
        Phrase("{}. Januar"),
        Phrase("{}. Februar"),
        Phrase("{}. März"),
        Phrase("{}. April"),
        Phrase("{}. Mai"),
        Phrase("{}. Juni"),
        Phrase("{}. Juli"),
        Phrase("{}. August"),
        Phrase("{}. September"),
        Phrase("{}. Oktober"),
        Phrase("{}. November"),
        Phrase("{}. Dezember"),
    ],
    first_day: "1",
    one_permission: "1\u{a0}Berechtigung",
    permissions: Phrase("{}\u{a0}Berechtigungen"),
    withdraw: "Zugriff widerrufen",
    withdrawn: Phrase(
        "{} hat keinen Zugriff mehr auf Ihr Konto. Möglicherweise sind Sie dort noch angemeldet.",
    ),
    no_applications: "Keine Anwendung hat Zugriff auf Ihr Konto.",
    sign_out: "Abmelden",
    sign_out_question: "Möchten Sie sich abmelden?",
    sign_out_ends: "Ihre Sitzung hier wird beendet, und in Anwendungen, die das unterstützen, ebenfalls.",
    sign_out_refused: "Die Anfrage der Anwendung ist fehlerhaft. Deshalb werden Sie nicht zu ihr zurückgeleitet. Abmelden können Sie sich hier trotzdem.",
    stay_signed_in: "Angemeldet bleiben",

    signed_out: "Sie sind abgemeldet",
    signed_out_elsewhere: "In Anwendungen können Sie noch angemeldet sein. Wenn auch andere dieses \
                           Gerät benutzen, melden Sie sich bitte auch dort ab.",
    used_applications: "Mit diesem Browser haben Sie sich zuletzt angemeldet bei",
    sign_in_again: "Erneut anmelden",
    close_window: "Sie können dieses Fenster jetzt schließen.",

    error: "Etwas ist schiefgegangen",
    start_again: "Bitte gehen Sie zurück zur Anwendung und beginnen Sie noch einmal.",
    try_later: "Bitte versuchen Sie es in einigen Minuten noch einmal.",
    tell_application: "Die Anwendung hat eine Anfrage gestellt, die nicht beantwortet werden kann. \
                       Bitte melden Sie dies dem Betreiber der Anwendung.",
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

    user_name: LoginTexts {
        label: "Benutzername",
        wrong: "Benutzername oder Passwort stimmt nicht. Bitte versuchen Sie es noch einmal.",
    },
    email_login: LoginTexts {
        label: "E-Mail-Adresse",
        wrong: "E-Mail-Adresse oder Passwort stimmt nicht. Bitte versuchen Sie es noch einmal.",
    },
    user_name_or_email: LoginTexts {
        label: "Benutzername oder E-Mail-Adresse",
        wrong: "Diese Angaben stimmen nicht. Bitte versuchen Sie es noch einmal.",
    },
    error_title: Phrase("Fehler: {}"),
    one_second: "1 Sekunde",
    seconds: Phrase("{} Sekunden"),
    one_minute: "1 Minute",
    minutes: Phrase("{} Minuten"),
    hours: Phrase("{} Stunden"),
    forgot_password: "Passwort vergessen?",
    show_password: "Passwort anzeigen",
    hide_password: "Passwort verbergen",
    password_visible: "Ihr Passwort ist beim Tippen sichtbar. Bitte geben Sie es noch einmal ein.",

    not_found: "Diese Seite gibt es nicht",
    check_address: "Bitte prüfen Sie die Adresse, oder gehen Sie zurück zur Anwendung, aus der Sie kommen.",
    not_set_up: "Dieser Dienst ist nicht richtig eingerichtet. Das können nur seine Betreiber ändern.",
    try_again: "Noch einmal versuchen",
    to_home: "Zur Startseite",
    for_developer: "Für die Entwicklung",
    time: "Zeit:",
    request_id: "Anfrage:",
    home_lead: "Mit Ihrem Konto hier melden Sie sich bei Anwendungen an. Beginnen Sie dazu in der Anwendung, die Sie benutzen möchten.",
    home_address: Phrase(
        "Geben Sie Ihr Passwort nur ein, wenn die Adresse in Ihrem Browser so beginnt: {}",
    ),
    to_account: "Zu Ihrem Konto",
    for_developers: "Für die Entwicklung",
};
