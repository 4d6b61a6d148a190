"""HTML pages of devices and agents."""

from app.core.routing import Router
from app.devices.pages import agents, detail, list, ownership, register

router = Router(include_in_schema=False)
for _part in (list, agents, register, detail, ownership):
    router.include_router(_part.router)
