"""更新提示: once a day the address in QINGKA_UPDATE_URL is asked for the newest version.

Without that setting nothing is asked. Whoever runs the server chose the address, yet what it answers is a
stranger's word: it goes out as a webhook does (`guarded_http`: a deadline for the whole, no redirect, the
beginning of the answer only, private targets only with QINGKA_WEBHOOK_ALLOW_PRIVATE), and of the answer only
checked fields are kept. Nothing is ever downloaded or installed.
"""

from datetime import datetime, time
from typing import Annotated

import httpcore
from packaging.version import Version
from pydantic import AfterValidator, BaseModel, StringConstraints, ValidationError

from app import __version__
from app.core.db import Database, Session
from app.core.logging import get_logger
from app.core.process import Process
from app.errors import Invalid, QingkaError
from app.jobs.scheduler import RecurringJob, Run, daily
from app.notifications.sending.guarded_http import get
from app.notifications.sending.targets import parse_url
from app.settings import Settings
from app.system import queries

log = get_logger(__name__)

JOB = "updates"
LOOK_AT = time(8, 30)
"""Asia/Shanghai."""
TIMEOUT_SECONDS = 15.0
"""For the whole of a question and its answer."""


class UpdateCheckFailed(QingkaError):
    """The address did not say which version is the newest."""

    code = "update.check_failed"
    title = "更新检查失败"
    remedy = "检查 QINGKA_UPDATE_URL 与服务器的网络；在内部网络中的地址还需要 QINGKA_WEBHOOK_ALLOW_PRIVATE。"


def _normal_version(text: str) -> str:
    return str(Version(text))


def _web_address(text: str) -> str:
    try:
        parse_url(text)
    except Invalid as error:
        raise ValueError(error.detail) from error
    return text


class Release(BaseModel):
    """A version as the address announces it; `url` leads to more about it, `notes` are plain text."""

    version: Annotated[str, StringConstraints(max_length=40), AfterValidator(_normal_version)]
    url: Annotated[str, AfterValidator(_web_address)]
    notes: Annotated[str, StringConstraints(max_length=2000, strip_whitespace=True)] = ""

    @property
    def is_newer(self) -> bool:
        """Whether it comes after the running program (PEP 440)."""
        return Version(self.version) > Version(__version__)

    @property
    def notice(self) -> str:
        """What people read."""
        return f"有新版本 {self.version}（当前 {__version__}）"


class Memory(BaseModel):
    """What the job knows of `address`: the newest answer with its time, and the failure since then."""

    address: str = ""
    release: Release | None = None
    checked_at: datetime | None = None
    failed_at: datetime | None = None
    error: str = ""

    @property
    def newer(self) -> Release | None:
        """The release to point to, if any."""
        return self.release if self.release and self.release.is_newer else None


def known(session: Session, settings: Settings) -> Memory:
    """What the address of the settings has said; nothing of an earlier address."""
    memory = Memory.model_validate(queries.job_state(session, JOB))
    return memory if memory.address == settings.update_url else Memory()


def look(database: Database, settings: Settings, run: Run) -> str:
    """The daily job: ask, and keep the answer, or beside the last one why there is none."""
    with database.reading() as session:
        before = known(session, settings)
    address = settings.update_url
    try:
        release = ask(address, allow_private=settings.webhook_allow_private)
    except UpdateCheckFailed as error:
        log.warning("the update check failed", reason=error.detail)
        changes = {"address": address, "failed_at": run.at, "error": error.detail}
        memory, result = before.model_copy(update=changes), f"{error.title}：{error.detail}"
    else:
        memory = Memory(address=address, release=release, checked_at=run.at)
        result = f"最新版本 {release.version}"
    with database.transaction() as session:
        run.keep(session, **memory.model_dump(mode="json"))
    return result


def ask(url: str, *, allow_private: bool) -> Release:
    """Ask once. Raises UpdateCheckFailed."""
    headers = {"accept": "application/json", "user-agent": f"Qingka/{__version__}"}
    try:
        parse_url(url)
        answer = get(url, headers=headers, allow_private=allow_private, timeout=TIMEOUT_SECONDS)
    except QingkaError as error:
        raise UpdateCheckFailed(error.detail) from error
    except httpcore.TimeoutException as error:
        raise UpdateCheckFailed("没有在规定时间内应答") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        raise UpdateCheckFailed(f"无法连接：{type(error).__name__}") from error
    if answer.status != 200:
        raise UpdateCheckFailed(f"应答 {answer.status}")
    try:
        return Release.model_validate_json(answer.body)
    except ValidationError as error:
        raise UpdateCheckFailed("应答不是版本信息") from error


def look_daily(process: Process, run: Run) -> str:
    """Look, as a job."""
    return look(process.database, process.settings, run)


JOBS = (
    RecurringJob(
        JOB,
        look_daily,
        daily(LOOK_AT),
        slow=True,
        wanted=lambda settings: bool(settings.update_url),
    ),
)
