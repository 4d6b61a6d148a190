"""Actions have stable names and Chinese labels."""

import re

from app.audit.actions import LABELS, AuditAction


def test_every_action_has_a_label() -> None:
    assert set(LABELS) == set(AuditAction)
    assert all(re.search(r"[\u4e00-\u9fff]", label) for label in LABELS.values())


def test_labels_are_told_apart() -> None:
    assert len(set(LABELS.values())) == len(LABELS)


def test_names_are_subject_and_verb() -> None:
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+", action.value) for action in AuditAction)
    assert max(len(action.value) for action in AuditAction) <= 64
