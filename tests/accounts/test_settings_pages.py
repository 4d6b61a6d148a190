"""系统设置 → 账号 and API 密钥."""

import re

import pytest
from starlette.testclient import TestClient

from app.accounts import queries
from app.accounts.models import Account
from app.accounts.principal import Role
from app.core.db import Database
from tests.accounts.conftest import PASSWORD, Browse, MakeAccount, audited

ACCOUNTS, KEYS = "/settings/accounts", "/settings/api-keys"


@pytest.fixture
def admin(browse: Browse, make_account: MakeAccount) -> TestClient:
    make_account("root", Role.ADMIN)
    return browse("root")


@pytest.fixture
def anna(make_account: MakeAccount) -> Account:
    return make_account("anna", display_name="安娜")


def shown(text: str, element: str) -> str:
    found = re.search(rf'id="{element}">([^<]+)<', text)
    assert found, text
    return found[1]


@pytest.mark.parametrize("path", [ACCOUNTS, KEYS])
@pytest.mark.parametrize("role", [Role.OPERATOR, Role.REVIEWER, Role.AUDITOR])
def test_only_for_admins(path: str, role: Role, browse: Browse, make_account: MakeAccount) -> None:
    make_account("bert", role)
    client = browse("bert")
    assert client.get(path).status_code == 403
    assert client.post(path, data={"password": PASSWORD}).status_code == 403


def test_the_list_and_its_search(admin: TestClient, anna: Account) -> None:
    text = admin.get(ACCOUNTS).text
    assert "安娜" in text
    assert "操作员" in text
    assert "安娜" not in admin.get(ACCOUNTS, params={"q": "root"}).text
    assert "没有符合条件的账号" in admin.get(ACCOUNTS, params={"q": "nobody"}).text


def test_the_list_goes_on(admin: TestClient, anna: Account) -> None:
    first = admin.get(ACCOUNTS, params={"limit": 1}).text
    found = re.search(r'href="(/settings/accounts\?[^"]*cursor=[^"]+)"', first)
    assert found
    assert "root" in admin.get(found[1].replace("&amp;", "&")).text


def test_create_shows_the_password_once(admin: TestClient, browse: Browse) -> None:
    data = {"name": "bert", "display_name": "伯特", "roles": ["reviewer"], "password": PASSWORD}
    answer = admin.post(ACCOUNTS, data=data)
    assert answer.status_code == 201
    secret = shown(answer.text, "one-time-password")
    browse("bert", password=secret)
    assert secret not in admin.get(ACCOUNTS).text


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        ({"name": "a b"}, 422, "不含空格"),
        ({"roles": []}, 422, "至少选择一个角色"),
        ({"roles": ["king"]}, 422, "没有这个角色"),
        ({"password": "wrong password"}, 422, "密码不正确"),
        ({"name": "root"}, 409, "用户名已被使用"),
    ],
)
def test_a_refused_account_opens_the_form_again(
    more: dict[str, object], status: int, message: str, admin: TestClient
) -> None:
    data = {
        "name": "bert",
        "display_name": "伯特",
        "roles": ["admin"],
        "password": PASSWORD,
        **more,
    }
    answer = admin.post(ACCOUNTS, data=data)
    assert answer.status_code == status
    assert message in answer.text
    assert 'value="伯特"' in answer.text
    assert '<dialog class="dialog" id="new-account" aria-labelledby="new-account-title" open>' in (
        answer.text
    )
    assert PASSWORD not in answer.text


def act(admin: TestClient, account: Account, action: str, **data: object) -> tuple[int, str]:
    answer = admin.post(f"{ACCOUNTS}/{account.id}/{action}", data={"password": PASSWORD, **data})
    return answer.status_code, answer.text


def test_roles(admin: TestClient, anna: Account, browse: Browse) -> None:
    client = browse("anna")
    assert act(admin, anna, "roles", roles=["auditor"])[0] == 303
    assert client.get("/api/v1/me").json()["roles"] == ["auditor"]


def test_every_action_wants_the_password(
    admin: TestClient, anna: Account, database: Database
) -> None:
    for action in ("roles", "disable"):
        status, text = act(admin, anna, action, roles=["admin"], password="wrong password")
        assert status == 422
        assert "密码不正确" in text
        assert f'id="pw-{action}-error"' in text
    assert audited(database)[-2:] == ["step_up.failed"] * 2


def test_disable_and_enable(admin: TestClient, anna: Account, browse: Browse) -> None:
    client = browse("anna")
    assert act(admin, anna, "disable")[0] == 303
    assert client.get("/api/v1/me").status_code == 401
    assert "启用账号" in admin.get(f"{ACCOUNTS}/{anna.id}").text
    assert act(admin, anna, "enable")[0] == 303
    browse("anna")


def test_one_does_not_shut_oneself_out(admin: TestClient, database: Database) -> None:
    with database.reading() as session:
        own = queries.account_by_name(session, "root")
    assert own is not None
    status, text = act(admin, own, "roles", roles=["operator"])
    assert (status, "最后一个可用的管理员" in text) == (409, True)
    assert act(admin, own, "disable")[0] == 409
    assert "停用账号" not in admin.get(f"{ACCOUNTS}/{own.id}").text


def test_reset_gives_a_one_time_password(admin: TestClient, anna: Account, browse: Browse) -> None:
    client = browse("anna")
    status, text = act(admin, anna, "reset-password")
    assert status == 200
    assert client.get("/api/v1/me").status_code == 401
    fresh = browse("anna", password=shown(text, "one-time-password"))
    assert fresh.get("/page").headers["location"] == "/account/password"


def test_unlock(admin: TestClient, anna: Account, browse: Browse) -> None:
    other = browse(ip="10.0.0.7")
    for _ in range(3):
        other.post("/login", data={"username": "anna", "password": "wrong password"})
    assert "已锁定" in admin.get(f"{ACCOUNTS}/{anna.id}").text
    assert act(admin, anna, "unlock")[0] == 303
    assert "已锁定" not in admin.get(f"{ACCOUNTS}/{anna.id}").text
    browse("anna", ip="10.0.0.7")


def test_ending_sessions(admin: TestClient, anna: Account, browse: Browse) -> None:
    client = browse("anna")
    assert "1 处" in admin.get(f"{ACCOUNTS}/{anna.id}").text
    assert act(admin, anna, "end-sessions")[0] == 303
    assert client.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    "action",
    ["roles", "disable", "enable", "unlock", "end-sessions", "remove-totp", "reset-password"],
)
def test_dialogs_work_without_a_script(action: str, admin: TestClient, anna: Account) -> None:
    act(admin, anna, "disable" if action == "enable" else "enable")
    page = admin.get(f"{ACCOUNTS}/{anna.id}", params={"confirm": action}).text
    assert re.search(rf'<dialog [^>]*id="{action}"[^>]* open>', page)


def test_a_key_is_shown_once(admin: TestClient, browse: Browse) -> None:
    data = {"name": "ERP", "scopes": ["read"], "lifetime": "30", "password": PASSWORD}
    answer = admin.post(KEYS, data=data)
    assert answer.status_code == 201
    key = shown(answer.text, "api-key")
    headers = {"Authorization": f"Bearer {key}"}
    assert browse().get("/api/v1/me", headers=headers).status_code == 200
    page = admin.get(KEYS).text
    assert key not in page
    assert "2026-12-05" in page


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"name": ""}, "名称为 1 至 64 个字符"),
        ({"scopes": []}, "至少选择一项权限"),
        ({"scopes": ["all"]}, "没有这项权限"),
        ({"lifetime": "9999999"}, "请选择有效期"),
        ({"password": ""}, "请输入密码"),
    ],
)
def test_a_refused_key_opens_the_form_again(
    more: dict[str, object], message: str, admin: TestClient
) -> None:
    data = {"name": "ERP", "scopes": ["read"], "lifetime": "30", "password": PASSWORD, **more}
    answer = admin.post(KEYS, data=data)
    assert answer.status_code == 422
    assert message in answer.text


def test_revoking(admin: TestClient, browse: Browse, database: Database) -> None:
    data = {"name": "ERP", "scopes": ["read"], "lifetime": "never", "password": PASSWORD}
    key = shown(admin.post(KEYS, data=data).text, "api-key")
    page = admin.get(KEYS).text
    assert "永不" in page
    found = re.search(r'action="(/settings/api-keys/[^"]+/revoke)"', page)
    assert found
    wrong = admin.post(found[1], data={"password": "wrong password"})
    assert wrong.status_code == 422
    assert admin.post(found[1], data={"password": PASSWORD}).status_code == 303
    headers = {"Authorization": f"Bearer {key}"}
    assert browse().get("/api/v1/me", headers=headers).status_code == 401
    assert "已吊销" in admin.get(KEYS).text
    assert audited(database)[-1] == "api_key.revoked"
