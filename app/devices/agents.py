"""From a registered agent to a client of it: token, address, transport."""

from collections.abc import Callable

import httpx

from app.contracts.faults import fault
from app.core.crypto import NotOpened, seal, unseal
from app.core.security import derive_key, same
from app.devices.agent_client import AgentClient, AgentFault
from app.devices.models import MOUNTED, Agent
from app.settings import Settings

TransportFactory = Callable[[], httpx.AsyncBaseTransport]

agent_transports: dict[str, TransportFactory] = {}
"""How an agent that is not reached over the network is called, by its base_url."""


def register_mounted(factory: TransportFactory, *, base_url: str = MOUNTED) -> None:
    """Assembly says how the agent inside the server is called, e.g. an httpx.ASGITransport."""
    agent_transports[base_url] = factory


def sealed_token(settings: Settings, agent: Agent, token: str) -> str:
    """The token as the row keeps it, bound to this agent."""
    return seal(_key(settings), token, context=str(agent.id))


def is_token(settings: Settings, agent: Agent, token: str) -> bool:
    """Whether the row keeps this token, readable with the key of today."""
    try:
        return same(unseal(_key(settings), agent.sealed_token, context=str(agent.id)), token)
    except NotOpened:
        return False


def client_of(agent: Agent, settings: Settings) -> AgentClient:
    """A client of the agent. Raises AgentFault when its token cannot be read or it is not mounted."""
    try:
        token = unseal(_key(settings), agent.sealed_token, context=str(agent.id))
    except NotOpened as error:
        raise AgentFault(
            fault("agent.unauthorized", message="设备代理的令牌无法解密，系统密钥可能已更换")
        ) from error
    if not agent.base_url.startswith(MOUNTED):
        return AgentClient(agent.base_url, token)
    factory = agent_transports.get(agent.base_url)
    if factory is None:
        raise AgentFault(fault("agent.unreachable", message="内置设备代理没有运行"))
    return AgentClient("http://mounted", token, factory())


def _key(settings: Settings) -> bytes:
    return derive_key(settings.root_secret, "agent-token")
