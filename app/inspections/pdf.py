"""An inspection's report as PDF.

STSong-Light is one of the Chinese fonts every PDF reader brings along (Adobe-GB1): no font file is needed.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from app.core.clock import local
from app.inspections.section import Section, Severity

FONT: Final = "STSong-Light"
WIDTH: Final = A4[0] - 36 * mm
WORDS = {Severity.OK: "正常", Severity.WARNING: "需留意", Severity.BLOCKING: "需处理"}
_COLOURS = {Severity.OK: "#1a7f37", Severity.WARNING: "#9a6700", Severity.BLOCKING: "#cf222e"}


@dataclass(frozen=True, slots=True)
class Report:
    """What is printed."""

    title: str
    made_at: datetime
    made_for: str
    sections: Sequence[Section]


def render(report: Report) -> bytes:
    """The PDF; the same report gives the same bytes."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        invariant=1,
        title=report.title,
        author="清卡管理",
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=18 * mm,
        bottomMargin=18 * mm,
    )
    story: list[Flowable] = [
        _paragraph(report.title, _TITLE),
        _paragraph(f"{local(report.made_at):%Y-%m-%d %H:%M} · {report.made_for}", _SMALL),
    ]
    for section in report.sections:
        story += _section(section)
    document.build(story)
    return buffer.getvalue()


def _style(size: float, **more: Any) -> ParagraphStyle:
    return ParagraphStyle(
        "", fontName=FONT, fontSize=size, leading=size * 1.5, wordWrap="CJK", **more
    )


_TITLE = _style(20, spaceAfter=2 * mm)
_HEAD = _style(13, spaceBefore=6 * mm, spaceAfter=1 * mm)
_TEXT = _style(10)
_SMALL = _style(9, textColor=colors.HexColor("#555555"))
_CELL = _style(8)


def _section(section: Section) -> list[Flowable]:
    mark = f'<font color="{_COLOURS[section.severity]}">{WORDS[section.severity]}</font>'
    parts: list[Flowable] = [
        Paragraph(f"{escape(section.title)}　{mark}", _HEAD),
        _paragraph(section.summary, _TEXT),
    ]
    if section.remedy:
        parts.append(_paragraph(f"怎么办：{section.remedy}", _SMALL))
    if section.rows:
        parts += [Spacer(1, 2 * mm), _table(section)]
    if section.left_out:
        parts.append(_paragraph(f"另有 {section.left_out} 行未列出", _SMALL))
    return parts


def _table(section: Section) -> Table:
    lines = [section.columns, *section.rows]
    cells = [[_paragraph(cell, _CELL) for cell in line] for line in lines]
    table = Table(
        cells, colWidths=[WIDTH / len(section.columns)] * len(section.columns), repeatRows=1
    )
    table.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.25, colors.HexColor("#cccccc")),
                ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#f2f2f2")),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(text), style)
