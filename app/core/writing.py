"""How a template writes a value: escaped as ever, but a text that needs no escaping is not made into markup first.

Jinja makes a Markup of everything it escapes, only to join it to a text; on a page of a list that is most of
the time of rendering.
"""

import re
from typing import Any

from jinja2 import Environment, nodes
from jinja2.compiler import CodeGenerator, Frame
from markupsafe import Markup, escape

_special = re.compile(r"[&<>'\"]").search


def written(value: Any) -> str:
    """The value as it stands in HTML, the same as `str(markupsafe.escape(value))`."""
    if type(value) is Markup:
        return value
    if type(value) is str and not _special(value):
        return value
    return escape(value)


class _Code(CodeGenerator):
    def _output_child_pre(
        self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo
    ) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.written(")


class QuickEnvironment(Environment):
    """An environment whose templates write values by `written`."""

    code_generator_class = _Code
    written = staticmethod(written)
