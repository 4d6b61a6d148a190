"""The reference for pages and API: bare Starlette, sqlite3 and Jinja2 over the same rows; a program.

python -m scripts.bench_bare DATABASE. No session, no permission, no model, no middleware. Routes are plain
functions, as in the product: sqlite3 blocks, so Starlette runs them on threads.
"""

import sqlite3
import sys
import threading

import uvicorn
from jinja2 import Environment
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from scripts.bench_serving import say_ready_and_run

_LIST = """
    SELECT o.id, o.code, o.name, o.lock_date, o.last_cleared_at, o.device_numbers, o.attention, e.name
    FROM operators o JOIN enterprises e ON e.id = o.enterprise_id
    ORDER BY o.urgency, o.id LIMIT 50
"""
_COLUMNS = (
    "id, code, name, enterprise_id, department, phone, email, active, attention, last_cleared_at, "
    "lock_date, device_count, device_numbers, created_at, updated_at"
)
_PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>清卡管理</title></head><body><h1>清卡管理</h1>
<table><thead><tr><th>姓名</th><th>工号</th><th>企业</th><th>设备</th><th>锁死日期</th><th>上次清卡</th><th>状态</th></tr>
</thead><tbody>
{% for id, code, name, lock_date, cleared, numbers, attention, enterprise in rows %}
<tr><td><a href="/operators/{{ id }}">{{ name }}</a></td><td>{{ code }}</td><td>{{ enterprise }}</td>
<td>{{ numbers }}</td><td>{{ lock_date or "—" }}</td><td>{{ cleared or "—" }}</td><td>{{ attention }}</td></tr>
{% endfor %}
</tbody></table></body></html>"""


def create_bare_app(database: str) -> Starlette:
    """The app over a migrated SQLite file."""
    page = Environment(autoescape=True).from_string(_PAGE)
    local = threading.local()

    def connection() -> sqlite3.Connection:
        if not hasattr(local, "connection"):
            local.connection = sqlite3.connect(database)
        found: sqlite3.Connection = local.connection
        return found

    def listed(request: Request) -> Response:
        return HTMLResponse(page.render(rows=connection().execute(_LIST).fetchall()))

    def one(request: Request) -> Response:
        query = f"SELECT {_COLUMNS} FROM operators WHERE id = ?"
        row = connection().execute(query, (request.path_params["id"],)).fetchone()
        return JSONResponse(dict(zip(_COLUMNS.split(", "), row, strict=True)))

    return Starlette(routes=[Route("/", listed), Route("/operators/{id}", one)])


if __name__ == "__main__":
    say_ready_and_run(
        uvicorn.Config(create_bare_app(sys.argv[1]), access_log=False, log_config=None)
    )
