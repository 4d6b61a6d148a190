"""HTML pages of devices and agents."""

from fastapi import APIRouter

from app.devices.pages import agents, detail, list, register

router = APIRouter(include_in_schema=False)
for _part in (list, agents, register, detail):
    router.include_router(_part.router)
