"""The reference for pages and API: bare Starlette, sqlite3 and Jinja2 over the same rows; a program.

python -m scripts.bench.bare DATABASE. No session, no permission, no model, no middleware. Routes are plain
functions, as in the product: sqlite3 blocks, so Starlette runs them on threads.
"""

import sqlite3
import sys
import threading
from datetime import date

import uvicorn
from jinja2 import Environment
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from scripts.bench.serving import say_ready_and_run

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
<table><thead><tr><th><input type="checkbox" aria-label="全选本页"></th><th>操作员</th><th>状态</th><th>企业</th>
<th>税控设备</th><th>锁死日期</th><th>剩余</th><th>上次清卡</th><th>操作</th></tr></thead><tbody>
{% for id, code, name, lock_date, cleared, numbers, attention, enterprise in rows %}
{% set days = left(lock_date) %}
<tr><td class="pick"><input type="checkbox" name="operator_ids" value="{{ id }}" aria-label="选择{{ name }}"></td>
<td class="keep"><a class="name" href="/operators/{{ id }}">{{ name }}</a> <small>{{ code }}</small></td>
<td><span class="badge {{ attention }}">{{ "已锁死" if days < 0 else "待清卡" }}</span></td>
<td class="wide-s">{{ enterprise }}</td><td class="num" data-label="设备">{{ numbers.split() | first }}</td>
<td class="num" data-label="锁死">{{ lock_date or "—" }}</td>
<td class="r{% if days < 0 %} bad{% elif days <= 3 %} warn{% endif %}">{{ days }} 天</td>
<td class="num">{{ cleared or "—" }}</td><td class="r act"><a href="/operators/{{ id }}">清卡</a></td></tr>
{% endfor %}
</tbody></table></body></html>"""


def days_left(lock_date: str) -> int:
    """Days from today to a date in ISO form."""
    return (date.fromisoformat(lock_date) - date.today()).days


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
        return HTMLResponse(
            page.render(rows=connection().execute(_LIST).fetchall(), left=days_left)
        )

    def one(request: Request) -> Response:
        query = f"SELECT {_COLUMNS} FROM operators WHERE id = ?"
        row = connection().execute(query, (request.path_params["id"],)).fetchone()
        return JSONResponse(dict(zip(_COLUMNS.split(", "), row, strict=True)))

    return Starlette(routes=[Route("/", listed), Route("/operators/{id}", one)])


if __name__ == "__main__":
    say_ready_and_run(
        uvicorn.Config(create_bare_app(sys.argv[1]), access_log=False, log_config=None)
    )
