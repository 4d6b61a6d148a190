"""The modules of static/js in a real browser, against the sample pages and a scripted server."""

import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from app.core.http import CSP
from app.settings import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        CHROMIUM is None and os.environ.get("CI") != "true", reason="no Chromium on this machine"
    ),
]


def _done() -> tuple[str, str]:
    return "<!doctype html><title>done</title>", "text/html"


class Site:
    """Serves the sample pages; remembers what was sent; answers what a test scripts."""

    def __init__(self, pages: dict[str, str]) -> None:
        self.pages = pages
        self.requests: list[tuple[str, str, str]] = []
        self.answers: dict[str, Callable[[], tuple[str, str]]] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.get(self)

            def do_POST(self) -> None:
                site.post(self)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def get(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path
        self.requests.append(("GET", request.path, request.headers.get("X-Fragment", "")))
        if path.startswith("/static/"):
            body = (ROOT / path.removeprefix("/")).read_bytes()
            self._send(request, body, TYPES[path.rpartition(".")[2]])
        elif path in self.answers:
            text, kind = self.answers[path]()
            self._send(request, text.encode(), kind)
        else:
            html = self.pages.get(path.removeprefix("/"), "<!doctype html><title>else</title>")
            self._send(request, html.encode(), "text/html; charset=utf-8")

    def post(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"])).decode()
        self.requests.append(("POST", request.path, body))
        text, kind = self.answers.get(request.path, _done)()
        self._send(request, text.encode(), kind)

    def _send(self, request: BaseHTTPRequestHandler, body: bytes, kind: str) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Content-Security-Policy", CSP)
        request.end_headers()
        request.wfile.write(body)

    def sent(self, method: str) -> list[str]:
        return [path for verb, path, _ in self.requests if verb == method]


@pytest.fixture
def site(pages: dict[str, str]) -> Iterator[Site]:
    site = Site(pages)
    thread = threading.Thread(target=site.server.serve_forever, daemon=True)
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="zh-CN", reduced_motion="reduce")
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page on which no script fails and the policy refuses nothing."""
    problems: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    yield page
    assert problems == []


def test_the_dialog_opens_with_cancel_focused_and_cancelling_does_nothing(
    site: Site, page: Page
) -> None:
    page.goto(f"{site.url}/operator")
    page.get_by_role("button", name="清卡操作").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(page.get_by_role("button", name="取消")).to_be_focused()
    page.get_by_role("button", name="取消").click()
    expect(dialog).to_be_hidden()
    assert site.sent("POST") == []


def test_escape_closes_the_dialog(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/operator")
    page.get_by_role("button", name="清卡操作").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert site.sent("POST") == []


def test_enter_submits(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/operator-dialog")
    page.get_by_label("申请原因").fill("本期申报已完成")
    page.get_by_label("管理员密码").fill("correct horse")
    page.get_by_label("管理员密码").press("Enter")
    page.wait_for_url("**/clearing/operators/o0")
    assert site.sent("POST") == ["/clearing/operators/o0"]


def test_a_second_press_sends_nothing(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/request-succeeded")
    refused = page.get_by_role("button", name="确认清卡成功").evaluate(
        """button => {
            const refused = [];
            addEventListener("submit", (event) => {
                refused.push(event.defaultPrevented);
                event.preventDefault();
            });
            button.form.requestSubmit(button);
            button.form.requestSubmit(button);
            return refused;
        }"""
    )
    assert refused == [False, True]
    expect(page.get_by_role("button", name="确认清卡成功")).to_be_disabled()


def test_the_types_appear_only_for_a_partial_clearing(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/operator-dialog")
    box = page.get_by_label("007 增值税普通发票")
    expect(box).to_be_hidden()
    page.get_by_label("清卡范围").select_option("partial")
    expect(box).to_be_visible()


def test_a_changed_choice_is_previewed_at_once_and_the_password_stays_here(
    site: Site, page: Page
) -> None:
    shown = (
        '<input type="hidden" name="previewed" value="new"><p>更新后的预览</p>'
        '<div data-confirm="确定" data-proof="yes"></div>'
    )
    preview = "/clearing/operators/o0/preview"
    site.answers[preview] = lambda: (shown, "text/html; charset=utf-8")
    page.goto(f"{site.url}/operator-dialog")
    expect(page.get_by_role("button", name="预览")).to_have_count(0)
    page.get_by_label("管理员密码").fill("correct horse")
    page.get_by_label("清卡类型").select_option("tax")
    expect(page.get_by_text("更新后的预览")).to_be_visible()
    assert page.locator("input[name=previewed]").input_value() == "new"
    [(_, _, body)] = [
        sent for sent in site.requests if sent[0] == "POST" and sent[1].endswith("/preview")
    ]
    assert ("kind=tax" in body, "password" in body) == (True, False)


def test_an_exceptional_request_goes_to_review_and_asks_no_password(site: Site, page: Page) -> None:
    answers = iter(
        ('<div data-confirm="提交清卡申请">由审核员审核</div>',
         '<div data-confirm="确定" data-proof="yes">立即执行</div>')
    )  # fmt: skip
    preview = "/clearing/operators/o0/preview"
    site.answers[preview] = lambda: (next(answers), "text/html; charset=utf-8")
    page.goto(f"{site.url}/operator-dialog")
    page.get_by_text("异常清卡（比对不符或已逾期）").click()
    box = page.get_by_label("按异常清卡提交，必须由审核员审核")
    box.check()
    expect(page.get_by_role("button", name="提交清卡申请")).to_be_visible()
    expect(page.get_by_label("管理员密码")).to_be_hidden()
    expect(page.get_by_label("管理员密码")).to_be_disabled()
    box.uncheck()
    expect(page.get_by_role("button", name="确定")).to_be_visible()
    expect(page.get_by_label("管理员密码")).to_be_visible()
    expect(page.get_by_label("管理员密码")).to_be_enabled()


def test_the_checks_run_by_themselves_and_a_blocker_holds_the_button_back(
    site: Site, page: Page
) -> None:
    blocked = (
        '<div data-part="checks"><p>一项未通过</p></div>'
        '<div data-part="blockers" data-blocked><p>先为分机清卡</p></div>'
    )
    free = '<div data-part="checks"><p>检查全过</p></div><div data-part="blockers"></div>'
    answers = [blocked]
    path = "/clearing/operators/o0/checks"
    site.answers[path] = lambda: (answers[-1], "text/html; charset=utf-8")
    page.goto(f"{site.url}/operator-checking")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("先为分机清卡")).to_be_visible()
    expect(dialog.get_by_role("button", name="确定")).to_be_disabled()
    expect(page.locator("#checks")).to_contain_text("一项未通过")
    page.get_by_label("管理员密码").fill("correct horse")
    answers.append(free)
    page.get_by_label("清卡类型").select_option("tax")
    expect(dialog.get_by_text("先为分机清卡")).to_have_count(0)
    expect(dialog.get_by_role("button", name="确定")).to_be_enabled()
    sent = [body for method, where, body in site.requests if (method, where) == ("POST", path)]
    assert len(sent) == 2
    assert "kind=tax" in sent[1]
    assert "password" not in "".join(sent)


def test_the_clearing_date_follows_the_time_it_is_scheduled_for(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/operator-dialog")
    page.get_by_text("定时与高峰时段").click()
    page.get_by_label("定时执行").fill("2027-01-05T22:30")
    expect(page.get_by_label("清卡日期")).to_have_value("2027-01-05")


def test_without_a_script_a_button_asks_for_the_preview(site: Site, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/operator-dialog")
    page.get_by_role("button", name="预览").click()
    page.wait_for_url("**/clearing/operators/o0/preview")
    context.close()
    assert site.sent("POST") == ["/clearing/operators/o0/preview"]


def test_a_refused_form_shows_the_dialog_again_at_the_first_wrong_field(
    site: Site, page: Page
) -> None:
    page.goto(f"{site.url}/operator-invalid")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_label("联系电话")).to_be_focused()


def test_without_a_script_the_dialog_is_a_section_and_cancel_leaves_it(
    site: Site, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/operator-dialog?confirm=1")
    page.get_by_label("管理员密码").fill("correct horse")
    page.get_by_role("button", name="取消").click()
    page.wait_for_url("**/operator-dialog?")
    assert site.sent("POST") == []
    context.close()


def test_slash_focuses_the_search_and_typing_swaps_the_rows(site: Site, page: Page) -> None:
    site.answers["/clearing"] = lambda: ("<p id='hit'>只有王晓梅</p>", "text/html; charset=utf-8")
    page.goto(f"{site.url}/list")
    page.keyboard.press("/")
    box = page.get_by_label("搜索操作员")
    expect(box).to_be_focused()
    box.fill("wxm")
    expect(page.locator("#hit")).to_be_visible()
    asked = [(path, fragment) for _, path, fragment in site.requests if fragment]
    assert asked == [("/clearing?q=wxm&limit=50", "rows")]
    assert page.url.endswith("/clearing?q=wxm&limit=50")
    link = page.get_by_role("link", name="待清卡", exact=True)
    assert "q=wxm" in str(link.get_attribute("href"))


def _events() -> str:
    steps = [
        ("stage", {"name": "clear", "state": "done", "message": "3 类完成"}),
        ("stage", {"name": "done", "state": "running", "message": "读取设备核对"}),
        (
            "progress",
            {"progress": 90, "message": "正在核对锁死日期", "elapsed_seconds": 70}
            | {"lines": [{"at": "2026-12-09T02:44:00Z", "text": "读取设备", "level": "info"}]},
        ),
    ]
    return "retry: 60000\n\n" + "".join(
        f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in steps
    )


def test_progress_is_shown_live_and_nothing_moves(site: Site, page: Page) -> None:
    path = "/api/v1/clearing-requests/q1/events"
    gate = threading.Event()

    def answer() -> tuple[str, str]:
        gate.wait(10)
        return _events(), "text/event-stream"

    site.answers[path] = answer
    page.goto(f"{site.url}/request-running")
    facts = page.get_by_role("heading", name="本次清卡")
    before = facts.bounding_box()
    gate.set()
    expect(page.get_by_role("progressbar")).to_have_js_property("value", 90)
    expect(page.locator("[data-stage=clear]")).to_have_attribute("data-state", "done")
    expect(page.locator("[data-stage=done]")).to_have_attribute("aria-current", "step")
    expect(page.locator("[data-message]")).to_have_text("正在核对锁死日期")
    expect(page.locator("[data-log] li").first).to_have_text("10:44:00读取设备")
    assert facts.bounding_box() == before


def test_the_end_of_a_clearing_shows_its_result(
    site: Site, page: Page, pages: dict[str, str]
) -> None:
    path = "/api/v1/clearing-requests/q1/events"
    end = f"event: end\ndata: {json.dumps({'state': 'succeeded'})}\n\n"
    site.answers[path] = lambda: (end, "text/event-stream")
    seen = iter([pages["request-running"], pages["request-succeeded"]])
    site.answers["/one"] = lambda: (next(seen), "text/html; charset=utf-8")
    page.goto(f"{site.url}/one")
    expect(page.get_by_role("heading", name="清卡成功")).to_be_visible()


def test_a_stream_refused_is_said_and_asked_for_again_until_it_comes(
    site: Site, context: BrowserContext
) -> None:
    """The server is away, then only the stream is; both times the page finds back by itself."""
    tries: list[str] = []
    event = {"name": "progress", "id": "7-1"}
    event["data"] = {"progress": 90, "message": "正在核对", "elapsed_seconds": 70, "lines": []}  # type: ignore[assignment]
    site.answers["/clearing/requests/q1/now"] = lambda: (
        json.dumps({"events": [event]}),
        "application/json",
    )
    page = context.new_page()

    def refuse(route: Route) -> None:
        tries.append(route.request.url)
        route.fulfill(status=503, body="")

    page.route("**/now*", refuse)
    page.route("**/events*", refuse)
    page.goto(f"{site.url}/request-running")
    expect(page.get_by_text("连接中断，正在重连")).to_be_visible()
    assert page.title().startswith("清卡中")
    page.unroute("**/now*")
    expect(page.locator("[data-message]")).to_have_text("正在核对")
    expect(page.get_by_text("连接中断，正在重连")).to_be_visible()
    page.unroute("**/events*")
    path = "/api/v1/clearing-requests/q1/events"
    site.answers[path] = lambda: (_events() + "retry: 60000\n\n", "text/event-stream")
    expect(page.locator("[data-message]")).to_have_text("正在核对锁死日期")
    last = next(one for one in reversed(site.sent("GET")) if path in one)
    assert "after=7-1" in last, "it goes on where it was"


def test_a_session_that_ended_stops_the_page_and_says_so(
    site: Site, context: BrowserContext
) -> None:
    page = context.new_page()
    page.route("**/events*", lambda route: route.fulfill(status=401, body=""))
    page.route("**/now*", lambda route: route.fulfill(status=401, body=""))
    page.goto(f"{site.url}/request-running")
    expect(page.get_by_text("登录已失效，或已没有查看的权限")).to_be_visible()


def test_another_state_changes_the_page_in_place_and_leaves_an_open_dialog_alone(
    site: Site, page: Page, pages: dict[str, str]
) -> None:
    path = "/api/v1/clearing-requests/q1/events"
    gate = threading.Event()

    def answer() -> tuple[str, str]:
        gate.wait(10)
        state = {"state": "running", "final": False}
        return f"event: state\ndata: {json.dumps(state)}\n\n", "text/event-stream"

    site.answers[path] = answer
    site.answers["/clearing/requests/q1/now"] = lambda: ('{"events": []}', "application/json")
    seen = iter([pages["request-submitted"]])
    site.answers["/one"] = lambda: (
        next(seen, pages["request-running"]),
        "text/html; charset=utf-8",
    )
    page.goto(f"{site.url}/one")
    assert page.title().startswith("待审核")
    page.evaluate("window.same = true")
    page.get_by_role("button", name="驳回").click()
    page.get_by_role("textbox", name="驳回原因").fill("缺少附件")
    gate.set()
    expect(page.locator("[data-stage=clear]")).to_be_attached()
    expect(page).to_have_title(re.compile("清卡中"))
    expect(page.get_by_role("textbox", name="驳回原因")).to_have_value("缺少附件")
    expect(page.get_by_role("textbox", name="驳回原因")).to_be_focused()
    assert page.evaluate("window.same"), "not loaded anew"


def test_help_filters_while_typing(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/help")
    page.get_by_label("查找代码").fill("未申报")
    expect(page.get_by_text("bureau.not_filed", exact=True)).to_be_visible()
    expect(page.get_by_text("device.busy", exact=True)).to_be_hidden()


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_no_page_is_wider_than_the_screen(site: Site, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for source in ("clearing-requests/q1/events", "devices/events"):
        site.answers[f"/api/v1/{source}"] = lambda: ("", "text/event-stream")
    too_wide = []
    for name in site.pages:
        page.goto(f"{site.url}/{name}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            too_wide.append(name)
    assert too_wide == []


def test_the_menu_opens_on_a_phone(site: Site, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{site.url}/home")
    nav = page.get_by_role("navigation", name="主导航")
    expect(nav).to_be_hidden()
    page.get_by_role("button", name="菜单").click()
    expect(nav).to_be_visible()
    page.keyboard.press("Escape")
    expect(nav).to_be_hidden()
