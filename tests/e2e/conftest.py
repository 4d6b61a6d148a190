"""Worlds of real processes, and a real browser."""

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

if TYPE_CHECKING:
    from tests.e2e.harness import Program, SerialSimulation, World

pytest.register_assert_rewrite("tests.e2e.agency_batch", "tests.e2e.agency_papers")

NewWorld = Callable[..., "World"]
SignIn = Callable[..., Page]

PATIENCE = 60_000
"""Milliseconds a page may take; the machine may be busy."""


def _load_harness() -> ModuleType:
    """harness.py beside this file, as a module."""
    path = Path(__file__).with_name("harness.py")
    spec = importlib.util.spec_from_file_location("e2e_harness", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


harness = _load_harness()


def _worlds(template: Path, factory: pytest.TempPathFactory) -> Iterator[NewWorld]:
    made: list[World] = []

    def new(**options: Any) -> "World":
        folder = factory.mktemp("world")
        world: World = harness.World(folder, template, **options)
        made.append(world)
        world.start()
        return world

    yield new
    for world in made:
        world.close()


@pytest.fixture
def new_world(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NewWorld]:
    """Makes worlds with a running server; all their processes end with the test."""
    yield from _worlds(sqlite_template, tmp_path_factory)


@pytest.fixture(scope="module")
def new_shared_world(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NewWorld]:
    """The same for a world that the tests of a module share, each with subjects of its own."""
    yield from _worlds(sqlite_template, tmp_path_factory)


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Asks a question until its answer is true: until(question, seconds=…)."""
    asked: Callable[..., Any] = harness.until
    return asked


@pytest.fixture(scope="session")
def program() -> "type[Program]":
    """Starts one of our own programs as a process: program("app.cli", "serve", …, environment=…)."""
    found: type[Program] = harness.Program
    return found


@pytest.fixture
def new_serial(tmp_path: Path) -> Iterator[Callable[["World"], "SerialSimulation"]]:
    """Starts a simulated converter with one device; it ends with the test."""
    made: list[SerialSimulation] = []

    def new(world: "World") -> "SerialSimulation":
        simulation: SerialSimulation = harness.SerialSimulation(
            tmp_path / "serial", world.environment
        )
        made.append(simulation)
        return simulation

    yield new
    for simulation in made:
        simulation.stop()


@pytest.fixture
def password() -> str:
    """The password of every account of a world."""
    return str(harness.PASSWORD)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium. Missing, it skips; where CI=true it fails."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium in PATH")
        pytest.skip("no Chromium in PATH")
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def sign_in(browser: Browser, world: "World", password: str) -> Iterator[SignIn]:
    """Signs somebody into the module's `world` with a browser of their own: sign_in("operator", script=False)."""
    contexts = []
    expect.set_options(timeout=PATIENCE)

    def make(name: str, *, script: bool = True) -> Page:
        context = browser.new_context(
            base_url=world.address, locale="zh-CN", java_script_enabled=script
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.goto("/login")
        page.get_by_label("用户名").fill(name)
        page.get_by_label("密码").fill(password)
        page.get_by_role("button", name="登录").click()
        expect(page).to_have_url(re.compile("/$"))
        return page

    yield make
    for context in contexts:
        context.close()
