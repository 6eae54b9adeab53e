//! Spanish.

use super::{Phrase, Texts};

pub(super) const TEXTS: Texts = Texts {
    tag: "es",

    sign_in: "Iniciar sesión",
    sign_in_to: Phrase("para continuar en {}"),
    login: "Nombre de usuario",
    password: "Contraseña",
    wrong_credentials: "Usuario o contraseña incorrectos. Inténtelo de nuevo.",
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
};
