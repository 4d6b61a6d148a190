"""The pages of an import: upload, columns, report; and whose uploads are whose."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.principal import Permission, Principal
from app.core.db import Database, Session
from app.core.ids import new_id
from app.devices.models import Device
from app.invoices.models import Invoice
from app.invoices.pages import router as pages
from app.layout import layout

URL = "/invoices/import"
GOOD = "设备编号,发票种类,发票代码,发票号码,开票日期,金额,税额,购方名称\n661814461322,普票,3200201130,1,2026-11-20,100.10,13.01,<b>甲</b>\n"
UNKNOWN = "票,日,金额,税额\n7,20261120,10,1.30\n"


@pytest.fixture
def client(
    app: FastAPI, database: Database, add_device: Callable[[Session], Device]
) -> Iterator[TestClient]:
    app.state.layout = layout
    app.state.simulated = False
    app.include_router(pages)
    with database.transaction() as session:
        add_device(session)
    with TestClient(app, follow_redirects=False) as client:
        yield client


def upload(client: TestClient, text: str = GOOD, name: str = "开票.csv") -> str:
    answer = client.post(URL, files={"file": (name, text.encode("gb18030"))})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def numbers(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.exec(select(Invoice.number)))


def chosen(page: str) -> dict[str, str]:
    """Field → the column that is selected for it."""
    found = {}
    for name, options in re.findall(
        r'<select id="column_(\w+)".*?>(.*?)</select>', page, re.DOTALL
    ):
        selected = re.search(r'value="([^"]*)" selected', options)
        found[name] = selected[1] if selected else ""
    return found


def test_from_upload_to_report(client: TestClient, database: Database) -> None:
    assert 'type="file"' in client.get(URL).text
    where = upload(client)
    page = client.get(where).text
    assert chosen(page)["number"] == "发票号码"
    assert chosen(page)["buyer_name"] == "购方名称"
    assert chosen(page)["uploaded"] == ""
    assert "&lt;b&gt;甲&lt;/b&gt;" in page
    assert numbers(database) == []
    form = {f"column_{name}": words for name, words in chosen(page).items()}
    done = client.post(where, data={**form, "action": "import"})
    assert (done.status_code, done.headers["location"]) == (303, where)
    report = client.get(where).text
    assert "导入完成" in report
    assert "全部接受" in report
    assert numbers(database) == ["00000001"]
    again = client.post(where, data={**form, "action": "import"})
    assert again.status_code == 303
    assert numbers(database) == ["00000001"]


def test_columns_are_chosen_and_previewed_again(client: TestClient, database: Database) -> None:
    where = upload(client, UNKNOWN)
    page = client.get(where).text
    assert "没有设备编号" in page
    refused = client.post(where, data={"action": "import", "column_number": "票"})
    assert refused.status_code == 422
    assert "没有识别出“开票日期”列" in refused.text
    assert chosen(refused.text)["number"] == "票"
    form = {
        "column_number": "票",
        "column_issued_at": "日",
        "device_number": "661814461322",
        "invoice_type": "025",
        "assume_uploaded": "1",
    }
    preview = client.post(where, data={**form, "action": "preview"})
    assert preview.status_code == 200
    assert "通过" in preview.text
    assert 'value="661814461322"' in preview.text
    assert numbers(database) == []
    assert client.post(where, data={**form, "action": "import"}).status_code == 303
    assert numbers(database) == ["00000007"]


def test_refused_rows_are_listed(client: TestClient) -> None:
    where = upload(client, GOOD + "1,普票,3200201130,2,2026-11-20,1,1,x\n")
    client.post(where, data={"action": "import"})
    report = client.get(where).text
    assert "设备“1”没有登记或已注销" in report
    assert "共 1 行" in report


@pytest.mark.parametrize(
    "form",
    [{"invoice_type": "999"}, {"column_number": "没有的"}, {"column_amount": ""}],
)
def test_wrong_choices_are_said(
    client: TestClient, database: Database, form: dict[str, str]
) -> None:
    where = upload(client)
    answer = client.post(where, data={"action": "import", **form})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert numbers(database) == []


def test_without_a_file(client: TestClient) -> None:
    assert client.post(URL).status_code == 422
    empty = client.post(URL, files={"file": ("x.csv", b"")})
    assert empty.status_code == 422
    assert "文件是空的" in empty.text


def test_a_file_that_cannot_be_read(client: TestClient) -> None:
    answer = client.post(URL, files={"file": ("x.xlsx", b"PK\x03\x04x")})
    page = client.get(answer.headers["location"])
    assert page.status_code == 422
    assert "已损坏" in page.text


def test_uploads_belong_to_who_made_them(
    app: FastAPI, client: TestClient, admin: Principal
) -> None:
    where = upload(client)
    app.state.principal = replace(admin, id=new_id())
    assert client.get(where).status_code == 404
    assert client.post(where, data={"action": "import"}).status_code == 404
    app.state.principal = replace(admin, permissions=frozenset({Permission.READ}))
    assert client.get(where).status_code == 403
    assert client.get(URL).status_code == 403
    assert "导入台账" not in client.get("/invoices").text
    app.state.principal = admin
    assert client.get(where).status_code == 200
    assert "导入台账" in client.get("/invoices").text


def test_uploads_are_kept_for_a_day(
    app: FastAPI, client: TestClient, tmp_path: Path, now: datetime
) -> None:
    old = upload(client)
    app.state.clock = lambda: now + timedelta(hours=23)
    newer = upload(client)
    assert client.get(old).status_code == 200
    app.state.clock = lambda: now + timedelta(hours=25)
    upload(client)
    assert client.get(old).status_code == 404
    assert client.get(newer).status_code == 200
    assert len(list((tmp_path / "imports").iterdir())) == 2


def test_the_file_is_not_kept_after_its_import(client: TestClient, tmp_path: Path) -> None:
    where = upload(client)
    folder = tmp_path / "imports" / where.rsplit("/", 1)[1]
    assert {path.name for path in folder.iterdir()} == {"file", "upload.json"}
    client.post(where, data={"action": "import"})
    assert {path.name for path in folder.iterdir()} == {"report.json", "upload.json"}
