"""Personal settings: a full clearing resets them, a restore brings exactly them back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.accounts.principal import SYSTEM
from app.backups import preferences
from app.backups import service as backups
from app.backups.models import BackupKind
from app.backups.service import Content
from app.core.clock import utc_now
from app.core.db import Database
from app.operators import service as operators_service
from app.operators.models import Operator

NewOperator = Callable[[Database], UUID]
SETTINGS = {"默认票种": "007", "打印偏移": "3,-2"}


@pytest.fixture
def operator_id(any_database: Database) -> UUID:
    """An operator with personal settings."""
    from app.enterprises.models import Enterprise

    now = utc_now()
    with any_database.transaction() as session:
        enterprise = Enterprise(
            tax_no="91420111LQHQ3ULKA4", name="企业", created_at=now, updated_at=now
        )
        session.add(enterprise)
        session.flush()
        operator = Operator(
            code="KP1",
            name="王晓梅",
            enterprise_id=enterprise.id,
            preferences=SETTINGS,
            created_at=now,
            updated_at=now,
        )
        session.add(operator)
        return operator.id


def _backup(database: Database, root: Path, operator_id: UUID) -> Any:
    content = Content(
        kind=BackupKind.ON_DEMAND,
        name="settings",
        tables=(preferences.table(operator_id),),
        operator_id=operator_id,
    )
    return backups.create(database, root, content, actor=SYSTEM.actor, clock=utc_now)


def test_what_was_reset_comes_back(
    any_database: Database, tmp_path: Path, operator_id: UUID
) -> None:
    backup = _backup(any_database, tmp_path / "b", operator_id)
    with any_database.transaction() as session:
        operator = session.get_one(Operator, operator_id)
        assert preferences.is_backed_up(session, backup, operator)
        operators_service.reset_preferences(session, operator_id)
    with any_database.transaction() as session:
        session.get_one(Operator, operator_id).preferences = {"新的": "1", "默认票种": "004"}
    where = tmp_path / "b"
    plan = backups.preview(any_database, where, backup.id)
    assert plan.preferences_returning == 2
    done = backups.restore(any_database, where, backup.id, actor=SYSTEM.actor, clock=utc_now)
    assert done.preferences_returning == 2
    with any_database.reading() as session:
        assert session.get_one(Operator, operator_id).preferences == {"新的": "1", **SETTINGS}
    again = backups.restore(any_database, where, backup.id, actor=SYSTEM.actor, clock=utc_now)
    assert again.preferences_returning == 0


def test_settings_changed_since_are_not_what_the_backup_holds(
    any_database: Database, tmp_path: Path, operator_id: UUID
) -> None:
    backup = _backup(any_database, tmp_path / "b", operator_id)
    with any_database.transaction() as session:
        session.get_one(Operator, operator_id).preferences = {**SETTINGS, "打印偏移": "0,0"}
    with any_database.reading() as session:
        operator = session.get_one(Operator, operator_id)
        assert not preferences.is_backed_up(session, backup, operator)
