"""The README's REST example, as it stands there in both languages, clears the operator it names in a fresh demo."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.contracts.periods import due_period
from app.settings import ROOT

if TYPE_CHECKING:
    from tests.e2e.harness import Program


def _commands(name: str) -> list[list[str]]:
    """The indented commands under the heading of the REST API, each as its words."""
    text = (ROOT / name).read_text(encoding="utf-8")
    section = re.split(r"^## REST.*$", text, flags=re.M)[1].split("\n## ")[0]
    block = re.search(r"(?:^    .+\n|^\n)+", section, re.M)
    assert block is not None
    lines = block.group().replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_rest_example_of_the_readme_clears(
    name: str, tmp_path: Path, program: "type[Program]", until: Callable[..., Any]
) -> None:
    commands = _commands(name)
    (created,) = (words for words in commands if words[0].startswith("KEY="))
    listed, asked, executed, followed = (words for words in commands if words[0] == "curl")
    (code,) = re.findall(r"KP\d{4}", " ".join(asked))[:1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("QINGKA_")}
    environment["QINGKA_DATA_DIR"] = str(tmp_path)
    demo = program("app.cli", "serve", "--demo", "--port", "0", environment=environment)
    try:
        made = subprocess.run(
            [sys.executable, "-m", "app.cli", *_arguments(created)],
            env=environment | {"QINGKA_DATA_DIR": str(tmp_path / "demo")},
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        )
        client = httpx.Client(
            base_url=f"{demo.address}/api/v1",
            headers={"Authorization": f"Bearer {made.stdout.split()[-1]}"},
            trust_env=False,
            timeout=60,
        )
        with client:
            path = listed[-1].removeprefix("$API")
            operator = next(
                one for one in client.get(path, params={"q": code}).json()["items"]
                if one["code"] == code
            )  # fmt: skip
            body = json.loads(asked[asked.index("-d") + 1])
            due = due_period(date.fromisoformat(operator["lock_date"]))
            answer = client.post(
                asked[-1].removeprefix("$API"),
                json=body | {"operator_id": operator["id"], "period": due},
            )
            assert answer.status_code == 201, answer.text
            where = answer.headers["Location"].removeprefix("/api/v1")
            assert [one[-1].rpartition("/")[2] for one in (executed, followed)] == [
                "execute",
                "events",
            ]
            started = client.post(f"{where}/execute")
            assert started.status_code == 202, started.text
            ended = until(
                lambda: next(
                    (one for one in [client.get(where).json()] if one["state"] != "running"), None
                ),
                what="the clearing has ended",
            )
            assert ended["state"] == "succeeded", ended["error"]
    finally:
        demo.stop()


def _arguments(created: list[str]) -> list[str]:
    """The words of KEY=$(… qingka api-key create …) behind the program."""
    words = " ".join(created).removeprefix("KEY=$(").rstrip(")").split()
    return words[1:]
