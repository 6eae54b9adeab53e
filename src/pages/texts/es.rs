//! Spanish.

use super::{LoginTexts, Phrase, Texts};

pub(super) const TEXTS: Texts = Texts {
    tag: "es",

    sign_in: "Iniciar sesión",
    sign_in_to: Phrase("para continuar en {}"),
    password: "Contraseña",
    too_many_attempts: Phrase("Demasiados intentos. Espere {} e inténtelo de nuevo."),
    form_expired: "Este formulario ha caducado. Inténtelo de nuevo.",
    cookies_needed: "Para iniciar sesión se necesitan cookies. Permítalas para este sitio e inténtelo \
                     de nuevo.",
    other_account_wanted: "La aplicación solicita otra cuenta. Inicie sesión con esa cuenta.",
    privacy_policy: "Política de privacidad",
    terms: "Condiciones de uso",
    quoted: Phrase("«{}»"),
    calls_itself: Phrase("La aplicación dice llamarse {} (sin verificar)"),
    not_verified: "Sin verificar. La propia aplicación ha elegido este nombre.",
    device_application: "una aplicación de su dispositivo",
    own_pages: "Páginas de la propia aplicación:",
    new_tab: "(se abre en una pestaña nueva)",

    choose_account: "Elija una cuenta",
    signed_in_as: "Sesión iniciada como",
    continue_as: Phrase("Continuar como {}"),
    use_another_account: "Usar otra cuenta",

    consent: Phrase("¿Permitir que {} acceda a su cuenta?"),
    published_by: Phrase("La descripción de la aplicación la publica {}"),
    leads_to: Phrase("Después irá a {}"),
    requested_access: "Se solicita",
    device_warning: "Es una aplicación de su propio dispositivo. Permita el acceso solo si usted ha \
                     iniciado allí esta sesión.",
    allow: "Permitir",
    deny: "Rechazar",
    withdraw_hint: "Puede retirar este acceso en cualquier momento.",

    openid: "Quién es usted: un identificador de su cuenta",
    profile: "Su perfil: nombre, foto, fecha de nacimiento y datos similares",
    email: "Su dirección de correo electrónico",
    address: "Su dirección postal",
    phone: "Su número de teléfono",
    groups: "Los grupos a los que pertenece",
    offline_access: "Acceso continuo, incluso cuando no esté usando la aplicación",
    name: "Su nombre",
    nickname: "Su apodo",
    preferred_username: "Su nombre de usuario",
    website: "Sus páginas web",
    picture: "Su foto",
    gender: "Su género",
    birthdate: "Su fecha de nacimiento",
    zoneinfo: "Su zona horaria",
    locale: "Su idioma",
    updated_at: "Cuándo cambiaron sus datos por última vez",

    granted: "Aplicaciones con acceso a su cuenta",
    since: Phrase("Desde el {}"),
    withdraw: "Retirar el acceso",
    no_applications: "Ninguna aplicación tiene acceso a su cuenta.",
    sign_out: "Cerrar sesión",

    signed_out: "Ha cerrado la sesión",
    signed_out_elsewhere: "Puede que sus sesiones sigan abiertas en las aplicaciones. Si otras personas \
                           usan este dispositivo, ciérrelas también allí.",
    close_window: "Ya puede cerrar esta ventana.",

    error: "Se ha producido un error",
    start_again: "Vuelva a la aplicación y empiece de nuevo.",
    try_later: "Inténtelo de nuevo dentro de unos minutos.",
    tell_application: "La aplicación ha enviado una solicitud que no se puede atender. Comuníquelo a \
                       sus responsables.",
    error_code: "Código de error:",

    back_to_application: "Volver a la aplicación",
    not_vouched_for: Phrase(
        "La aplicación está en {}. Este servicio no responde por ella. Vaya allí solo si la conoce.",
    ),
    device_not_vouched_for: "La aplicación está en su propio dispositivo. Este servicio no responde \
                             por ella. Vuelva solo si la conoce.",
    go_to: Phrase("Ir a {}"),

    help: "Ayuda",

    user_name: LoginTexts {
        label: "Nombre de usuario",
        wrong: "Usuario o contraseña incorrectos. Inténtelo de nuevo.",
    },
    email_login: LoginTexts {
        label: "Correo electrónico",
        wrong: "Correo electrónico o contraseña incorrectos. Inténtelo de nuevo.",
    },
    user_name_or_email: LoginTexts {
        label: "Nombre de usuario o correo electrónico",
        wrong: "Los datos no son correctos. Inténtelo de nuevo.",
    },
    error_title: Phrase("Error: {}"),
    one_second: "1 segundo",
    seconds: Phrase("{} segundos"),
    one_minute: "1 minuto",
    minutes: Phrase("{} minutos"),
    hours: Phrase("{} horas"),
    forgot_password: "¿Ha olvidado su contraseña?",
    show_password: "Mostrar la contraseña",
    hide_password: "Ocultar la contraseña",
    password_visible: "Su contraseña se ve mientras la escribe. Escríbala de nuevo.",

    not_found: "Esta página no existe",
    check_address: "Compruebe la dirección o vuelva a la aplicación de la que viene.",
    not_set_up: "Este servicio no está bien configurado. Solo pueden cambiarlo sus responsables.",
    try_again: "Intentar de nuevo",
    to_home: "Ir a la página de inicio",
    for_developer: "Para desarrolladores",
    time: "Hora:",
    request_id: "Solicitud:",
    home_lead: "Con su cuenta de este servicio inicia sesión en las aplicaciones. Para ello, empiece en la aplicación que quiera usar.",
    home_address: Phrase(
        "Escriba su contraseña solo si la dirección en su navegador empieza por {}",
    ),
    to_account: "Ir a su cuenta",
    for_developers: "Para desarrolladores",
};
