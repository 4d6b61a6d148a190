"""SQLAdmin's list over the table of operators, to compare with; a program.

python -m scripts.bench.sqladmin DATABASE. Prints `ready on ADDRESS`.
"""

import sys

import sqlalchemy as sa
import uvicorn
from sqladmin import Admin, ModelView
from starlette.applications import Starlette

import app.models  # noqa: F401  (registers every table)
from app.operators.models import Operator
from scripts.bench.serving import say_ready_and_run

COLUMNS = ("name", "code", "enterprise_id", "device_numbers", "lock_date", "last_cleared_at")


class OperatorAdmin(ModelView, model=Operator):  # type: ignore[misc, call-arg]
    """The columns of our list, fifty a page, by urgency."""

    column_list = (*COLUMNS, "attention")
    column_default_sort = ("urgency", False)
    page_size = 50


def create_admin_app(database: str) -> Starlette:
    """The app over a migrated SQLite file."""
    engine = sa.create_engine(
        f"sqlite:///{database}", connect_args={"check_same_thread": False, "timeout": 30}
    )
    application = Starlette()
    Admin(application, engine).add_view(OperatorAdmin)
    return application


if __name__ == "__main__":
    say_ready_and_run(
        uvicorn.Config(create_admin_app(sys.argv[1]), access_log=False, log_config=None)
    )
