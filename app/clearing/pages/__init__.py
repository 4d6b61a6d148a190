"""HTML pages of clearing: overview, list, operator, requests, records. One module per page."""

from fastapi import APIRouter

from app.clearing.pages import home, operator, operators, records, request, requests

router = APIRouter(include_in_schema=False)
for _module in (home, operators, requests, request, operator, records):
    router.include_router(_module.router)
