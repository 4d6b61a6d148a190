"""Files of all kinds: what is read from them, and what is refused before anything is written."""

import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from app.invoices.importing import files, xlsx, xml_stream
from app.invoices.importing.errors import FileRefused

ROWS = [["发票代码", "发票号码"], ["032002100311", "20117764"]]

_CONTENT_TYPES = """<?xml version="1.0"?><Types
 xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"""
_WORKBOOK = """<?xml version="1.0"?>{doctype}<workbook
 xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
 xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">
 <workbookPr{date1904}/><sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>"""
_RELATIONS = """<?xml version="1.0"?><Relationships
 xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
 <Relationship Id="rId1" Type="http://x/worksheet" Target="{target}"/></Relationships>"""
_SHEET = """<?xml version="1.0"?><worksheet
 xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData>
 </worksheet>"""

Keep = Callable[[bytes], Path]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Keeps bytes as a file."""

    def write(content: bytes) -> Path:
        path = tmp_path / "ledger"
        path.write_bytes(content)
        return path

    return write


def workbook(
    rows: str,
    *,
    doctype: str = "",
    date1904: str = "",
    strings: str = "",
    target: str = "worksheets/sheet1.xml",
) -> bytes:
    """A workbook with this XML in its sheet."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _CONTENT_TYPES)
        archive.writestr("xl/workbook.xml", _WORKBOOK.format(doctype=doctype, date1904=date1904))
        archive.writestr("xl/_rels/workbook.xml.rels", _RELATIONS.format(target=target))
        archive.writestr("xl/worksheets/sheet1.xml", _SHEET.format(rows=rows))
        if strings:
            archive.writestr("xl/sharedStrings.xml", strings)
    return buffer.getvalue()


def read(path: Path) -> list[tuple[int, tuple[str, ...]]]:
    with files.opened(path) as lines:
        return [(line.number, line.cells) for line in lines]


def refusal(path: Path) -> str:
    with pytest.raises(FileRefused) as refused:
        read(path)
    return refused.value.detail


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_text_in_every_encoding(keep: Keep, encoding: str, delimiter: str) -> None:
    text = "\r\n".join(delimiter.join(row) for row in ROWS)
    assert read(keep(text.encode(encoding))) == [(1, tuple(ROWS[0])), (2, tuple(ROWS[1]))]


def test_characters_beyond_gbk(keep: Keep) -> None:
    assert read(keep("企业\n𠮷野家\n".encode("gb18030")))[1] == (2, ("𠮷野家",))


def test_lines_are_numbered_as_an_editor_does(keep: Keep) -> None:
    text = 'a,b\n\n"two\nlines",x\n , \nlast,\n'
    assert read(keep(text.encode())) == [(1, ("a", "b")), (3, ("two\nlines", "x")), (6, ("last",))]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "空的"),
        (b"a,b\n\xff\xfe\xfa", "编码"),
        (b"a\x00b", "编码"),
        ("发票".encode() + b"\xff\xff", "编码"),
        (b'a,"unfinished\n', "CSV"),
        (b'a,"b"c\n', "CSV"),
        (b"a" * 200_000, "CSV"),
        (("x" * 2001).encode(), "2000 个字符"),
        (",".join("x" * 201).encode(), "200 列"),
    ],
)
def test_text_that_is_no_table(keep: Keep, content: bytes, words: str) -> None:
    assert words in refusal(keep(content))


def test_rows_are_counted(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_ROWS", 3)
    assert len(read(keep(b"head\n1\n2\n3\n\n"))) == 4
    assert "超过 3 行" in refusal(keep(b"head\n1\n2\n3\n4\n"))


@pytest.mark.parametrize("constant_memory", [True, False], ids=["inline", "shared"])
def test_a_workbook_as_programs_write_it(tmp_path: Path, constant_memory: bool) -> None:
    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(str(path), {"constant_memory": constant_memory}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["标题"])
        sheet.write_row(2, 1, ["号码", "日期", "金额", "是"])
        sheet.write_string(3, 1, "00000012")
        sheet.write_datetime(3, 2, datetime(2026, 11, 20, 12, 0), book.add_format())
        sheet.write_number(3, 3, 1284.5)
        sheet.write_boolean(3, 4, True)
        sheet.write_formula(4, 3, "=1+1", value=2)
        sheet.write_formula(5, 3, '=HYPERLINK("http://x")', value="")
        sheet.write_rich_string(6, 1, "a", book.add_format({"bold": True}), "b", "c")
        book.add_worksheet("other").write(0, 0, "not read")
    assert read(path) == [
        (1, ("标题",)),
        (3, ("", "号码", "日期", "金额", "是")),
        (4, ("", "00000012", "46346.5", "1284.5", "1")),
        (5, ("", "", "", "2")),
        (7, ("", "abc")),
    ]


def test_cells_without_places_stand_in_order(keep: Keep) -> None:
    rows = "<row><c><v>1</v></c><c/><c><v>3</v></c></row><row><c><v>4</v></c></row>"
    assert read(keep(workbook(rows))) == [(1, ("1", "", "3")), (2, ("4",))]


def test_an_absolute_target_is_found(keep: Keep) -> None:
    content = workbook("<row><c><v>1</v></c></row>", target="/xl/worksheets/sheet1.xml")
    assert read(keep(content)) == [(1, ("1",))]


def test_phonetic_guides_are_no_text(keep: Keep) -> None:
    strings = '<sst xmlns="x"><si><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></si></sst>'
    rows = '<row r="1"><c r="A1" t="s"><v>0</v></c></row>'
    assert read(keep(workbook(rows, strings=strings))) == [(1, ("東京",))]


def test_the_date_system_of_the_workbook(keep: Keep) -> None:
    rows = "<row><c><v>1</v></c></row>"
    assert files.date_system(keep(workbook(rows))) == 1900
    assert files.date_system(keep(workbook(rows, date1904=' date1904="1"'))) == 1904
    assert files.date_system(keep(b"a,b")) == 1900


_BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("rows", "more", "words"),
    [
        ('<row r="1"><c r="XFD1"><v>1</v></c></row>', {}, "200 列"),
        ('<row r="1"><c r="XFE1"><v>1</v></c></row>', {}, "列数过多"),
        ('<row r="1"><c r="ZZZZZZZZZZZZ1"><v>1</v></c></row>', {}, "已损坏"),
        ('<row r="1"><c r="?1"><v>1</v></c></row>', {}, "已损坏"),
        ('<row r="1"><c r="B1"><v>1</v></c><c r="A1"><v>2</v></c></row>', {}, "次序混乱"),
        (f'<row r="{"9" * 5000}"><c><v>1</v></c></row>', {}, "编号不正确"),
        ('<row r="1"><c t="s"><v>7</v></c></row>', {}, "共享文字不存在"),
        ('<row r="1"><c t="s"><v>-1</v></c></row>', {}, "编号不正确"),
        ("<row><c><v>1</v>", {}, "已损坏"),
        ("", {"doctype": _BOMB}, "文档类型"),
        ("", {"target": "worksheets/none.xml"}, "没有工作表"),
        (f"<row><c><v>{'9' * (xml_stream.MAX_TEXT + 1)}</v></c></row>", {}, "过长"),
    ],
)
def test_workbooks_that_are_refused(
    keep: Keep, rows: str, more: dict[str, str], words: str
) -> None:
    assert words in refusal(keep(workbook(rows, **more)))


def test_a_cell_far_away_takes_no_memory(keep: Keep) -> None:
    """A library that makes a rectangle of the sheet would need hundreds of gigabytes."""
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="GR1048576"><v>2</v></c></row>'
    lines = read(keep(workbook(rows)))
    assert [(number, len(cells)) for number, cells in lines] == [(1, 1), (1048576, 200)]


def test_a_zip_bomb_is_refused_by_its_size(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MAX_UNCOMPRESSED", 1 << 20)
    content = workbook(" " * (2 << 20))
    assert len(content) < 20_000
    assert "解压后" in refusal(keep(content))


def test_a_bomb_that_declares_a_small_size_is_read_no_further_than_that(
    keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx, "MAX_UNCOMPRESSED", 1 << 20)
    content = bytearray(workbook(" " * (2 << 20)))
    entry = content.rindex(b"xl/worksheets/sheet1.xml") - 46
    assert content[entry : entry + 4] == b"PK\x01\x02"
    content[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    assert "已损坏" in refusal(keep(bytes(content)))


def test_archives_that_are_no_workbooks(keep: Keep) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    assert "不是 .xlsx" in refusal(keep(buffer.getvalue()))
    assert "已损坏" in refusal(keep(b"PK\x03\x04" + b"x" * 100))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    assert "压缩方式" in refusal(keep(buffer.getvalue()))


def test_a_truncated_or_altered_workbook_is_refused(keep: Keep) -> None:
    content = workbook("".join(f"<row><c><v>{n}</v></c></row>" for n in range(1000)))
    assert refusal(keep(content[: len(content) // 2]))
    place = content.index(b"xl/worksheets/sheet1.xml") + 60
    assert refusal(keep(content[:place] + bytes(20) + content[place + 20 :]))


def test_old_workbooks_are_read_whole(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    """python-calamine reads .xls; its cells become the texts an .xlsx would hold."""
    cells = ["a", 12.0, 1284.5, True, datetime(2026, 11, 20, 12, 0), date(2026, 11, 20), ""]

    class Sheet:
        start = (2, 0)

        def iter_rows(self) -> list[list[object]]:
            return [cells]

    class Book:
        def get_sheet_by_index(self, index: int) -> Sheet:
            assert index == 0
            return Sheet()

    path = keep(bytes.fromhex("d0cf11e0a1b11ae1") + b"x" * 600)
    assert "不是可以读取的 .xls" in refusal(path)
    monkeypatch.setattr(
        "python_calamine.CalamineWorkbook.from_path", lambda path: Book(), raising=True
    )
    texts = ("a", "12", "1284.5", "1", "2026-11-20 12:00:00", "2026-11-20")
    assert read(path) == [(3, texts)]
    monkeypatch.setattr(files, "MAX_XLS_BYTES", 100)
    assert "另存为" in refusal(path)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "x"
    for start in (b"", b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1")):
        path.write_bytes(start + content)
        with suppress(FileRefused):
            assert all(cells for _, cells in read(path))
