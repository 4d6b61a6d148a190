"""`qingka clear`: clear from a shell with a progress bar."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import ValidationError

from app.accounts.principal import at_the_shell
from app.clearing import queries
from app.clearing.errors import ChecksBlocking, WarningsNotAccepted
from app.clearing.models import ClearingRequest
from app.clearing.schemas import RequestCreate
from app.clearing.states import ENDED_STATES, Kind, Mode, RequestState, Scope
from app.core.clock import utc_now
from app.core.db import Database, Session
from app.core.forms import form_messages
from app.core.hooks import HookPoint
from app.core.installation import opened
from app.devices.connections import AgentClients
from app.errors import QingkaError
from app.operators import queries as operators_queries
from app.prechecks import effects_text, preview
from app.prechecks.choice import Choice
from app.requests.examination import Examiner
from app.requests.service import start
from app.settings import Settings, load_settings

EXIT_FAILED = 1
EXIT_NEEDS_ATTENTION = 3
_LOOK_SECONDS = 0.2

EngineRunner = Callable[[Settings, Database], AbstractContextManager[None]]
engine = HookPoint[EngineRunner]("clearing.engine")
"""How agent and workflows are run here when no server does."""


def clear(
    operator: Annotated[str, typer.Option("--operator", help="操作员工号")],
    period: Annotated[str, typer.Option("--period", help="属期 YYYY-MM")],
    mode: Annotated[Mode, typer.Option(help="清卡方式")] = Mode.REGULAR,
    kind: Annotated[Kind, typer.Option(help="清卡类型")] = Kind.DEVICE,
    scope: Annotated[Scope, typer.Option(help="清卡范围")] = Scope.FULL,
    types: Annotated[list[str] | None, typer.Option("--type", help="部分清卡的发票类型")] = None,
    reason: Annotated[str, typer.Option(help="申请原因")] = "命令行清卡",
    clearing_date: Annotated[
        str | None,
        typer.Option(
            "--date", help="清卡日期 YYYY-MM-DD，默认今天；以后的日期由服务在当日 9:00 执行"
        ),
    ] = None,
    override_window: Annotated[
        bool, typer.Option("--override-window", help="高峰时段也执行")
    ] = False,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", help="已了解的提醒（检查项代码），可多次")
    ] = None,
    preview_only: Annotated[
        bool, typer.Option("--preview", help="只显示将会发生什么，不执行")
    ] = False,
) -> None:
    """清卡并显示进度；退出码：0 成功，1 失败或有检查未通过（不保存申请），3 结果待查。"""
    settings = load_settings()
    with opened(settings) as database:
        wanted = {
            "mode": mode,
            "kind": kind,
            "scope": scope,
            "invoice_types": types or [],
            "period": period,
            "reason": reason,
            "clearing_date": clearing_date,
            "override_window": override_window,
            "accepted_warnings": accept or [],
        }
        if preview_only:
            _preview(database, operator, wanted)
            return
        with ExitStack() as running:
            for runner in engine:
                running.enter_context(runner(settings, database))
            _run(database, settings, operator, wanted)


def _run(database: Database, settings: Settings, code: str, wanted: dict[str, Any]) -> None:
    request_id, decided = _start(database, settings, code, wanted)
    if decided.way is start.Way.LATER:
        typer.echo(f"已提交。{decided.text}需要 qingka serve 或 qingka worker 届时在运行。")
        return
    state = _follow(database, request_id)
    with database.reading() as session:
        request = queries.request(session, request_id)
        if state is RequestState.SUCCEEDED:
            typer.echo(f"{request.message} {request.number}")
            return
        typer.echo(f"{request.error_code}: {request.error_message}", err=True)
        typer.echo(f"  → {_remedy(request)}", err=True)
    attention = state is RequestState.NEEDS_ATTENTION
    raise typer.Exit(EXIT_NEEDS_ATTENTION if attention else EXIT_FAILED)


def _remedy(request: ClearingRequest) -> str:
    """What to do about a failure, as it is done from a shell."""
    if request.error_code != WarningsNotAccepted.code:
        return request.error_remedy or ""
    return _accepting([one["code"] for one in request.open_warnings])


def _accepting(codes: Iterable[str]) -> str:
    options = " ".join(f"--accept {code}" for code in dict.fromkeys(codes))
    return f"阅读提醒；可以继续的，加上 {options} 再次运行。设备尚未有任何改动。"


def _preview(database: Database, code: str, wanted: dict[str, Any]) -> None:
    with _told(), database.reading() as session:
        data = _order(session, code, wanted)
        effects = preview.of_operator(
            session, data.operator_id, Choice.of(data), principal=at_the_shell()
        )
        for line in effects_text.lines(effects):
            typer.echo(line)


def _start(
    database: Database, settings: Settings, code: str, wanted: dict[str, Any]
) -> tuple[UUID, start.Start]:
    shell = at_the_shell()
    with _told():
        with database.reading() as session:
            data = _order(session, code, wanted)
            planned = start.plan(session, data, principal=shell, settings=settings, now=utc_now())
        # As the page does: what is known to come to nothing is said, and nothing is kept.
        agents = AgentClients(database, settings)
        examiner = Examiner(database, agents, settings, utc_now)
        asyncio.run(examiner.require_startable(data.operator_id, shell, data, planned))
        return _submit(database, settings, data)


def _submit(
    database: Database, settings: Settings, data: RequestCreate
) -> tuple[UUID, start.Start]:
    with database.transaction() as session:
        request, decided = start.submit_and_begin(
            session, data, principal=at_the_shell(), settings=settings, clock=utc_now, proven=False
        )
        return request.id, decided


def _order(session: Session, code: str, wanted: dict[str, Any]) -> RequestCreate:
    operator = operators_queries.by_code(session, code)
    if operator is None:
        typer.echo(f"没有工号为 {code} 的操作员", err=True)
        raise typer.Exit(EXIT_FAILED)
    return RequestCreate.model_validate({**wanted, "operator_id": operator.id})


@contextmanager
def _told() -> Iterator[None]:
    """What stops it is said in one or two lines."""
    try:
        yield
    except ValidationError as error:
        for field, message in form_messages(error).items():
            typer.echo(f"{field}: {message}", err=True)
        raise typer.Exit(EXIT_FAILED) from error
    except ChecksBlocking as error:
        _say(error, [(one.code, one.message, one.remedy) for one in error.checks])
        raise typer.Exit(EXIT_FAILED) from error
    except WarningsNotAccepted as error:
        _say(error, error.warnings)
        typer.echo(f"  → {_accepting([code for code, *_ in error.warnings])}", err=True)
        raise typer.Exit(EXIT_FAILED) from error
    except QingkaError as error:
        typer.echo(f"{error.code}: {error.detail}", err=True)
        typer.echo(f"  → {error.remedy}", err=True)
        raise typer.Exit(EXIT_FAILED) from error


def _say(error: QingkaError, found: Iterable[tuple[str, str, str]]) -> None:
    """Each check that stands against it on a line of its own, with what to do."""
    typer.echo(f"{error.code}: {error.title}，没有保存申请，设备没有任何改动", err=True)
    for code, message, remedy in found:
        typer.echo(f"  {message}（{code}）", err=True)
        typer.echo(f"    → {remedy}", err=True)


def _follow(database: Database, request_id: UUID) -> RequestState:
    """Show the progress until the request ends."""
    shown = 0
    with typer.progressbar(length=100, label="清卡") as bar:
        for state, progress, message in _looks(database, request_id):
            bar.label = message[:30]
            bar.update(progress - shown)
            shown = progress
            if state in ENDED_STATES:
                return state
    raise AssertionError("the looks go on until the end")


def _looks(database: Database, request_id: UUID) -> Iterator[tuple[RequestState, int, str]]:
    while True:
        with database.reading() as session:
            request = queries.request(session, request_id)
            yield request.state, request.progress, request.message
        time.sleep(_LOOK_SECONDS)
