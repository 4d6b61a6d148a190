"""Every page, filled: strict CSP, one h1, headings in order, labels, ids, links, weight."""

import itertools
import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

from app.settings import ROOT

VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
MARKUP_ROOT_CLOSED = {"p", "li"}
PAGE_LIMIT = 60_000
"""Bytes of a page with its styles and scripts (CONTRIBUTING.md, How we write)."""


class Page(HTMLParser):
    """The elements of a page in order, with the text inside labels, buttons and headings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[int, str] = {}
        self.inside: dict[int, list[str]] = {}
        self.errors: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, {name: value or "" for name, value in attrs})
        self.inside[len(self.elements)] = [name for name, _ in self.open]
        self.elements.append(element)
        if tag not in VOID:
            self.open.append((tag, {"index": str(len(self.elements) - 1)}))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1][0] != tag:
            self.errors.append(f"</{tag}> closes {self.open[-1:] or 'nothing'}")
            return
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for _, place in self.open:
            index = int(place["index"])
            self.texts[index] = self.texts.get(index, "") + data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.elements if name == tag]


def test_tags_are_balanced(pages: dict[str, str], page_name: str) -> None:
    page = Page(pages[page_name])
    assert page.errors == []
    assert page.open == []


def test_nothing_inline_that_the_policy_refuses(pages: dict[str, str], page_name: str) -> None:
    page = Page(pages[page_name])
    for tag, attrs in page.elements:
        assert "style" not in attrs, (tag, attrs)
        assert tag != "style"
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
        assert not attrs.get("href", "").startswith("javascript:")
    for script in page.all("script"):
        assert script.get("type") == "module"
        assert script["src"].startswith("/static/js/")


def test_everything_comes_from_this_server(pages: dict[str, str], page_name: str) -> None:
    """A link that a person follows elsewhere loads nothing; it has to keep our address to itself."""
    for tag, attrs in Page(pages[page_name]).elements:
        if tag == "a" and attrs.get("rel") == "noreferrer":
            continue
        for name in ("src", "href", "action"):
            assert not urlsplit(attrs.get(name, "")).netloc, (tag, attrs)
        assert attrs.get("action", "/") != "", (tag, "an empty action is invalid")


def test_one_h1_and_headings_in_order(pages: dict[str, str], page_name: str) -> None:
    page = Page(pages[page_name])
    levels = [
        int(tag[1])
        for index, (tag, _) in enumerate(page.elements)
        if re.fullmatch(r"h[1-6]", tag) and "nav" not in page.inside[index]
    ]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_control_has_a_name(pages: dict[str, str], page_name: str) -> None:
    page = Page(pages[page_name])
    labelled = {attrs["for"] for attrs in page.all("label") if "for" in attrs}
    for index, (tag, attrs) in enumerate(page.elements):
        if tag not in ("input", "select", "textarea") or attrs.get("type") == "hidden":
            continue
        named = (
            attrs.get("id") in labelled or attrs.get("aria-label") or "label" in page.inside[index]
        )
        assert named, attrs
        assert attrs.get("name") or "data-pick-all" in attrs, attrs


def test_buttons_and_links_have_words(pages: dict[str, str], page_name: str) -> None:
    page = Page(pages[page_name])
    for index, (tag, attrs) in enumerate(page.elements):
        if tag in ("a", "button"):
            assert page.texts.get(index, "").strip(), attrs


def test_ids_are_unique_and_references_lead_somewhere(
    pages: dict[str, str], page_name: str
) -> None:
    page = Page(pages[page_name])
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in page.elements:
        for name in ("for", "form", "aria-labelledby", "popovertarget", "data-dialog"):
            assert attrs.get(name, ids[0]) in ids, (tag, name, attrs)
        for reference in attrs.get("aria-describedby", "").split():
            assert reference in ids, (tag, attrs)


def test_changes_are_posted_and_passwords_are_never_shown(
    pages: dict[str, str], page_name: str
) -> None:
    page = Page(pages[page_name])
    for form in page.all("form"):
        assert form.get("method") in ("get", "post"), form
        if form.get("method") == "post" and form.get("action") != "/logout":
            assert "data-once" in form, form
    for field in page.all("input"):
        if field.get("type") == "password":
            assert "value" not in field
            # What other services have given: the browser's own password has no place there.
            given = field.get("name") in ("smtp_password", "secret")
            wanted = "new-password" if given else "current-password"
            assert field.get("autocomplete") == wanted


def test_safe_button_has_the_focus_in_every_dialog(pages: dict[str, str], page_name: str) -> None:
    page = Page(pages[page_name])
    dialogs = len(page.all("dialog"))
    focused = [attrs for attrs in page.all("button") if "autofocus" in attrs]
    assert len(focused) == dialogs
    assert all("data-close" in attrs for attrs in focused)


def test_titles_differ(pages: dict[str, str], page_name: str) -> None:
    title = re.search(r"<title>(.*?)</title>", pages[page_name])
    assert title is not None
    assert re.fullmatch(r".+ · 清卡管理", title.group(1))


def test_words_people_look_for(pages: dict[str, str]) -> None:
    dialog = Page(pages["operator-dialog"])
    words = " ".join(dialog.texts.values())
    for word in [
        "清卡方式",
        "清卡类型",
        "清卡范围",
        "属期",
        "清卡日期",
        "申请原因",
        "联系人",
        "联系电话",
        "管理员密码",
        "取消",
        "确定",
        "清卡操作",
        "常规清卡",
        "首次清卡",
        "更新清卡",
        "税控设备清卡",
        "税务清卡",
        "全面清卡",
        "部分清卡",
        "退出登录",
    ]:
        assert word in words
    assert "清卡成功" in pages["request-succeeded"]
    assert 'aria-label="搜索操作员"' in pages["list"]
    for stage in ("初始化", "数据备份", "执行清卡", "完成"):
        assert stage in pages["request-running"]


def test_the_dialog_sends_the_agreed_names(pages: dict[str, str]) -> None:
    names = {
        attrs["name"]
        for tag, attrs in Page(pages["operator-dialog"]).elements
        if tag in ("input", "select", "textarea") and "name" in attrs
    }
    assert names == {
        "mode",
        "kind",
        "scope",
        "invoice_types",
        "period",
        "clearing_date",
        "reason",
        "contact_name",
        "contact_phone",
        "password",
        "form_mark",
        "key",
        "scheduled_for",
        "override_window",
        "exceptional",
        "checklist",
        "previewed",
    }


def test_input_is_kept_and_messages_stand_by_their_fields(pages: dict[str, str]) -> None:
    page = Page(pages["operator-invalid"])
    by_id = {attrs["id"]: attrs for _, attrs in page.elements if "id" in attrs}
    assert by_id["pw"]["aria-invalid"] == "true"
    assert "pw-error" in by_id["pw"]["aria-describedby"]
    assert by_id["contact_phone"]["aria-describedby"] == "contact_phone-error"
    assert by_id["contact_phone"]["value"] == "025-84110021"
    assert "月末补办" in pages["operator-invalid"]
    chosen = [attrs["value"] for attrs in page.all("input") if "checked" in attrs]
    assert chosen == ["007"]


def test_without_the_right_to_execute_the_form_is_a_request(pages: dict[str, str]) -> None:
    assert "提交清卡申请" in pages["operator-new"]
    assert not [a for a in Page(pages["operator-new"]).all("input") if a.get("type") == "password"]


def test_text_of_others_is_escaped(pages: dict[str, str]) -> None:
    from app.core.templating import environment

    hostile = '<img src=x onerror="x">'
    macros = environment().get_template("macros.html").module
    for html in (
        macros.field("a", hostile, hostile, error=hostile),  # type: ignore[attr-defined]
        macros.note("warn", hostile),  # type: ignore[attr-defined]
        macros.mark("ok", hostile),  # type: ignore[attr-defined]
        macros.checkboxes("a", "b", [(hostile, hostile)], error=hostile),  # type: ignore[attr-defined]
    ):
        assert "<img" not in html


def _assets(html: str) -> int:
    names = set(re.findall(r'(?:src|href)="/static/([^"?]+)', html)) | {"img/icons.svg"}
    return sum((ROOT / "static" / name).stat().st_size for name in names)


def test_a_page_is_light(pages: dict[str, str]) -> None:
    for name in ("home", "list", "operator", "request-running", "devices", "requests"):
        html = pages[name]
        assert len(html.encode()) + _assets(html) < PAGE_LIMIT, name
