//! French. Nothing that is said of a person depends on their gender.

use super::{LoginTexts, Phrase, Texts};

pub(super) const TEXTS: Texts = Texts {
    tag: "fr",

    sign_in: "Se connecter",
    sign_in_to: Phrase("pour continuer vers {}"),
    password: "Mot de passe",
    too_many_attempts: Phrase("Trop de tentatives. Veuillez patienter {}, puis réessayer."),
    form_expired: "Ce formulaire a expiré. Veuillez réessayer.",
    cookies_needed: "La connexion nécessite des cookies. Veuillez les autoriser pour ce site, puis \
                     réessayer.",
    other_account_wanted: "L’application demande un autre compte. Veuillez vous connecter avec \
                           celui-ci.",
    privacy_policy: "Politique de confidentialité",
    terms: "Conditions d’utilisation",
    quoted: Phrase("«\u{a0}{}\u{a0}»"),
    calls_itself: Phrase("L’application dit s’appeler {} (non vérifié)"),
    not_verified: "Non vérifié. L’application a choisi ce nom elle-même.",
    device_application: "une application de votre appareil",
    own_pages: "Pages de l’application elle-même\u{a0}:",
    new_tab: "(s’ouvre dans un nouvel onglet)",

    choose_account: "Choisissez un compte",
    signed_in_as: "Compte connecté",
    continue_as: Phrase("Continuer avec le compte {}"),
    use_another_account: "Utiliser un autre compte",

    consent: Phrase("Autoriser {} à accéder à votre compte\u{202f}?"),
    published_by: Phrase("La description de l’application est publiée par {}"),
    leads_to: Phrase("Vous irez ensuite sur {}"),
    can_see: Phrase("{} pourra voir"),
    can_do: Phrase("{} pourra"),
    device_warning: "Il s’agit d’une application sur votre propre appareil. N’autorisez l’accès que \
                     si vous y avez vous-même lancé cette connexion.",
    allow: "Autoriser",
    deny: "Refuser",
    withdraw_hint: Phrase("Vous pouvez retirer cet accès à tout moment sur {}."),
    account_page: "la page de votre compte",
    changed: "Le compte ou l’accès demandé a changé depuis l’affichage de cette page. Veuillez vérifier les deux.",

    openid: "Qui vous êtes\u{a0}: un identifiant de votre compte",
    profile: "Votre profil, avec nom, photo et date de naissance",
    email: "Votre adresse e-mail",
    address: "Votre adresse postale",
    phone: "Votre numéro de téléphone",
    groups: "Les groupes dont vous faites partie",
    offline_access: "Garder cet accès quand vous n’utilisez pas l’application",
    name: "Votre nom",
    nickname: "Votre surnom",
    preferred_username: "Votre nom d’utilisateur",
    website: "Vos pages web",
    picture: "Votre photo",
    gender: "Votre genre",
    birthdate: "Votre date de naissance",
    zoneinfo: "Votre fuseau horaire",
    locale: "Votre langue",
    updated_at: "La date de dernière modification de vos informations",

    your_account: "Votre compte",
    granted: "Applications ayant accès à votre compte",
    since: Phrase("Accès depuis le {}"),
    last_used: Phrase("Dernière utilisation le {}"),
    months: [
        Phrase("{} janvier"),
        Phrase("{} février"),
        Phrase("{} mars"),
        Phrase("{} avril"),
        Phrase("{} mai"),
        Phrase("{} juin"),
        Phrase("{} juillet"),
        Phrase("{} août"),
        Phrase("{} septembre"),
        Phrase("{} octobre"),
        Phrase("{} novembre"),
        Phrase("{} décembre"),
    ],
    first_day: "1er",
    one_permission: "1\u{a0}autorisation",
    permissions: Phrase("{}\u{a0}autorisations"),
    withdraw: "Retirer l’accès",
    withdrawn: Phrase(
        "{} n’a plus accès à votre compte. Il se peut que votre session y soit encore ouverte.",
    ),
    no_applications: "Aucune application n’a accès à votre compte.",
    sign_out: "Se déconnecter",
    sign_out_question: "Voulez-vous vous déconnecter ?",
    sign_out_ends: "Votre session ici prend fin, ainsi que celles des applications qui le permettent.",
    sign_out_refused: "La demande de l’application contient une erreur : vous ne serez pas renvoyé vers elle. Vous pouvez tout de même vous déconnecter ici.",
    stay_signed_in: "Rester connecté",

    signed_out: "Votre session est fermée",
    signed_out_elsewhere: "Des sessions peuvent rester ouvertes dans les applications. Si d’autres \
                           personnes utilisent cet appareil, veuillez aussi vous y déconnecter.",
    used_applications: "Depuis ce navigateur, vous avez utilisé récemment",
    sign_in_again: "Se reconnecter",
    close_window: "Vous pouvez maintenant fermer cette fenêtre.",

    error: "Une erreur s’est produite",
    start_again: "Veuillez retourner à l’application et recommencer.",
    try_later: "Veuillez réessayer dans quelques minutes.",
    tell_application: "L’application a envoyé une demande à laquelle il est impossible de répondre. \
                       Veuillez le signaler à ses responsables.",
    error_code: "Code d’erreur\u{a0}:",

    back_to_application: "Retour à l’application",
    not_vouched_for: Phrase(
        "L’application se trouve sur {}. Ce service ne s’en porte pas garant. N’y allez que si vous la \
         connaissez.",
    ),
    device_not_vouched_for: "L’application se trouve sur votre propre appareil. Ce service ne s’en \
                             porte pas garant. N’y retournez que si vous la connaissez.",
    go_to: Phrase("Aller sur {}"),

    help: "Aide",

    user_name: LoginTexts {
        label: "Identifiant",
        wrong: "L’identifiant ou le mot de passe est incorrect. Veuillez réessayer.",
    },
    email_login: LoginTexts {
        label: "Adresse e-mail",
        wrong: "L’adresse e-mail ou le mot de passe est incorrect. Veuillez réessayer.",
    },
    user_name_or_email: LoginTexts {
        label: "Identifiant ou adresse e-mail",
        wrong: "Ces informations sont incorrectes. Veuillez réessayer.",
    },
    error_title: Phrase("Erreur\u{a0}: {}"),
    one_second: "1 seconde",
    seconds: Phrase("{} secondes"),
    one_minute: "1 minute",
    minutes: Phrase("{} minutes"),
    hours: Phrase("{} heures"),
    forgot_password: "Mot de passe oublié\u{202f}?",
    show_password: "Afficher le mot de passe",
    hide_password: "Masquer le mot de passe",
    password_visible: "Votre mot de passe est visible pendant la saisie. Veuillez le saisir à nouveau.",

    not_found: "Cette page n’existe pas",
    check_address: "Veuillez vérifier l’adresse ou retourner à l’application d’où vous venez.",
    not_set_up: "Ce service n’est pas configuré correctement. Seuls ses responsables peuvent y remédier.",
    try_again: "Réessayer",
    to_home: "Aller à la page d’accueil",
    for_developer: "Pour les développeurs",
    time: "Heure\u{a0}:",
    request_id: "Requête\u{a0}:",
    home_lead: "Votre compte ici vous connecte à des applications. Pour vous connecter, commencez dans l’application que vous voulez utiliser.",
    home_address: Phrase(
        "Ne saisissez votre mot de passe que si l’adresse dans votre navigateur commence par {}",
    ),
    to_account: "Aller à votre compte",
    for_developers: "Pour les développeurs",
};
