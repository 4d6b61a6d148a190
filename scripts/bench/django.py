"""Django admin's list over the table of operators, to compare with; a program.

python -m scripts.bench.django DATABASE (a copy: Django adds its own tables). Prints `cookie …`, the header of a
signed-in superuser, and `ready on ADDRESS/…`, the address of the list.
"""

import os
import secrets
import sys
from typing import Any

import uvicorn

from scripts.bench.serving import say_ready_and_run

_APPS = ("admin", "auth", "contenttypes", "sessions", "messages")
_TEMPLATES = {
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {
        "context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]
    },
}


def configure(database: str) -> None:
    """Settings as `startproject` writes them, without debugging, for the one database."""
    import django
    from django.conf import settings

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    settings.configure(
        SECRET_KEY=secrets.token_urlsafe(40),
        DEBUG=False,
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=[f"django.contrib.{name}" for name in _APPS],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[_TEMPLATES],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
        USE_TZ=True,
        STATIC_URL="static/",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()


def operator_model() -> Any:
    """The table of operators as Django sees it; its app is borrowed, its table not managed."""
    from django.db import models

    class Enterprise(models.Model):  # type: ignore[misc]
        id = models.UUIDField(primary_key=True)
        name = models.CharField(max_length=200)

        class Meta:
            app_label = "auth"
            managed = False
            db_table = "enterprises"

        def __str__(self) -> str:
            return str(self.name)

    class Operator(models.Model):  # type: ignore[misc]
        id = models.UUIDField(primary_key=True)
        code = models.CharField(max_length=40)
        name = models.CharField(max_length=100)
        enterprise = models.ForeignKey(Enterprise, on_delete=models.PROTECT)
        device_numbers = models.TextField()
        lock_date = models.DateField(null=True)
        urgency = models.DateField()
        last_cleared_at = models.DateTimeField(null=True)
        attention = models.CharField(max_length=32)

        class Meta:
            app_label = "auth"
            managed = False
            db_table = "operators"

    return Operator


def register() -> None:
    """The operators with the columns of our list, fifty a page, by urgency; searchable."""
    from django.contrib import admin

    class OperatorAdmin(admin.ModelAdmin):  # type: ignore[misc]
        list_display = (
            *("name", "code", "enterprise", "device_numbers"),
            *("lock_date", "last_cleared_at", "attention"),
        )
        list_per_page = 50
        list_select_related = ("enterprise",)
        search_fields = ("name", "code", "device_numbers")
        ordering = ("urgency", "id")

    admin.site.register(operator_model(), OperatorAdmin)


def superuser_cookie() -> str:
    """The header `Cookie` of a superuser that has signed in."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    user = User.objects.create_superuser("bench", password=secrets.token_urlsafe(16))
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def main(database: str) -> None:
    """Prepare, say the cookie, serve."""
    configure(database)
    from django.core.asgi import get_asgi_application
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    register()
    print(f"cookie {superuser_cookie()}", flush=True)
    application: Any = get_asgi_application()
    say_ready_and_run(
        uvicorn.Config(application, access_log=False, log_config=None, lifespan="off")
    )


def __getattr__(name: str) -> Any:
    """`urlpatterns`, once Django is set up: it looks for them in this module."""
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.contrib import admin
    from django.urls import path

    return [path("admin/", admin.site.urls)]


if __name__ == "__main__":
    sys.modules["scripts.bench.django"] = sys.modules[__name__]
    main(sys.argv[1])
