"""What the documents show works: links lead somewhere, configurations load, commands exist."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.agent.config import parse_config
from app.cli import app
from app.settings import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
_FENCED_TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:\.venv/bin/|`)qingka ((?:[a-z-]+ ?)+)")


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_links_lead_to_files(page: Path) -> None:
    targets = _LINK.findall(page.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_agent_configuration_of_the_manual_loads() -> None:
    text = (ROOT / "docs" / "connecting-hardware.md").read_text(encoding="utf-8")
    (example,) = _FENCED_TOML.findall(text)
    config = parse_config(tomllib.loads(example))
    assert [device.driver for device in config.device] == [
        "tax_server",
        "serial_converter",
        "operate_disk",
    ]


def test_commands_of_the_manuals_exist() -> None:
    shown = {
        match.strip()
        for page in PAGES
        for match in _COMMAND.findall(page.read_text(encoding="utf-8"))
    }
    assert shown >= {"serve", "agent serve", "clear", "worker"}
    for command in sorted(shown):
        done = CliRunner().invoke(app, [*_known_part(command), "--help"])
        assert done.exit_code == 0, command


def _known_part(command: str) -> list[str]:
    """Words of the command without its arguments: `api-key create erp` has one."""
    return command.split()[:2]


@pytest.mark.parametrize("language", ["README.md", "README.zh-CN.md"])
def test_both_readmes_show_the_same_pictures(language: str) -> None:
    pictures = re.findall(r"!\[[^]]*\]\((docs/img/[^)]+)\)", (ROOT / language).read_text("utf-8"))
    assert pictures == [
        f"docs/img/{name}.png" for name in ("operators", "home", "dialog", "result")
    ]
    for picture in pictures:
        assert (ROOT / picture).stat().st_size < 300_000


@pytest.mark.parametrize("record", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=_named)
def test_decision_records_have_their_form(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert re.match(rf"# {int(record.name[:4])}\. ", text)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences"]
    assert len(text.splitlines()) < 30
