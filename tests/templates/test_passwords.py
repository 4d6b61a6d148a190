"""Nobody is asked for a password they have not: who is no admin proves himself with 您的登录密码."""

import re
from pathlib import Path

from app.settings import ROOT

TEMPLATES = sorted(Path(ROOT / "templates").rglob("*.html"))


def test_an_admin_s_password_is_asked_for_only_where_an_admin_s_right_is_used() -> None:
    for template in TEMPLATES:
        for line in template.read_text().splitlines():
            if "管理员密码" in line:
                assert '"管理员密码" if start.by_right else "您的登录密码"' in line, template


def test_a_reviewer_proves_himself_with_his_own(pages: dict[str, str]) -> None:
    shown = [html for html in pages.values() if 'id="approve-pw"' in html]
    assert shown
    for html in shown:
        label = re.search(r'<label for="approve-pw">([^<]*)', html)
        assert label is not None
        assert label.group(1) == "您的登录密码"
