"""The printed certificate (清卡凭证): A4, with the code that proves it as text and as QR code.

STSong-Light is one of the Chinese fonts every PDF reader brings along (Adobe-GB1), so no font file is
needed. The same data printed at the same time gives the same bytes.
"""

import io
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from xml.sax.saxutils import escape

import segno
from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from app.clearing.figure_lines import FigureLine
from app.core.clock import local
from app.core.money import yuan
from app.invoices.figures import Sum
from app.records.certificate import Certificate, TypeLine

FONT: Final = "STSong-Light"
QR_SIZE: Final = 32 * mm


def render(certificate: Certificate, *, printed_at: datetime) -> bytes:
    """The PDF."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        invariant=1,
        pageCompression=1,
        title="清卡凭证",
        author="清卡管理",
        leftMargin=22 * mm,
        rightMargin=22 * mm,
        topMargin=14 * mm,
        bottomMargin=12 * mm,
    )
    mark = _mark_simulated if certificate.simulated else _leave_plain
    document.build(_story(certificate, printed_at), onFirstPage=mark, onLaterPages=mark)
    return buffer.getvalue()


def _style(size: float, **more: Any) -> ParagraphStyle:
    return ParagraphStyle(
        "", fontName=FONT, fontSize=size, leading=size * 1.5, wordWrap="CJK", **more
    )


_TITLE = _style(24, alignment=TA_CENTER, spaceAfter=2 * mm)
_LEAD = _style(9.5, alignment=TA_CENTER, textColor=colors.HexColor("#555555"), spaceAfter=6 * mm)
_TERM = _style(10, textColor=colors.HexColor("#555555"))
_VALUE = _style(10.5)
_CODE = _style(13)
_CELL = _style(8)
_CELL_TERM = _style(8, textColor=colors.HexColor("#555555"))
_NUMBER = _style(8, alignment=TA_RIGHT)
_SMALL = _style(9, textColor=colors.HexColor("#555555"))

_ITEMS = {"positive": "正数", "red": "红字", "void": "作废（不计入）", "net": "净额"}

_GRID = TableStyle(
    [
        ("GRID", (0, 0), (-1, -1), 0.5, colors.HexColor("#999999")),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
    ]
)
_HEADED = TableStyle([*_GRID.getCommands(), ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke)])


def _story(certificate: Certificate, printed_at: datetime) -> list[Flowable]:
    lead = "模拟设备的清卡结果，不具有任何效力" if certificate.simulated else "税控设备清卡结果证明"
    return [
        _paragraph("清卡凭证", _TITLE),
        _paragraph(lead, _LEAD),
        _facts(certificate.facts),
        Spacer(0, 5 * mm),
        _types(certificate.types),
        *([Spacer(0, 5 * mm), _figures(certificate.figures)] if certificate.figures else []),
        Spacer(0, 5 * mm),
        _proof(certificate, printed_at),
    ]


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(text), style)


def _facts(facts: Sequence[tuple[str, str]]) -> Table:
    rows = [[_paragraph(term, _TERM), _paragraph(value or "—", _VALUE)] for term, value in facts]
    return Table(rows, colWidths=[38 * mm, 128 * mm], style=_GRID)


def _types(types: Sequence[TypeLine]) -> Table:
    head = [_paragraph(words, _TERM) for words in ("发票类型", "清卡前锁死日期", "清卡后锁死日期")]
    rows = [
        [
            _paragraph(line.invoice_type, _VALUE),
            _paragraph(_day(line.lock_date_before), _VALUE),
            _paragraph(_day(line.lock_date_after), _VALUE),
        ]
        for line in types
    ]
    return Table([head, *rows], colWidths=[78 * mm, 44 * mm, 44 * mm], style=_HEADED, repeatRows=1)


def _figures(lines: Sequence[FigureLine]) -> Table:
    """Both sides in columns; nets in words of their own, differences named."""
    over = ["", "", "设备统计（清卡前读取）", "", "", "台账", "", ""]
    names = ["票种", "项目", *("份数", "金额（元）", "税额（元）") * 2]
    head = [[_paragraph(words, _CELL_TERM) for words in row] for row in (over, names)]
    body = [
        [
            _paragraph(line.invoice_type or "全部", _CELL),
            _paragraph(_ITEMS[line.item] + ("（不符）" if line.differs else ""), _CELL),
            *_side(line.device),
            *_side(line.ledger),
        ]
        for line in lines
    ]
    widths = [12 * mm, 28 * mm, *(13 * mm, 27 * mm, 23 * mm) * 2]
    style = TableStyle(
        [
            *_GRID.getCommands(),
            ("BACKGROUND", (0, 0), (-1, 1), colors.whitesmoke),
            ("SPAN", (2, 0), (4, 0)),
            ("SPAN", (5, 0), (7, 0)),
            ("SPAN", (0, 0), (1, 0)),
            ("TOPPADDING", (0, 0), (-1, -1), 1),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        ]
    )
    return Table([*head, *body], colWidths=widths, style=style, repeatRows=2)


def _side(side: Sum | None) -> list[Paragraph]:
    if side is None:
        return [_paragraph("—", _NUMBER)] * 3
    texts = (f"{side.count:,}", yuan(side.amount), yuan(side.tax))
    return [_paragraph(text, _NUMBER) for text in texts]


def _proof(certificate: Certificate, printed_at: datetime) -> Table:
    words = [
        _paragraph("验证码", _TERM),
        *(_paragraph(line, _CODE) for line in _halves(certificate.code)),
        Spacer(0, 2 * mm),
        _paragraph(
            "在“清卡记录 → 验证凭证”输入验证码，或扫描二维码，可核对本凭证与系统内的记录。", _SMALL
        ),
        _paragraph(f"打印时间 {local(printed_at):%Y-%m-%d %H:%M:%S}（北京时间）", _SMALL),
    ]
    style = TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)])
    return Table([[words, _Qr(certificate.address)]], colWidths=[128 * mm, 38 * mm], style=style)


def _halves(code: str) -> list[str]:
    """The code on two lines, broken between groups."""
    groups = code.split("-")
    middle = len(groups) // 2
    return ["-".join(groups[:middle]), "-".join(groups[middle:])]


def _day(day: date | None) -> str:
    return "—" if day is None else day.isoformat()


class _Qr(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A QR code drawn as squares, error correction M."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.width = self.height = QR_SIZE
        self._modules = [list(row) for row in segno.make(text, error="m").matrix_iter(border=0)]

    def draw(self) -> None:
        """Called by reportlab with the origin at the lower left corner."""
        side = QR_SIZE / len(self._modules)
        self.canv.setFillColor(colors.black)
        for line, row in enumerate(self._modules):
            for column, dark in enumerate(row):
                if dark:
                    top = QR_SIZE - (line + 1) * side
                    self.canv.rect(column * side, top, side, side, stroke=0, fill=1)


def _mark_simulated(canvas: Any, document: Any) -> None:
    """模拟 across the page, behind everything."""
    canvas.saveState()
    canvas.setFont(FONT, 190)
    canvas.setFillColor(colors.HexColor("#F3C9C9"))
    canvas.translate(A4[0] / 2, A4[1] / 2)
    canvas.rotate(45)
    canvas.drawCentredString(0, -70, "模拟")
    canvas.restoreState()


def _leave_plain(canvas: Any, document: Any) -> None:
    """A real device's page has nothing behind it."""
