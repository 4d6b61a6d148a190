"""Values are written exactly as Jinja writes them, in every place of a template."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined, UndefinedError
from markupsafe import Markup, escape

from app.core.writing import QuickEnvironment, written


class Word(StrEnum):
    SHARP = "<b>"


class Text(str):
    """A text of a type of its own."""


class Drawn:
    def __html__(self) -> str:
        return "<i>drawn</i>"


VALUES = [
    *("", "王小明", "<script>&\"'", "a & b", Markup("<b>ok</b>"), Markup("")),
    *(Word.SHARP, Text("<u>"), Drawn(), 7, -1.5, Decimal("1.20"), None, True, ["<", Markup("<")]),
]

TEMPLATE = """{% macro shown(x) %}<b title="{{ x }}">{{ x }}{{ caller() if caller is defined }}</b>{% endmacro %}
{% set block %}{{ value }}{% endset %}{{ block }}{{ shown(value) }}{{ value ~ "<" }}{{ [value, "'"] | join("&") }}
{% call shown(value) %}{{ value }}{% endcall %}{{ value if value else "<none>" }}{{ value | string | upper }}
{{ '"' }}{{ value | safe }}{% filter lower %}{{ value }}{% endfilter %}{{ "%s<" | format(value) }}"""


def _render(kind: type[Environment], value: Any) -> str:
    environment = kind(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(TEMPLATE).render(value=value)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_template_gives_the_same(value: Any) -> None:
    assert _render(QuickEnvironment, value) == _render(Environment, value)


@given(st.text())
def test_any_text_is_escaped_alike(text: str) -> None:
    assert written(text) == str(escape(text))


def test_markup_of_a_macro_is_not_escaped_twice() -> None:
    source = "{% macro m(x) %}<b>{{ x }}</b>{% endmacro %}{{ m('<') }}{{ m(m('&')) }}"
    text = QuickEnvironment(autoescape=True).from_string(source).render()
    assert text == "<b>&lt;</b><b><b>&amp;</b></b>"


def test_without_autoescape_nothing_is() -> None:
    source = "{{ x }}{% autoescape true %}{{ x }}{% endautoescape %}"
    text = QuickEnvironment().from_string(source).render(x="<")
    assert text == "<&lt;"


def test_a_missing_name_is_an_error() -> None:
    environment = QuickEnvironment(autoescape=True, undefined=StrictUndefined)
    with pytest.raises(UndefinedError):
        environment.from_string("{{ nothing }}").render()
