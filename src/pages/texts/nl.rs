//! Dutch.

use super::{LoginTexts, Phrase, Texts};

pub(super) const TEXTS: Texts = Texts {
    tag: "nl",

    sign_in: "Aanmelden",
    sign_in_to: Phrase("om door te gaan naar {}"),
    password: "Wachtwoord",
    too_many_attempts: Phrase("Te veel pogingen. Wacht {} en probeer het dan opnieuw."),
    form_expired: "Dit formulier is verlopen. Probeer het opnieuw.",
    cookies_needed: "Voor het aanmelden zijn cookies nodig. Sta ze toe voor deze website en probeer het \
                     dan opnieuw.",
    other_account_wanted: "De app vraagt om een ander account. Meld u daarmee aan.",
    privacy_policy: "Privacybeleid",
    terms: "Gebruiksvoorwaarden",
    quoted: Phrase("“{}”"),
    calls_itself: Phrase("De app noemt zichzelf {} (niet geverifieerd)"),
    not_verified: "Niet geverifieerd. De app heeft deze naam zelf gekozen.",
    device_application: "een app op uw apparaat",
    own_pages: "Pagina’s van de app zelf:",
    new_tab: "(opent in een nieuw tabblad)",

    choose_account: "Kies een account",
    signed_in_as: "Aangemeld als",
    continue_as: Phrase("Doorgaan als {}"),
    use_another_account: "Een ander account gebruiken",

    consent: Phrase("{} toegang geven tot uw account?"),
    published_by: Phrase("De gegevens van de app zijn gepubliceerd door {}"),
    leads_to: Phrase("Daarna gaat u naar {}"),
    requested_access: "De app vraagt om",
    device_warning: "Dit is een app op uw eigen apparaat. Geef alleen toegang als u deze aanmelding \
                     daar zelf bent begonnen.",
    allow: "Toestaan",
    deny: "Weigeren",
    withdraw_hint: "U kunt deze toegang altijd weer intrekken.",

    openid: "Wie u bent: een unieke code van uw account",
    profile: "Uw profiel: naam, foto, geboortedatum en dergelijke",
    email: "Uw e-mailadres",
    address: "Uw postadres",
    phone: "Uw telefoonnummer",
    groups: "De groepen waartoe u behoort",
    offline_access: "Blijvende toegang, ook als u de app niet gebruikt",
    name: "Uw naam",
    nickname: "Uw bijnaam",
    preferred_username: "Uw gebruikersnaam",
    website: "Uw webpagina’s",
    picture: "Uw foto",
    gender: "Uw geslacht",
    birthdate: "Uw geboortedatum",
    zoneinfo: "Uw tijdzone",
    locale: "Uw taal",
    updated_at: "Wanneer uw gegevens voor het laatst zijn gewijzigd",

    granted: "Apps met toegang tot uw account",
    since: Phrase("Sinds {}"),
    withdraw: "Toegang intrekken",
    no_applications: "Geen enkele app heeft toegang tot uw account.",
    sign_out: "Afmelden",

    signed_out: "U bent afgemeld",
    signed_out_elsewhere: "In apps kunt u nog aangemeld zijn. Meld u ook daar af als anderen dit \
                           apparaat gebruiken.",
    close_window: "U kunt dit venster nu sluiten.",

    error: "Er is iets misgegaan",
    start_again: "Ga terug naar de app en begin opnieuw.",
    try_later: "Probeer het over enkele minuten opnieuw.",
    tell_application: "De app heeft een verzoek gedaan dat niet kan worden beantwoord. Meld dit aan de \
                       beheerders van de app.",
    error_code: "Foutcode:",

    back_to_application: "Terug naar de app",
    not_vouched_for: Phrase(
        "De app staat op {}. Deze dienst staat niet in voor de app. Ga er alleen heen als u de app kent.",
    ),
    device_not_vouched_for: "De app staat op uw eigen apparaat. Deze dienst staat niet in voor de app. \
                             Ga alleen terug als u de app kent.",
    go_to: Phrase("Ga naar {}"),

    help: "Hulp",

    user_name: LoginTexts {
        label: "Gebruikersnaam",
        wrong: "De gebruikersnaam of het wachtwoord klopt niet. Probeer het opnieuw.",
    },
    email_login: LoginTexts {
        label: "E-mailadres",
        wrong: "Het e-mailadres of het wachtwoord klopt niet. Probeer het opnieuw.",
    },
    user_name_or_email: LoginTexts {
        label: "Gebruikersnaam of e-mailadres",
        wrong: "Deze gegevens kloppen niet. Probeer het opnieuw.",
    },
    error_title: Phrase("Fout: {}"),
    one_second: "1 seconde",
    seconds: Phrase("{} seconden"),
    one_minute: "1 minuut",
    minutes: Phrase("{} minuten"),
    hours: Phrase("{} uur"),
    forgot_password: "Wachtwoord vergeten?",
    show_password: "Wachtwoord tonen",
    hide_password: "Wachtwoord verbergen",
    password_visible: "Uw wachtwoord is zichtbaar terwijl u typt. Typ het nog een keer.",

    not_found: "Deze pagina bestaat niet",
    check_address: "Controleer het adres of ga terug naar de app waar u vandaan komt.",
    not_set_up: "Deze dienst is niet goed ingesteld. Alleen de beheerders kunnen dat veranderen.",
    try_again: "Opnieuw proberen",
    to_home: "Naar de startpagina",
    for_developer: "Voor de ontwikkelaar",
    time: "Tijd:",
    request_id: "Verzoek:",
    home_lead: "Met uw account hier meldt u zich aan bij apps. Begin daarvoor in de app die u wilt gebruiken.",
    home_address: Phrase("Typ uw wachtwoord alleen als het adres in uw browser begint met {}"),
    to_account: "Naar uw account",
    for_developers: "Voor ontwikkelaars",
};
