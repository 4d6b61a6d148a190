"""The command line of the agent; that it serves is shown by test_against_virtual."""

import os
import socket
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.agent.auth import TokenHash
from app.agent.cli import agent
from app.agent.enrollment import TOKEN_FILE
from app.agent.serving import TOKEN_VARIABLE, agent_token


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (TOKEN_VARIABLE, "QINGKA_AGENT_CONFIG", "QINGKA_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_the_token_is_made_once_and_shown_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = agent_token(tmp_path / "data")
    path = tmp_path / "data" / TOKEN_FILE
    token = capsys.readouterr().out.strip().rpartition("：")[2]
    assert len(token) >= 43
    assert made == TokenHash.of(token)
    assert token not in path.read_text(encoding="utf-8")
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert agent_token(tmp_path / "data") == made
    assert token not in capsys.readouterr().out


def test_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "from-outside")
    assert agent_token(tmp_path) == TokenHash.of("from-outside")
    assert not (tmp_path / TOKEN_FILE).exists()


def test_a_token_an_earlier_version_wrote_is_still_the_token(tmp_path: Path) -> None:
    (tmp_path / TOKEN_FILE).write_text("kept-in-plain-text\n", encoding="utf-8")
    assert agent_token(tmp_path) == TokenHash.of("kept-in-plain-text")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[device]]\ndriver = 'tax_server'", "需要"),
        ("speed = 9", "speed：没有这个设置项"),
        ("[[", "不是有效的 TOML"),
    ],
)
def test_a_configuration_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(
        agent, ["serve", "--config", str(path), "--data-dir", str(tmp_path)]
    )
    assert result.exit_code == 2
    assert message in result.output


def test_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "t")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(
            agent, ["serve", "--port", str(port), "--data-dir", str(tmp_path)]
        )
    assert result.exit_code == 2
    assert f"无法监听 127.0.0.1:{port}" in result.output
