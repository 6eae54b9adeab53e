//! English.

use super::{LoginTexts, Phrase, Texts};

pub(super) const TEXTS: Texts = Texts {
    tag: "en",

    sign_in: "Sign in",
    sign_in_to: Phrase("to continue to {}"),
    password: "Password",
    too_many_attempts: Phrase("Too many attempts. Please wait {}, then try again."),
    form_expired: "This form has expired. Please try again.",
    cookies_needed: "Signing in needs cookies. Please allow them for this site, then try again.",
    other_account_wanted: "The application asks for another account. Please sign in with that one.",
    privacy_policy: "Privacy policy",
    terms: "Terms of service",
    quoted: Phrase("“{}”"),
    calls_itself: Phrase("The application calls itself {} (not verified)"),
    not_verified: "Not verified. The application chose this name itself.",
    device_application: "an application on your device",
    own_pages: "The application’s own pages:",
    new_tab: "(opens in a new tab)",

    choose_account: "Choose an account",
    signed_in_as: "Signed in as",
    continue_as: Phrase("Continue as {}"),
    use_another_account: "Use another account",

    consent: Phrase("Allow {} to access your account?"),
    published_by: Phrase("The application’s description was published by {}"),
    leads_to: Phrase("You will then go to {}"),
    requested_access: "It asks for",
    device_warning: "This is an application on your own device. Only allow this if you started this \
                     sign-in there yourself.",
    allow: "Allow",
    deny: "Deny",
    withdraw_hint: "You can withdraw this access at any time.",

    openid: "Who you are: an identifier for your account",
    profile: "Your profile: name, picture, date of birth and the like",
    email: "Your e-mail address",
    address: "Your postal address",
    phone: "Your phone number",
    groups: "The groups you belong to",
    offline_access: "Continued access while you are not using the application",
    name: "Your name",
    nickname: "Your nickname",
    preferred_username: "Your user name",
    website: "Your web pages",
    picture: "Your picture",
    gender: "Your gender",
    birthdate: "Your date of birth",
    zoneinfo: "Your time zone",
    locale: "Your language",
    updated_at: "When your details last changed",

    granted: "Applications with access to your account",
    since: Phrase("Since {}"),
    withdraw: "Withdraw access",
    no_applications: "No application has access to your account.",
    sign_out: "Sign out",

    signed_out: "You are signed out",
    signed_out_elsewhere: "Applications may still have sessions of their own. If others use this \
                           device, please sign out there too.",
    close_window: "You can close this window now.",

    error: "Something went wrong",
    start_again: "Please go back to the application and start again.",
    try_later: "Please try again in a few minutes.",
    tell_application: "The application made a request that cannot be answered. Please report this \
                       to the people who run it.",
    error_code: "Error code:",

    back_to_application: "Back to the application",
    not_vouched_for: Phrase(
        "The application is at {}. This service does not vouch for it. Go there only if you know it.",
    ),
    device_not_vouched_for: "The application is on your own device. This service does not vouch for \
                             it. Go back only if you know it.",
    go_to: Phrase("Go to {}"),

    help: "Help",

    user_name: LoginTexts {
        label: "User name",
        wrong: "The user name or password is not right. Please try again.",
    },
    email_login: LoginTexts {
        label: "E-mail address",
        wrong: "The e-mail address or password is not right. Please try again.",
    },
    user_name_or_email: LoginTexts {
        label: "User name or e-mail address",
        wrong: "These details are not right. Please try again.",
    },
    error_title: Phrase("Error: {}"),
    one_second: "1 second",
    seconds: Phrase("{} seconds"),
    one_minute: "1 minute",
    minutes: Phrase("{} minutes"),
    hours: Phrase("{} hours"),
    forgot_password: "Forgot your password?",
    show_password: "Show password",
    hide_password: "Hide password",
    password_visible: "Your password can be seen while you type. Please type it again.",

    not_found: "This page does not exist",
    check_address: "Please check the address, or go back to the application that you came from.",
    not_set_up: "This service is not set up correctly. Only the people who run it can change that.",
    try_again: "Try again",
    to_home: "Go to the start page",
    for_developer: "For the developer",
    time: "Time:",
    request_id: "Request:",
    home_lead: "Your account here signs you in to applications. To sign in, start at the application that you want to use.",
    home_address: Phrase("Type your password only if the address in your browser begins with {}"),
    to_account: "Go to your account",
    for_developers: "For developers",
};
