"""The journal: at most once, durable, one agent at a time, and what resuming needs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.agent.assembly import build_runtime
from app.agent.config import AgentConfig, ConfigError
from app.agent.journal import Journal, OperationConflict
from app.agent.journal_writer import JournalClosed
from app.agent.recorder import JournalSteps
from app.contracts.devices import InvoiceType
from app.contracts.faults import fault
from app.contracts.operations import OperationRequest, OperationState, StepState
from app.contracts.periods import Period
from app.core.ids import new_id

NUMBER = "661814461322"
PERIOD = Period("2026-10")
TYPE = InvoiceType.ORDINARY_PAPER


def now() -> datetime:
    return datetime(2026, 11, 10, 2, 0, tzinfo=UTC)


def request(**more: Any) -> OperationRequest:
    content = {"id": new_id(), "kind": "clear", "period": PERIOD} | more
    return OperationRequest.model_validate(content)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = Journal(path, now)
    yield opened
    opened.close()


def steps_of(journal: Journal, operation_id: UUID) -> JournalSteps:
    return JournalSteps(journal, operation_id, NUMBER, PERIOD, now)


def test_an_id_is_created_once(journal: Journal) -> None:
    wanted = request()
    assert journal.create(wanted, NUMBER, simulated=False)[1] is True
    assert journal.create(wanted, NUMBER, simulated=False)[1] is False


def test_an_id_is_created_once_after_a_restart(journal: Journal, path: Path) -> None:
    wanted = request()
    journal.create(wanted, NUMBER, simulated=True)
    journal.close()
    again = Journal(path, now)
    operation, created = again.create(wanted, NUMBER, simulated=True)
    again.close()
    assert not created
    assert operation.simulated
    assert operation.state is OperationState.QUEUED


def test_an_id_is_created_once_by_fifty_at_the_same_time(journal: Journal) -> None:
    wanted = request()
    with ThreadPoolExecutor(50) as pool:
        created = list(
            pool.map(lambda _: journal.create(wanted, NUMBER, simulated=False)[1], range(50))
        )
    assert created.count(True) == 1


def test_another_content_is_a_conflict(journal: Journal) -> None:
    wanted = request()
    journal.create(wanted, NUMBER, simulated=False)
    for other in ({"kind": "report"}, {"period": "2026-09"}, {"invoice_types": ("007",)}):
        with pytest.raises(OperationConflict):
            journal.create(request(id=wanted.id, **other), NUMBER, simulated=False)
    with pytest.raises(OperationConflict):
        journal.create(wanted, "661814469241", simulated=False)


def test_who_asked_is_not_content(journal: Journal) -> None:
    wanted = request(origin="清卡申请 17")
    journal.create(wanted, NUMBER, simulated=False)
    _, created = journal.create(request(id=wanted.id, origin="重试"), NUMBER, simulated=False)
    assert not created


def test_a_second_agent_on_the_same_journal_is_refused(tmp_path: Path) -> None:
    first = build_runtime(AgentConfig(), tmp_path)
    with pytest.raises(ConfigError, match="另有一个设备代理"):
        build_runtime(AgentConfig(), tmp_path)
    first.stop()


def test_steps_survive_a_restart(journal: Journal, path: Path) -> None:
    wanted = request()
    journal.create(wanted, NUMBER, simulated=False)
    steps = steps_of(journal, wanted.id)
    steps.begin("QLJS")
    steps.end("QLJS", payload={"007": "密文"})
    steps.begin("JKHC", TYPE)
    journal.close()
    again = Journal(path, now)
    steps = steps_of(again, wanted.id)
    operation = again.find(wanted.id)
    again.close()
    assert steps.done("QLJS") == {"007": "密文"}
    assert steps.done("JKHC", TYPE) is None
    assert steps.interrupted("JKHC", TYPE)
    assert not steps.interrupted("JKHC", InvoiceType.ROLL)
    assert operation is not None
    assert [step.state for step in operation.steps] == [StepState.SUCCEEDED, StepState.RUNNING]


def test_an_unknown_step_counts_as_interrupted_until_it_is_resolved(journal: Journal) -> None:
    wanted = request()
    journal.create(wanted, NUMBER, simulated=False)
    steps = steps_of(journal, wanted.id)
    steps.begin("JKHC", TYPE)
    steps.end("JKHC", TYPE, state=StepState.UNKNOWN, device_code="3001", device_message="通讯异常")
    assert steps.interrupted("JKHC", TYPE)
    steps.end("JKHC", TYPE, message="读取确认")
    assert not steps.interrupted("JKHC", TYPE)
    assert steps.done("JKHC", TYPE) == {}
    steps.flush()
    found = journal.find(wanted.id)
    assert found is not None
    assert (found.steps[0].device_code, found.steps[0].message) == ("3001", "读取确认")


def test_an_end_is_committed_with_the_next_begin(journal: Journal) -> None:
    """Until then the step counts as interrupted, which is always safe."""
    wanted = request()
    journal.create(wanted, NUMBER, simulated=False)
    steps = steps_of(journal, wanted.id)
    steps.begin("QLJS")
    steps.end("QLJS", payload={"007": "密文"})
    assert steps_of(journal, wanted.id).interrupted("QLJS")
    steps.begin("JKHC", TYPE)
    assert steps_of(journal, wanted.id).done("QLJS") == {"007": "密文"}


def test_ending_a_step_that_was_not_begun_is_a_mistake(journal: Journal) -> None:
    wanted = request()
    journal.create(wanted, NUMBER, simulated=False)
    with pytest.raises(KeyError):
        steps_of(journal, wanted.id).end("JKHC", TYPE)


def test_recall_looks_into_earlier_operations_of_the_period(journal: Journal) -> None:
    first, second, other = request(), request(), request(period="2026-09")
    for one in (first, second, other):
        journal.create(one, NUMBER, simulated=False)
    steps = steps_of(journal, first.id)
    steps.begin("SJCB", TYPE)
    steps.end("SJCB", TYPE, payload={"fphz": "x"})
    steps.flush()
    assert steps_of(journal, second.id).recall("SJCB", TYPE) == {"fphz": "x"}
    assert steps_of(journal, second.id).recall("SJCB", InvoiceType.ROLL) is None
    elsewhere = JournalSteps(journal, other.id, NUMBER, Period("2026-09"), now)
    assert elsewhere.recall("SJCB", TYPE) is None


@pytest.mark.parametrize(
    ("state", "unfinished"), [(OperationState.FAILED, True), (OperationState.SUCCEEDED, False)]
)
def test_step_of_an_operation_that_did_not_succeed(
    journal: Journal, state: OperationState, unfinished: bool
) -> None:
    wanted = request(kind="report")
    journal.create(wanted, NUMBER, simulated=False)
    assert not journal.unfinished_step(NUMBER, PERIOD, "SJCB", TYPE)
    steps = steps_of(journal, wanted.id)
    steps.begin("SJCB", TYPE)
    steps.end("SJCB", TYPE)
    steps.flush()
    journal.save(wanted.id, state=state)
    assert journal.unfinished_step(NUMBER, PERIOD, "SJCB", TYPE) is unfinished


def test_unfinished_operations_are_taken_up_in_order(journal: Journal) -> None:
    states = [
        OperationState.QUEUED,
        OperationState.SUCCEEDED,
        OperationState.RUNNING,
        OperationState.FAILED,
        OperationState.UNKNOWN,
    ]
    wanted = [request() for _ in states]
    for one, state in zip(wanted, states, strict=True):
        journal.create(one, NUMBER, simulated=False)
        journal.save(one.id, state=state)
    assert [left.id for left in journal.unfinished()] == [wanted[i].id for i in (0, 2, 4)]
    assert journal.has_unknown(NUMBER)
    assert not journal.has_unknown("661814469241")


def test_fault_and_revision(journal: Journal) -> None:
    wanted = request()
    journal.create(wanted, NUMBER, simulated=False)
    before = journal.revision(wanted.id)
    why = fault("device.locked", device_code="09d109", device_message="已锁死")
    journal.save(wanted.id, state=OperationState.FAILED, fault=why)
    found = journal.find(wanted.id)
    assert found is not None
    assert found.fault == why
    assert journal.revision(wanted.id) > before


def test_a_closed_journal_records_nothing_more(journal: Journal) -> None:
    journal.close()
    with pytest.raises(JournalClosed):
        journal.create(request(), NUMBER, simulated=False)
    with pytest.raises(JournalClosed):
        journal.find(new_id())


def test_a_failed_write_leaves_nothing_of_it(journal: Journal) -> None:
    wanted = request()

    def broken(connection: Any) -> None:
        connection.execute("DELETE FROM operations")
        raise ZeroDivisionError

    journal.create(wanted, NUMBER, simulated=False)
    with pytest.raises(ZeroDivisionError):
        journal._writer.write(broken)
    assert journal.find(wanted.id) is not None
