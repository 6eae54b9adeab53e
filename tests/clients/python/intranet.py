"""A Django site whose users sign in: LIBRARY PORT, with the library's documented settings in documented.py."""
import os
import sys

import django
from django.conf import settings
from django.core.management import call_command
from django.http import JsonResponse
from django.urls import include, path

library, port = sys.argv[1:3]
documented = {"os": os}
exec(open("documented.py").read(), documented)
session = "django.contrib.sessions.middleware.SessionMiddleware"
authentication = "django.contrib.auth.middleware.AuthenticationMiddleware"
allauth = {
    "INSTALLED_APPS": [
        "allauth", "allauth.account", "allauth.socialaccount", "allauth.socialaccount.providers.openid_connect",
    ],
    "MIDDLEWARE": [
        session, authentication, "django.contrib.messages.middleware.MessageMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ],
    "AUTHENTICATION_BACKENDS": ["allauth.account.auth_backends.AuthenticationBackend"],
    "urls": ("accounts/", "allauth.urls"),
    # Else a form comes before the redirect.
    "SOCIALACCOUNT_LOGIN_ON_GET": True,
}
mozilla = {
    "INSTALLED_APPS": ["mozilla_django_oidc"],
    "MIDDLEWARE": [session, authentication],
    "AUTHENTICATION_BACKENDS": ["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
    "urls": ("oidc/", "mozilla_django_oidc.urls"),
}
chosen = {"allauth": allauth, "mozilla": mozilla}[library]
prefix, urls = chosen.pop("urls")
apps = ["auth", "contenttypes", "sessions", "messages"]
chosen["INSTALLED_APPS"] = [f"django.contrib.{app}" for app in apps] + chosen["INSTALLED_APPS"]
settings.configure(
    DEBUG=True,
    SECRET_KEY="a secret of this test",
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF="__main__",
    LOGIN_REDIRECT_URL="/",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "intranet.db"}},
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }],
    **chosen,
    **{name: value for name, value in documented.items() if name.isupper()},
)


def home(request):
    user = request.user
    return JsonResponse({"is_signed_in": user.is_authenticated, "email": getattr(user, "email", None)})


django.setup()
urlpatterns = [path("", home), path(prefix, include(urls))]
call_command("migrate", verbosity=0)
call_command("runserver", f"127.0.0.1:{port}", use_reloader=False)
