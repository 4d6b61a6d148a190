"""Agents that register themselves: an admin's one-time code, and what an agent does with it.

A code is 12 letters and digits (60 random bits), works for fifteen minutes and once. It is bound to
the first token it is used with: the same agent may ask again for an answer that was lost.
"""

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col, delete

from app.accounts.principal import SYSTEM, Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.contracts import CONTRACT_VERSION
from app.contracts.faults import FAULTS
from app.contracts.tunnel import REVOKED
from app.core.db import Session, on_commit
from app.core.security import hash_token
from app.devices import dialled, queries
from app.devices.agent_addresses import check_name
from app.devices.agent_schemas import EnrollRequest
from app.devices.agents import sealed_token
from app.devices.models import MOUNTED, Agent, AgentEnrollment, AgentState
from app.devices.service.agents import AgentTaken
from app.errors import Conflict, Forbidden
from app.settings import Settings

LIFETIME = timedelta(minutes=15)
_KEPT = timedelta(days=1)
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_LENGTH = 12
_GROUP = 4


class EnrollmentRefused(Forbidden):
    """No enrollment with this code can be used. It is not told whether there ever was one."""

    code = "agent.enrollment_refused"
    title = "登记码无效、已过期或已使用"
    remedy = "请在“税控设备 → 设备代理”重新生成登记码，并在 15 分钟内使用。"


class AgentIncompatible(Conflict):
    """The agent speaks another version of the contract."""

    code = "agent.version"
    title = FAULTS["agent.version"].title
    remedy = FAULTS["agent.version"].remedy


def create_enrollment(
    session: Session, *, name: str, principal: Principal, at: datetime
) -> tuple[AgentEnrollment, str]:
    """An enrollment for a new agent, or for the one of this name, and its code, shown this once.

    Raises AgentTaken for the agent inside the server, which needs none.
    """
    known = queries.agent_by_name(session, name)
    if known is not None and known.base_url == MOUNTED:
        raise AgentTaken
    session.exec(delete(AgentEnrollment).where(col(AgentEnrollment.expires_at) < at - _KEPT))
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    enrollment = AgentEnrollment(
        name=name,
        code_hash=hash_token(code),
        created_by=principal.name[:120],
        created_at=at,
        expires_at=at + LIFETIME,
        agent_id=known.id if known else None,
    )
    session.add(enrollment)
    session.flush()
    details: dict[str, JSON] = {"name": name, "again": known is not None}
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.AGENT_ENROLLMENT_CREATED,
        object_type="agent",
        object_id=known.id if known else enrollment.id,
        at=at,
        details=details,
    )
    return enrollment, "-".join(code[i : i + _GROUP] for i in range(0, _LENGTH, _GROUP))


def enroll(
    session: Session, *, data: EnrollRequest, settings: Settings, ip: str, at: datetime
) -> Agent:
    """Register the agent that shows this code, or register it anew. Raises EnrollmentRefused,
    AgentIncompatible, AgentTaken, Invalid."""
    enrollment = queries.enrollment_by_code(session, hash_token(_normal(data.code)))
    token_hash = hash_token(data.token.get_secret_value())
    if enrollment is None or enrollment.expires_at <= at:
        raise EnrollmentRefused
    if enrollment.used_at is not None:
        return _again(session, enrollment, token_hash)
    require_compatible(data.version, data.contract_version)
    check_name(data.base_url or "")
    agent = _agent(session, enrollment, data, settings, at)
    enrollment.sqlmodel_update({"used_at": at, "used_token_hash": token_hash, "agent_id": agent.id})
    session.flush()
    details: dict[str, JSON] = {
        "name": agent.name,
        "base_url": agent.base_url,
        "pin": agent.pin,
        "version": data.version,
        "enrollment": str(enrollment.id),
    }
    audit.record(
        session,
        actor=replace(SYSTEM.actor, ip=ip),
        action=AuditAction.AGENT_ENROLLED,
        object_type="agent",
        object_id=agent.id,
        at=at,
        details=details,
    )
    agent_id = agent.id
    on_commit(session, lambda: dialled.hang_up(agent_id, REVOKED))
    return agent


def require_compatible(version: str, contract_version: int) -> None:
    """Raises AgentIncompatible, which names both versions."""
    if contract_version != CONTRACT_VERSION:
        raise AgentIncompatible(
            f"设备代理 {version} 的接口版本为 {contract_version}，本系统为 {CONTRACT_VERSION}"
        )


def _again(session: Session, enrollment: AgentEnrollment, token_hash: str) -> Agent:
    if enrollment.used_token_hash != token_hash or enrollment.agent_id is None:
        raise EnrollmentRefused
    return queries.get_agent(session, enrollment.agent_id)


def _agent(
    session: Session,
    enrollment: AgentEnrollment,
    data: EnrollRequest,
    settings: Settings,
    at: datetime,
) -> Agent:
    """The agent's row: one that dials is known by the hash of its token, one that is called by its pin."""
    agent = queries.agent_by_name(session, enrollment.name)
    if agent is None:
        agent = Agent(
            name=enrollment.name, base_url="", sealed_token="", created_at=at, updated_at=at
        )
    token = data.token.get_secret_value()
    dials = data.base_url is None
    agent.sqlmodel_update(
        {
            "base_url": dialled.address_of(agent.id) if dials else data.base_url,
            "token_hash": hash_token(token) if dials else None,
            "sealed_token": "" if dials else sealed_token(settings, agent, token),
            "pin": "" if dials else data.pin,
            "version": data.version,
            "state": AgentState.NEW,
            "updated_at": at,
            "revision": agent.revision + 1,
        }
    )
    session.add(agent)
    try:
        session.flush()
    except sa.exc.IntegrityError as error:
        raise AgentTaken from error
    return agent


def _normal(code: str) -> str:
    return code.replace("-", "").replace(" ", "").upper()
