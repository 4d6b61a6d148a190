"""Who may use which address: every address of the API and of the pages, by every role and by nobody.

The table is written out once; an address that is not in it, or not in the product, is a failure.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Role
from app.accounts.service import AccountDraft
from app.core.db import Database
from app.devices import live as devices_live
from app.features import page_router
from app.main import create_app
from app.settings import Settings

if TYPE_CHECKING:
    from tests.office import MovableClock

NOBODY = "nobody"
CAST = (NOBODY, *(role.value for role in Role))

EVERYBODY = frozenset(CAST)
SIGNED_IN = EVERYBODY - {NOBODY}
ADMIN = frozenset({"admin"})
WHO = {
    "everybody": EVERYBODY,
    "signed-in": SIGNED_IN,
    "request": frozenset({"operator", "admin"}),
    "review": frozenset({"reviewer", "admin"}),
    "take-part": frozenset({"operator", "reviewer", "admin"}),
    "audit": frozenset({"auditor", "admin"}),
    "refresh": frozenset({"operator", "admin"}),
    "admin": ADMIN,
}

TABLE = """
GET    /api/v1/accounts                                                            admin
POST   /api/v1/accounts                                                            admin
GET    /api/v1/accounts/{account_id}                                               admin
PATCH  /api/v1/accounts/{account_id}                                               admin
GET    /api/v1/agents                                                              signed-in
POST   /api/v1/agents                                                              admin
POST   /api/v1/agents/enroll                                                       everybody
POST   /api/v1/agents/enrollments                                                  admin
DELETE /api/v1/agents/{agent_id}                                                   admin
GET    /api/v1/agents/{agent_id}                                                   signed-in
PATCH  /api/v1/agents/{agent_id}                                                   admin
POST   /api/v1/agents/{agent_id}/check                                             admin
GET    /api/v1/api-keys                                                            admin
POST   /api/v1/api-keys                                                            admin
DELETE /api/v1/api-keys/{key_id}                                                   admin
POST   /api/v1/api-keys/{key_id}/hand-over                                         admin
GET    /api/v1/audit-records                                                       audit
GET    /api/v1/audit-records/checkpoint                                            audit
GET    /api/v1/audit-records/export                                                audit
POST   /api/v1/audit-records/restores                                              admin
GET    /api/v1/audit-records/verify                                                audit
POST   /api/v1/audit-records/verify                                                audit
GET    /api/v1/backups                                                             signed-in
POST   /api/v1/backups                                                             request
GET    /api/v1/backups/{backup_id}                                                 signed-in
GET    /api/v1/backups/{backup_id}/content                                         admin
POST   /api/v1/backups/{backup_id}/drill                                           admin
GET    /api/v1/backups/{backup_id}/drills                                          signed-in
POST   /api/v1/backups/{backup_id}/restore                                         admin
POST   /api/v1/backups/{backup_id}/verify                                          signed-in
POST   /api/v1/calendar/overrides                                                  admin
DELETE /api/v1/calendar/overrides/{override_id}                                    admin
GET    /api/v1/calendar/{year}                                                     signed-in
POST   /api/v1/clearing-batches                                                    request
GET    /api/v1/clearing-batches/{batch_id}                                         signed-in
POST   /api/v1/clearing-batches/{batch_id}/pause                                   admin
GET    /api/v1/clearing-batches/{batch_id}/result                                  signed-in
POST   /api/v1/clearing-batches/{batch_id}/resume                                  admin
POST   /api/v1/clearing-batches/{batch_id}/retry-failed                            request
GET    /api/v1/clearing-records                                                    signed-in
GET    /api/v1/clearing-records/export                                             signed-in
GET    /api/v1/clearing-records/{record_id}                                        signed-in
GET    /api/v1/clearing-records/{record_id}/certificate                            signed-in
GET    /api/v1/clearing-requests                                                   signed-in
POST   /api/v1/clearing-requests                                                   request
GET    /api/v1/clearing-requests/{request_id}                                      signed-in
POST   /api/v1/clearing-requests/{request_id}/approve                              review
POST   /api/v1/clearing-requests/{request_id}/attachments                          request
GET    /api/v1/clearing-requests/{request_id}/attachments/{attachment_id}          signed-in
POST   /api/v1/clearing-requests/{request_id}/cancel                               take-part
PATCH  /api/v1/clearing-requests/{request_id}/checklist                            request
POST   /api/v1/clearing-requests/{request_id}/confirm                              request
GET    /api/v1/clearing-requests/{request_id}/events                               signed-in
POST   /api/v1/clearing-requests/{request_id}/execute                              admin
GET    /api/v1/clearing-requests/{request_id}/pre-checks                           signed-in
POST   /api/v1/clearing-requests/{request_id}/reject                               review
POST   /api/v1/clearing-requests/{request_id}/retry                                request
GET    /api/v1/devices                                                             signed-in
POST   /api/v1/devices                                                             admin
GET    /api/v1/devices/discovered                                                  admin
GET    /api/v1/devices/events                                                      signed-in
GET    /api/v1/devices/{device_id}                                                 signed-in
PATCH  /api/v1/devices/{device_id}                                                 admin
POST   /api/v1/devices/{device_id}/clock                                           admin
POST   /api/v1/devices/{device_id}/refresh                                         request
GET    /api/v1/enterprises                                                         signed-in
POST   /api/v1/enterprises                                                         admin
GET    /api/v1/enterprises/{enterprise_id}                                         signed-in
PATCH  /api/v1/enterprises/{enterprise_id}                                         admin
POST   /api/v1/enterprises/{enterprise_id}/hand-over                               admin
GET    /api/v1/inspections                                                         signed-in
POST   /api/v1/inspections                                                         admin
GET    /api/v1/inspections/{inspection_id}                                         signed-in
GET    /api/v1/inspections/{inspection_id}/report                                  signed-in
GET    /api/v1/invoices                                                            signed-in
POST   /api/v1/invoices                                                            admin
POST   /api/v1/invoices/import                                                     admin
DELETE /api/v1/invoices/{invoice_id}                                               request
GET    /api/v1/invoices/{invoice_id}                                               signed-in
PATCH  /api/v1/invoices/{invoice_id}                                               admin
POST   /api/v1/invoices/{invoice_id}/issue                                         request
GET    /api/v1/me                                                                  signed-in
GET    /api/v1/notification-channels                                               admin
POST   /api/v1/notification-channels                                               admin
DELETE /api/v1/notification-channels/{channel_id}                                  admin
GET    /api/v1/notification-channels/{channel_id}                                  admin
PATCH  /api/v1/notification-channels/{channel_id}                                  admin
POST   /api/v1/notification-channels/{channel_id}/test                             admin
GET    /api/v1/notification-deliveries                                             admin
GET    /api/v1/notification-deliveries/{delivery_id}                               admin
POST   /api/v1/notification-deliveries/{delivery_id}/replay                        admin
GET    /api/v1/notifications                                                       signed-in
POST   /api/v1/notifications                                                       signed-in
GET    /api/v1/notifications/preferences                                           signed-in
PATCH  /api/v1/notifications/preferences                                           signed-in
GET    /api/v1/operators                                                           signed-in
POST   /api/v1/operators                                                           admin
GET    /api/v1/operators/{operator_id}                                             signed-in
PATCH  /api/v1/operators/{operator_id}                                             admin
POST   /api/v1/operators/{operator_id}/hand-over                                   admin
GET    /api/v1/operators/{operator_id}/clearing-preview                            signed-in
GET    /api/v1/operators/{operator_id}/pre-checks                                  signed-in
GET    /api/v1/reconciliations                                                     signed-in
POST   /api/v1/reconciliations                                                     signed-in
GET    /api/v1/reconciliations/{run_id}                                            signed-in
POST   /api/v1/reconciliations/{run_id}/differences/{difference_id}                signed-in
GET    /api/v1/settings                                                            admin
PATCH  /api/v1/settings                                                            admin
GET    /api/v1/system                                                              signed-in
POST   /api/v1/system/diagnostics                                                  admin
POST   /api/v1/system/maintenance                                                  admin
GET    /api/v1/webhooks                                                            admin
POST   /api/v1/webhooks                                                            admin
DELETE /api/v1/webhooks/{webhook_id}                                               admin
GET    /api/v1/webhooks/{webhook_id}                                               admin
PATCH  /api/v1/webhooks/{webhook_id}                                               admin
POST   /api/v1/webhooks/{webhook_id}/rotate-secret                                 admin
POST   /api/v1/webhooks/{webhook_id}/test                                          admin
GET    /                                                                           signed-in
GET    /about                                                                      signed-in
GET    /account                                                                    signed-in
GET    /account/password                                                           signed-in
POST   /account/password                                                           signed-in
POST   /account/sessions/end-others                                                signed-in
POST   /account/sessions/{session_id}/end                                          signed-in
GET    /account/totp.svg                                                           signed-in
POST   /account/totp/confirm                                                       signed-in
POST   /account/totp/remove                                                        signed-in
POST   /account/totp/start                                                         signed-in
GET    /audit                                                                      audit
GET    /audit/certificate                                                          signed-in
GET    /audit/checkpoint.txt                                                       audit
GET    /audit/restore                                                              admin
POST   /audit/restore                                                              admin
POST   /audit/compare                                                              audit
POST   /audit/verify                                                               audit
GET    /backups                                                                    signed-in
POST   /backups                                                                    request
GET    /backups/{backup_id}                                                        signed-in
POST   /backups/{backup_id}/drill                                                  admin
POST   /backups/{backup_id}/restore                                                admin
POST   /backups/{backup_id}/verify                                                 signed-in
GET    /clearing                                                                   signed-in
GET    /clearing/batches                                                           signed-in
POST   /clearing/batches                                                           request
GET    /clearing/batches/new                                                       request
GET    /clearing/batches/{batch_id}                                                signed-in
POST   /clearing/batches/{batch_id}/pause                                          admin
GET    /clearing/batches/{batch_id}/result                                         signed-in
POST   /clearing/batches/{batch_id}/resume                                         admin
POST   /clearing/batches/{batch_id}/retry-failed                                   request
GET    /clearing/export                                                            signed-in
GET    /clearing/operators/{operator_id}                                           signed-in
POST   /clearing/operators/{operator_id}                                           request
POST   /clearing/operators/{operator_id}/checks                                    signed-in
POST   /clearing/operators/{operator_id}/preview                                   request
POST   /clearing/operators/{operator_id}/refresh                                   request
GET    /clearing/records                                                           signed-in
GET    /clearing/records/{record_id}                                               signed-in
GET    /clearing/requests                                                          signed-in
GET    /clearing/requests/{request_id}                                             signed-in
GET    /clearing/requests/{request_id}/now                                         signed-in
POST   /clearing/requests/{request_id}/approve                                     review
POST   /clearing/requests/{request_id}/attachments                                 request
POST   /clearing/requests/{request_id}/cancel                                      take-part
POST   /clearing/requests/{request_id}/checklist                                   request
POST   /clearing/requests/{request_id}/confirm                                     request
POST   /clearing/requests/{request_id}/execute                                     admin
POST   /clearing/requests/{request_id}/reject                                      review
POST   /clearing/requests/{request_id}/retry                                       request
GET    /devices                                                                    signed-in
GET    /devices/agents                                                             admin
POST   /devices/agents                                                             admin
POST   /devices/agents/enrollments                                                 admin
POST   /devices/agents/{agent_id}/check                                            admin
GET    /devices/new                                                                admin
POST   /devices/new                                                                admin
GET    /devices/{device_id}                                                        signed-in
POST   /devices/{device_id}/clock                                                  admin
POST   /devices/{device_id}/hand-over                                              admin
POST   /devices/{device_id}/refresh                                                request
POST   /devices/{device_id}/retire                                                 admin
GET    /docs                                                                       everybody
GET    /healthz                                                                    everybody
GET    /help                                                                       signed-in
GET    /help/locked                                                                signed-in
GET    /inspections                                                                signed-in
POST   /inspections                                                                admin
GET    /inspections/{inspection_id}                                                signed-in
GET    /inspections/{inspection_id}/report.pdf                                     signed-in
GET    /invoices                                                                   signed-in
GET    /invoices/import                                                            admin
POST   /invoices/import                                                            admin
GET    /invoices/import/{upload_id}                                                admin
POST   /invoices/import/{upload_id}                                                admin
GET    /invoices/reconciliations                                                   signed-in
POST   /invoices/reconciliations                                                   signed-in
GET    /invoices/reconciliations/{run_id}                                          signed-in
POST   /invoices/reconciliations/{run_id}/again                                    signed-in
POST   /invoices/reconciliations/{run_id}/differences/{difference_id}              signed-in
GET    /invoices/{invoice_id}                                                      signed-in
POST   /invoices/{invoice_id}                                                      admin
POST   /invoices/{invoice_id}/delete                                               request
POST   /invoices/{invoice_id}/issue                                                request
GET    /login                                                                      everybody
POST   /login                                                                      everybody
POST   /logout                                                                     signed-in
GET    /metrics                                                                    signed-in
GET    /notifications                                                              signed-in
GET    /notifications/preferences                                                  signed-in
POST   /notifications/preferences                                                  signed-in
POST   /notifications/read                                                         signed-in
POST   /notifications/{event_id}/open                                              signed-in
GET    /readyz                                                                     everybody
GET    /settings/accounts                                                          admin
POST   /settings/accounts                                                          admin
GET    /settings/accounts/{account_id}                                             admin
GET    /settings/accounts/{account_id}/access                                      admin
POST   /settings/accounts/{account_id}/access                                      admin
POST   /settings/accounts/{account_id}/disable                                     admin
POST   /settings/accounts/{account_id}/enable                                      admin
POST   /settings/accounts/{account_id}/end-sessions                                admin
POST   /settings/accounts/{account_id}/remove-totp                                 admin
POST   /settings/accounts/{account_id}/reset-password                              admin
POST   /settings/accounts/{account_id}/roles                                       admin
POST   /settings/accounts/{account_id}/unlock                                      admin
GET    /settings/api-keys                                                          admin
POST   /settings/api-keys                                                          admin
GET    /settings/api-keys/{key_id}/access                                          admin
POST   /settings/api-keys/{key_id}/access                                          admin
POST   /settings/api-keys/{key_id}/hand-over                                       admin
POST   /settings/api-keys/{key_id}/revoke                                          admin
GET    /settings/calendar                                                          signed-in
POST   /settings/calendar/overrides                                                admin
POST   /settings/calendar/overrides/{override_id}/remove                           admin
GET    /settings/channels                                                          admin
POST   /settings/channels                                                          admin
GET    /settings/channels/new                                                      admin
GET    /settings/channels/{channel_id}                                             admin
POST   /settings/channels/{channel_id}                                             admin
POST   /settings/channels/{channel_id}/remove                                      admin
POST   /settings/channels/{channel_id}/switch                                      admin
POST   /settings/channels/{channel_id}/test                                        admin
GET    /settings/deliveries                                                        admin
GET    /settings/deliveries/{delivery_id}                                          admin
POST   /settings/deliveries/{delivery_id}/replay                                   admin
GET    /settings/enterprises                                                       signed-in
POST   /settings/enterprises                                                       admin
GET    /settings/enterprises/{enterprise_id}                                       signed-in
POST   /settings/enterprises/{enterprise_id}/hand-over                             admin
POST   /settings/enterprises/{enterprise_id}                                       admin
GET    /settings/operators                                                         signed-in
POST   /settings/operators                                                         admin
GET    /settings/operators/{operator_id}                                           signed-in
POST   /settings/operators/{operator_id}/hand-over                                 admin
POST   /settings/operators/{operator_id}                                           admin
GET    /settings/rules                                                             admin
POST   /settings/rules                                                             admin
GET    /settings/webhooks                                                          admin
POST   /settings/webhooks                                                          admin
POST   /settings/webhooks/{webhook_id}/remove                                      admin
POST   /settings/webhooks/{webhook_id}/rotate                                      admin
POST   /settings/webhooks/{webhook_id}/switch                                      admin
POST   /settings/webhooks/{webhook_id}/test                                        admin
POST   /system/diagnostics                                                         admin
POST   /system/maintenance/{task}                                                  admin
"""

Address = tuple[str, str]
NOT_STARTED: Address = ("GET", "/readyz")
"""Answers 503: nothing is running here that would write."""
KNOWN: dict[Address, frozenset[str]] = {
    (method, path): WHO[who]
    for method, path, who in (line.split() for line in TABLE.strip().splitlines())
}


@pytest.fixture
def app(
    database: Database,
    settings: Settings,
    clock: "MovableClock",
    monkeypatch: pytest.MonkeyPatch,
) -> FastAPI:
    """Its events of devices end at once: this client waits for the end of an answer."""
    monkeypatch.setattr(devices_live, "MAX_SECONDS", devices_live.LOOK_SECONDS)
    return create_app(settings, clock=clock, database=database)


def _page_addresses(router: Any, prefix: str = "") -> Iterator[Address]:
    for route in router.routes:
        if hasattr(route, "original_router"):
            inner = prefix + route.include_context.prefix
            yield from _page_addresses(route.original_router, inner)
        else:
            yield from ((method, prefix + route.path) for method in route.methods)


def test_the_table_holds_every_address(app: FastAPI) -> None:
    documented = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }
    assert len(TABLE.strip().splitlines()) == len(KNOWN)
    assert documented | set(_page_addresses(page_router())) == set(KNOWN)


@pytest.mark.parametrize("who", CAST)
def test_who_may_use_what(
    app: FastAPI, database: Database, settings: Settings, clock: "MovableClock", who: str
) -> None:
    account_id = None if who == NOBODY else _account(database, settings, clock, who)
    client = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
    wrong = {}
    for address, allowed in KNOWN.items():
        client.cookies.clear()
        if account_id is not None:
            _sign_in(client, database, settings, clock, account_id)
        answer = client.request(address[0], _concrete(address[1]))
        if address != NOT_STARTED:
            assert answer.status_code < 500, (address, answer.text)
        if _let_in(answer) is not (who in allowed):
            wrong[address] = answer.status_code
    client.close()
    assert wrong == {}


def _account(database: Database, settings: Settings, clock: "MovableClock", role: str) -> UUID:
    draft = AccountDraft(
        role, frozenset({Role(role)}), password="who may do what 1", must_change_password=False
    )
    with database.transaction() as session:
        made = accounts_service.create_account(
            session, draft, by=SYSTEM, settings=settings, clock=clock
        )
        return made.account.id


def _sign_in(
    client: TestClient,
    database: Database,
    settings: Settings,
    clock: "MovableClock",
    account_id: UUID,
) -> None:
    """A new session each time: some addresses end it."""
    with database.transaction() as session:
        opened = accounts_service.open_session(
            session, account_id, settings=settings, at=clock(), ip="testclient"
        )
    client.cookies.set(accounts_service.cookie_name(settings), opened.token)


def _concrete(path: str) -> str:
    """The address of something that is not there."""
    path = path.replace("{year}", "2026")
    return re.sub(r"\{\w+\}", "01a20bd7-9bea-7718-ae4f-282d8c407c73", path)


def _let_in(answer: httpx.Response) -> bool:
    """Neither refused nor sent away to sign in; signing out leads there too, but says so in a cookie."""
    target = answer.headers.get("location", "")
    to_login = target == "/login" or target.startswith("/login?")
    sent_away = to_login and "set-cookie" not in answer.headers
    return answer.status_code not in (401, 403) and not sent_away


def test_being_let_in_is_told_from_being_refused(app: FastAPI) -> None:
    client = TestClient(app, follow_redirects=False)
    assert _let_in(client.get("/login"))
    assert not _let_in(client.get("/clearing"))
    assert not _let_in(client.get("/api/v1/operators"))
    client.close()
