"""未核对: a pre-check that nothing has looked at is kept, counted and shown as such."""

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from app import prechecks
from app.clearing import queries
from app.core.templating import environment
from app.prechecks import Check, Severity, kept_checks
from app.prechecks.contexts import CheckItem

if TYPE_CHECKING:
    from tests.office import Office

CHECKS = (
    Check("device.connected", Severity.OK, "设备已连接"),
    Check("bureau.filed", Severity.UNKNOWN, "抄报后由税务端核对申报与比对"),
)


def test_it_is_kept_with_the_request(any_office: "Office") -> None:
    """The database knows the word, and no other."""
    request_id = any_office.submit(any_office.operator())
    any_office.change(
        request_id,
        lambda session, request: kept_checks.keep(session, request, CHECKS, at=any_office.clock()),
    )
    with any_office.database.reading() as session:
        kept = queries.checks.newest_of_request(session, request_id)
        assert [one.severity for one in kept] == [Severity.OK, Severity.UNKNOWN]
        assert not kept[1].accepted
    green = sa.text("UPDATE clearing_checks SET severity = 'green'")
    with pytest.raises(sa.exc.IntegrityError), any_office.database.transaction() as session:
        session.execute(green)


def test_it_stands_in_nobodys_way() -> None:
    assert prechecks.is_ok(CHECKS)


def test_the_panel_counts_it_apart_from_what_passed() -> None:
    panel = environment().get_template("prechecks/panel.html")
    items = [CheckItem(one.severity, one.message) for one in CHECKS]
    html = panel.render(checks=items)
    assert "1 项通过" in html
    assert "1 项未核对" in html
    assert "全部通过" not in html
    passed = panel.render(checks=items[:1])
    assert "全部通过" in passed
    assert "未核对" not in passed
