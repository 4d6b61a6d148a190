"""From a registered agent to a client of it: token, address, transport."""

from collections.abc import Callable

import httpx

from app.contracts.faults import fault
from app.core.crypto import NotOpened, seal, unseal
from app.core.security import derive_key, same
from app.core.tls import pinned_context, trusting
from app.devices.agent_addresses import Vetted
from app.devices.agent_client import LIMITS, AgentClient, AgentFault
from app.devices.models import DIAL, MOUNTED, Agent, AgentState
from app.devices.transports import Patient, Registered
from app.files import ADDRESS
from app.settings import AgentAway, Settings

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


def token_of(settings: Settings, agent: Agent) -> str:
    """The token itself, to be hidden wherever it must not be seen. Raises AgentFault."""
    return _token(settings, agent)


def client_of(
    agent: Agent,
    settings: Settings,
    *,
    checking: bool = False,
    patient: bool = False,
    relay: str = "",
) -> AgentClient:
    """A client of the agent.

    `relay`: the process that has the connection of an agent that dials out, if this one has not.
    `patient`: wait for an agent that is away, where QINGKA_AGENT_AWAY says so. `checking`: only to ask
    what it is, also when it was found incompatible. Raises AgentFault when its token cannot be read, it
    is not mounted, or it is incompatible.
    """
    if agent.state is AgentState.INCOMPATIBLE and not checking:
        raise AgentFault(fault("agent.version"))
    waits = settings.operation_timeout_seconds
    patience = waits if patient and settings.agent_away is AgentAway.WAIT else 0.0
    if agent.base_url.startswith(DIAL):
        if relay and agent.base_url not in agent_transports:
            url = f"{relay}/api/v1/agents/{agent.id}/relay"
            return AgentClient(url, relay_token(settings), verify=trusting(settings.agent_ca))
        return AgentClient("http://dial", "", _dialled(agent.base_url, patience))
    token = _token(settings, agent)
    if agent.base_url.startswith(MOUNTED):
        if (served := _served_at(settings)) and agent.base_url not in agent_transports:
            return AgentClient(f"{served}/api/v1/agents/{agent.id}/relay", relay_token(settings))
        return AgentClient("http://mounted", token, _mounted(agent.base_url))
    context = pinned_context(agent.pin) if agent.pin else trusting(settings.agent_ca)
    direct = Vetted(httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=LIMITS))
    return AgentClient(agent.base_url, token, Patient(direct, patience) if patience else direct)


def _served_at(settings: Settings) -> str:
    """Return where the server of this data directory was ready last; "" where none has been."""
    try:
        return (settings.data_dir / ADDRESS).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def relay_token(settings: Settings) -> str:
    """What processes of one installation show each other; all of them have the root secret."""
    return derive_key(settings.root_secret, "agent-relay").hex()


def _token(settings: Settings, agent: Agent) -> str:
    try:
        return unseal(_key(settings), agent.sealed_token, context=str(agent.id))
    except NotOpened as error:
        raise AgentFault(
            fault("agent.unauthorized", message="设备代理的令牌无法解密，系统密钥可能已更换")
        ) from error


def _mounted(base_url: str) -> httpx.AsyncBaseTransport:
    factory = agent_transports.get(base_url)
    if factory is None:
        raise AgentFault(fault("agent.unreachable", message="内置设备代理没有运行"))
    return factory()


def _dialled(base_url: str, patience: float) -> httpx.AsyncBaseTransport:
    """The transport registered when a request is made: an agent that dials out comes and goes."""
    registered = Registered(lambda: agent_transports.get(base_url))
    return Patient(registered, patience) if patience else registered


def _key(settings: Settings) -> bytes:
    return derive_key(settings.root_secret, "agent-token")
