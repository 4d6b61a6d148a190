"""A command loads what it needs and nothing else: asking for the version does not wait for the server."""

import subprocess
import sys

import pytest

from app import __version__
from app.settings import ROOT

_PROGRAM = """
import sys
from app import cli
sys.argv = ["qingka", *{arguments}]
try:
    cli.main()
except SystemExit:
    print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""


@pytest.mark.parametrize("arguments", [["version"], ["virtual", "serve", "--help"]], ids=" ".join)
def test_what_is_no_server_loads_no_database_and_no_table(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(arguments=arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    *_, loaded = done.stdout.splitlines()
    assert not {"sqlmodel", "sqlalchemy", "dbos", "jinja2"} & set(loaded.split())


def test_the_version_loads_no_web_framework_either() -> None:
    program = _PROGRAM.format(arguments=["version"])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    told, loaded = done.stdout.splitlines()
    assert told == __version__
    assert not {"fastapi", "starlette", "httpx", "cryptography"} & set(loaded.split())
