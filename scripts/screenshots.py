"""Takes the pictures of the README from a fresh demo: python scripts/screenshots.py [DIRECTORY].

Starts the demo on a free port with a data directory of its own, signs in, clears one operator, and keeps four pages as
PNG files below 300 KB. Needs the system's Chromium and a Chinese font; says so when there is none.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.settings import ROOT

WIDTH, HEIGHT = 1440, 900
MAX_BYTES = 300_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CLEARING_MS = 120_000
"""How long the demo may take for one clearing."""

_ACCOUNT = re.compile(r"^\s+admin\s+admin\s+(\S+)$")
_READY = re.compile(r"^ready on (http://\S+)$")


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that answers."""

    address: str
    password: str


@contextmanager
def running_demo() -> Iterator[Demo]:
    """A demo on a free port; its process and its data are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="qingka-pictures-") as folder:
        command = [sys.executable, "-m", "app.cli", "serve", "--demo", "--port", "0"]
        environment = {**os.environ, "QINGKA_DATA_DIR": folder, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            yield _wait_ready(process)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_ready(process: subprocess.Popen[str]) -> Demo:
    assert process.stdout is not None  # noqa: S101 - asked for above
    password = ""
    for line in process.stdout:
        if account := _ACCOUNT.match(line):
            password = account[1]
        if ready := _READY.match(line):
            return Demo(ready[1], password)
    raise SystemExit(f"the demo ended with {process.wait()} before it was ready")


@contextmanager
def launched_browser() -> Iterator[Browser]:
    """The system's browser."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise SystemExit(f"no browser found: install one of {', '.join(BROWSERS)}")
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


def sign_in(page: Page, demo: Demo) -> None:
    """Sign in as the demo's admin."""
    page.goto(f"{demo.address}/login")
    page.get_by_label("用户名").fill("admin")
    page.get_by_label("密码").fill(demo.password)
    page.get_by_role("button", name="登录", exact=True).click()
    page.wait_for_url(f"{demo.address}/")


def open_first_due(page: Page, demo: Demo) -> None:
    """The page of an operator who is to be cleared and can be."""
    page.goto(f"{demo.address}/clearing?state=due&limit=200")
    addresses = [link.get_attribute("href") or "" for link in page.locator("#rows a.name").all()]
    for address in addresses:
        page.goto(demo.address + address)
        clearable = page.locator(".checks .bad").count() == 0
        if clearable and page.get_by_role("button", name="清卡操作").is_enabled():
            return
    raise SystemExit("no operator of the demo can be cleared")


def clear(page: Page, demo: Demo) -> None:
    """Fill the dialog that is open, and wait for the end."""
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("申请原因").fill("申报已完成，清卡解锁")
    dialog.get_by_label("管理员密码").fill(demo.password)
    dialog.get_by_role("button", name="确定").click()
    expect(page.get_by_role("heading", name="清卡成功")).to_be_visible(timeout=CLEARING_MS)


def keep(page: Page, target: Path) -> None:
    """Keep what the page shows, in as many colours as fit into MAX_BYTES."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=target, animations="disabled")
    colours = 256
    while target.stat().st_size > MAX_BYTES and colours >= 16:
        with Image.open(target) as picture:
            picture.convert("RGB").quantize(colours).save(target, optimize=True)
        colours //= 2
    print(f"{target.name}  {target.stat().st_size // 1000} KB")


def take(page: Page, demo: Demo, folder: Path) -> None:
    """The four pictures."""
    sign_in(page, demo)
    open_first_due(page, demo)
    page.get_by_role("button", name="清卡操作").click()
    keep(page, folder / "dialog.png")
    clear(page, demo)
    keep(page, folder / "result.png")
    page.goto(f"{demo.address}/clearing")
    keep(page, folder / "operators.png")
    page.goto(f"{demo.address}/")
    keep(page, folder / "home.png")


def main(folder: Path) -> None:
    """Take all pictures into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with running_demo() as demo, launched_browser() as browser:
        context = browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT}, locale="zh-CN", color_scheme="light"
        )
        take(context.new_page(), demo, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "img")
