"""The diagnostic bundle for support (诊断包): what the system is and how it does, without secrets.

It holds versions, settings (secrets only as set or not), health, the last log lines, states of agents
and jobs, and recent failures with their codes. It holds no taxpayer's name, no invoice, no password,
token or key; and every text goes through a scrubber that knows the installation's secrets.
"""

import io
import json
import os
import platform
import zipfile
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from app import __version__
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.core import migrate
from app.core.clock import Clock
from app.core.crypto import NotOpened
from app.core.db import Database, Session
from app.core.logging import get_logger, recent_lines
from app.devices import agents as device_agents
from app.devices import queries as devices_queries
from app.devices.agent_client import AgentFault
from app.notifications import queries as notifications_queries
from app.notifications import secrets as notification_secrets
from app.settings import Settings
from app.system import queries
from app.system.scrubbing import HIDDEN, Scrubber, secrets_in
from app.system.status import examine

log = get_logger(__name__)

FAILURES = 50
_ADDRESSES = ("database_url", "backup_targets", "backup_s3_endpoint")
"""Settings that may hold a password without being a secret as a whole."""


def collect(database: Database, settings: Settings, *, actor: Actor, clock: Clock) -> bytes:
    """The bundle as a zip file; that it was made is on record. A part that breaks says so in its place."""
    scrubber = Scrubber(_secrets(database, settings))
    with database.transaction() as session:
        audit.record(
            session,
            actor=actor,
            action=AuditAction.DIAGNOSTICS_COLLECTED,
            object_type="system",
            object_id="",
            at=clock(),
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in _parts(database, settings, clock):
            bundle.writestr(name, scrubber.clean(text))
    return buffer.getvalue()


def file_name(clock: Clock) -> str:
    """A name that sorts by time."""
    return f"qingka-diagnostics-{clock():%Y%m%d-%H%M%S}.zip"


def _parts(database: Database, settings: Settings, clock: Clock) -> Iterable[tuple[str, str]]:
    makers = {
        "versions.json": lambda: _versions(database),
        "settings.json": lambda: _settings(settings),
        "health.json": lambda: [asdict(one) for one in examine(database, settings, clock)],
        "agents.json": lambda: _read(database, _agents),
        "jobs.json": lambda: _read(database, _jobs),
        "deliveries.json": lambda: _read(database, notifications_queries.deliveries_by_state),
        "failures.json": lambda: _read(database, _failures),
        "counts.json": lambda: _read(database, queries.rows_of_tables),
    }
    for name, make in makers.items():
        yield name, _json(_guarded(name, make))
    yield "log.txt", "\n".join(recent_lines())


def _guarded(name: str, make: Any) -> Any:
    try:
        return make()
    except Exception as error:
        log.warning("a part of the diagnostics broke", part=name, exc_info=error)
        return {"error": f"{type(error).__name__}: {error}"}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _versions(database: Database) -> dict[str, Any]:
    return {
        "qingka": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "database": _database_version(database),
        "schema": migrate.current_revision(database),
        "schema_wanted": migrate.newest_revision(),
        "packages": _packages(),
    }


def _database_version(database: Database) -> str:
    statement = "SELECT sqlite_version()" if database.is_sqlite else "SELECT version()"
    with database.engine.connect() as connection:
        found = connection.execute(sa.text(statement)).scalar_one()
    return f"SQLite {found}" if database.is_sqlite else str(found)


def _packages() -> dict[str, str]:
    """The versions of what this program asks for."""
    from packaging.requirements import Requirement  # a parser of its own; few ask for a bundle

    found: dict[str, str] = {}
    for line in requires("qingka") or ():
        name = Requirement(line).name
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "-"
    return found


def _settings(settings: Settings) -> dict[str, Any]:
    return {name: _shown(getattr(settings, name)) for name in Settings.model_fields}


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str) and "://" in value and "@" in value:
        return _without_password(value)
    return value


def _without_password(address: str) -> str:
    try:
        return sa.make_url(address).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return HIDDEN


def _agents(session: Session) -> list[dict[str, Any]]:
    devices = devices_queries.devices_per_agent(session)
    return [
        {
            "name": agent.name,
            "state": agent.state,
            "version": agent.version,
            "last_seen_at": agent.last_seen_at,
            "simulated": agent.simulated,
            "devices": devices[agent.id],
        }
        for agent in devices_queries.all_agents(session)
    ]


def _jobs(session: Session) -> list[dict[str, Any]]:
    return [
        {
            "name": job.name,
            "due_at": job.due_at,
            "last_run_at": job.last_run_at,
            "last_result": job.last_result,
            "failures": job.failures,
        }
        for job in notifications_queries.jobs(session)
    ]


def _failures(session: Session) -> list[dict[str, Any]]:
    """Codes and the devices' own words; whose they are stays out."""
    return [
        {
            "request": record.request_id,
            "attempt": record.attempt,
            "device": record.device_number,
            "period": record.period,
            "result": record.result,
            "code": record.error_code,
            "message": record.error_message,
            "device_code": record.evidence.get("device_code"),
            "device_message": record.evidence.get("device_message"),
            "finished_at": record.finished_at,
        }
        for record in queries.recent_failures(session, FAILURES)
    ]


def _read(database: Database, read: Any) -> Any:
    with database.reading() as session:
        return read(session)


def _secrets(database: Database, settings: Settings) -> list[str]:
    """Every secret this installation can name, so that none of them can slip through."""
    found = [
        value.get_secret_value()
        for name in Settings.model_fields
        if isinstance(value := getattr(settings, name), SecretStr)
    ]
    found += [part for value in list(found) for part in value.split(";")]
    found.append(settings.root_secret.decode())
    for name in _ADDRESSES:
        for address in str(getattr(settings, name)).split(";"):
            found += secrets_in(address.partition("=")[2] or address)
            found += secrets_in(address)
    with database.reading() as session:
        found += _sealed(session, settings)
    return found


def _sealed(session: Session, settings: Settings) -> list[str]:
    """What is sealed in the database, opened."""
    found: list[str] = []
    hooks = notifications_queries.webhooks(session)
    owned = [(row.id, row.sealed_url) for row in notifications_queries.channels(session)]
    owned += [(row.id, row.sealed_secret) for row in hooks]
    for hook in hooks:
        found += secrets_in(hook.url)
    for owner, sealed in owned:
        try:
            secret = notification_secrets.unseal(settings, sealed, owner=owner)
            found += [secret, *secrets_in(secret)]
        except NotOpened:
            log.warning("a secret could not be opened; its form is hidden all the same")
    for agent in devices_queries.all_agents(session):
        try:
            found.append(device_agents.token_of(settings, agent))
        except AgentFault:
            log.warning("an agent's token could not be opened")
    return found
