"""The trail as JSON Lines with proof, to be checked by `app.audit.offline` far from this system.

First line: a header with the signed checkpoint all proofs lead to. Then one line per record. Last
line: how many there were. A complete export proves itself by the chain and the root; an excerpt
carries with each record the Merkle path to the checkpoint's root.
"""

import base64
import json
from collections.abc import Iterator

from app.audit.canonical import moment, record_bytes
from app.audit.checkpoint import ORIGIN, Signer
from app.audit.models import AuditRecord
from app.audit.queries import AuditFilter, oldest_first
from app.audit.tree import RecordTree, current
from app.core.db import Session

FORMAT = "qingka-audit-export/1"


def export_lines(session: Session, signer: Signer, wanted: AuditFilter) -> Iterator[str]:
    """The lines, each with its line feed. Memory does not grow with the trail."""
    signed = current(session, signer)
    size = signed.checkpoint.size
    complete = wanted.is_empty()
    header = {
        "format": FORMAT,
        "origin": ORIGIN,
        "size": size,
        "complete": complete,
        "checkpoint": signed.text,
        "key": signer.verifier_key,
    }
    yield _line(header)
    tree = RecordTree(session, size)
    count = 0
    for record in oldest_first(session, wanted, until=size):
        count += 1
        yield _record_line(record, None if complete else tree.inclusion(record.seq))
    yield _line({"records": count})


def _record_line(record: AuditRecord, proof: list[bytes] | None) -> str:
    """The canonical bytes stand in the line as they are."""
    path = "" if proof is None else f',"proof":{_line(_encoded(proof)).rstrip()}'
    return (
        f'{{"record":{canonical(record).decode()},"prev_hash":"{record.prev_hash}"'
        f',"hash":"{record.hash}"{path}}}\n'
    )


def canonical(record: AuditRecord) -> bytes:
    """The bytes that were hashed for this record."""
    return record_bytes(
        seq=record.seq,
        at=moment(record.at),
        actor_kind=record.actor_kind,
        actor_id=record.actor_id,
        actor_name=record.actor_name,
        action=record.action,
        object_type=record.object_type,
        object_id=record.object_id,
        ip=record.ip,
        details=record.details,
        version=record.version,
        algorithm=record.algorithm,
    )


def _encoded(proof: list[bytes]) -> list[str]:
    return [base64.b64encode(node).decode() for node in proof]


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
