"""系统设置 → 规则, and the same over the API (/settings)."""

from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Body, Depends, Request
from pydantic import BaseModel
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import Admin
from app.core.etags import IfMatch, require_match, set_etag
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, settings_of
from app.errors import Conflict, Invalid
from app.system.rules import RULES, Rule, Rules

BASE = "/settings/rules"
router = Router(include_in_schema=False)
api_router = Router(tags=["设置"])


@dataclass(frozen=True, slots=True)
class RuleField:
    """One rule of the form."""

    name: str
    label: str
    hint: str
    value: str
    default: str
    fixed: bool
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RulesPage:
    """system/rules.html."""

    rules: tuple[RuleField, ...]
    errors: dict[str, str]


class SettingPublic(BaseModel):
    """A setting that may be changed at run time. `fixed`: the environment gives it."""

    name: str
    label: str
    value: str | int | bool
    default: str | int | bool
    fixed: bool


def rules_of(request: Request) -> Rules:
    """The rules this application was assembled with."""
    state = request.app.state
    if not hasattr(state, "rules"):
        state.rules = Rules(settings_of(request))
    return cast(Rules, state.rules)


async def _typed(request: Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.form()).items()}


Typed = Annotated[dict[str, str], Depends(_typed)]


@router.get(BASE)
def show_rules(request: Request, principal: Admin) -> HTMLResponse:
    """The form."""
    return render(request, "system/rules.html", _page(rules_of(request), {}, {}))


@router.post(BASE)
def save_rules(
    request: Request, principal: Admin, database: DatabaseDep, clock: ClockDep, typed: Typed
) -> Response:
    """Keep what was typed."""
    texts = {name: typed[name] for name in RULES if name in typed}
    rules = rules_of(request)
    try:
        changed = _change(rules, database, texts, principal, clock)
    except (Invalid, Conflict) as error:
        errors = error.errors or {"form": error.detail}
        page = _page(rules, texts, errors)
        return render(request, "system/rules.html", page, status_code=error.status)
    words = f"已保存 {len(changed)} 项，立即生效" if changed else "没有改动"
    return redirect(BASE, flash=words)


@api_router.get("/settings")
def get_settings(
    request: Request, session: Reading, principal: Admin, response: Response
) -> list[SettingPublic]:
    """What may be changed at run time."""
    rules = rules_of(request)
    set_etag(response, rules.revision(session))
    return _public(rules)


@api_router.patch("/settings")
def change_settings(
    request: Request,
    principal: Admin,
    database: DatabaseDep,
    clock: ClockDep,
    response: Response,
    data: Annotated[dict[str, str | int | bool], Body(examples=[{"reminder_days": "5,3,1"}])],
    if_match: IfMatch = None,
) -> list[SettingPublic]:
    """Change settings: only what is sent."""
    rules = rules_of(request)
    texts = {name: str(value) for name, value in data.items()}
    with database.transaction() as session:
        require_match(if_match, rules.revision_for_change(session))
        rules.change(session, texts, principal=principal, clock=clock)
        session.flush()
        set_etag(response, rules.revision(session))
    rules.refresh(database)
    return _public(rules)


def _change(
    rules: Rules, database: DatabaseDep, texts: dict[str, str], principal: Admin, clock: ClockDep
) -> dict[str, Any]:
    with database.transaction() as session:
        changed = rules.change(session, texts, principal=principal, clock=clock)
    rules.refresh(database)
    return changed


def _page(rules: Rules, typed: dict[str, str], errors: dict[str, str]) -> RulesPage:
    return RulesPage(
        tuple(
            RuleField(
                state.rule.name,
                state.rule.label,
                state.rule.hint,
                typed.get(state.rule.name, str(state.value)),
                _words(state.rule, str(state.default)) or "空",
                state.fixed,
                state.rule.options,
            )
            for state in rules.states()
        ),
        errors,
    )


def _words(rule: Rule, text: str) -> str:
    return dict(rule.options).get(text, text)


def _public(rules: Rules) -> list[SettingPublic]:
    return [
        SettingPublic(
            name=state.rule.name,
            label=state.rule.label,
            value=state.value,
            default=state.default,
            fixed=state.fixed,
        )
        for state in rules.states()
    ]
