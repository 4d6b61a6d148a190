"""Walks the stored chain in order, checks every link, and holds one chunk at a time.

Reads plain tuples from the driver: a mapped object per row would cost more than the check.
"""

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from json.encoder import encode_basestring as quoted
from typing import Any

from app.audit.canonical import GENESIS
from app.core.db import Session
from app.errors import Conflict

CHUNK = 1024
_COLUMNS = (
    "seq,action,actor_id,actor_kind,actor_name,algorithm,at,details,ip,object_id,object_type,"
    "version,prev_hash,hash"
)


class ChainBroken(Conflict):
    """The record `seq` is missing, is not what was hashed, or does not follow the one before it."""

    code = "audit.chain_broken"
    title = "审计链不完整"
    remedy = "请运行“验证审计链”，保留现场并联系技术支持。"

    def __init__(self, seq: int) -> None:
        super().__init__(f"第 {seq} 条记录与链不符")
        self.seq = seq


def walk(session: Session, *, after: int, previous: str, until: int) -> Iterator[list[bytes]]:
    """Check the records `after` (excluded) to `until` (included); yields their hashes by chunk.

    `previous` is the hash of record `after` (`GENESIS` at the start). Raises ChainBroken with the
    first record that does not fit.
    """
    while after < until:
        digests = _check(_read(session, after, min(CHUNK, until - after)), after, previous)
        if not digests:
            raise ChainBroken(after + 1)
        after += len(digests)
        previous = digests[-1].hex()
        yield digests


def _check(rows: list[tuple[Any, ...]], after: int, previous: str) -> list[bytes]:
    """The hashes of these rows. The canonical form of `canonical.record_bytes` is inlined for speed."""
    digest = bytes.fromhex(previous)
    expected = after
    digests: list[bytes] = []
    try:
        for seq, action, aid, akind, aname, algo, at, det, ip, oid, otype, ver, prev, hash_ in rows:
            expected += 1
            digest = sha256(
                digest
                + (
                    f'{{"action":{quoted(action)},"actor_id":{quoted(aid)}'
                    f',"actor_kind":{quoted(akind)},"actor_name":{quoted(aname)}'
                    f',"algorithm":{quoted(algo)},"at":{quoted(at)},"details":{det}'
                    f',"ip":{quoted(ip)},"object_id":{quoted(oid)},"object_type":{quoted(otype)}'
                    f',"seq":{seq},"version":{ver}}}'
                ).encode()
            ).digest()
            if seq != expected or prev != previous:
                raise ChainBroken(expected)
            previous = digest.hex()
            if hash_ != previous:
                raise ChainBroken(expected)
            digests.append(digest)
    except (TypeError, UnicodeEncodeError) as error:
        # A column of another type than text, or text that is none: not written by us.
        raise ChainBroken(expected) from error
    return digests


def _read(session: Session, after: int, count: int) -> list[tuple[Any, ...]]:
    try:
        return _fetch(session, after, count)
    except sqlite3.DatabaseError:
        return _readable(session, after, count)


def _readable(session: Session, after: int, count: int) -> list[tuple[Any, ...]]:
    """The rows before the first one SQLite cannot decode, which then names itself."""
    rows: list[tuple[Any, ...]] = []
    for seq in range(after, after + count):
        try:
            rows += _fetch(session, seq, 1)
        except sqlite3.DatabaseError as error:
            if rows:
                return rows
            raise ChainBroken(seq + 1) from error
    return rows


def first_unreadable(session: Session) -> int:
    """The number after the last record of the unbroken start, for a file SQLite calls malformed."""
    after, previous = 0, GENESIS
    try:
        while rows := _read(session, after, CHUNK):
            digests = _check(rows, after, previous)
            after, previous = after + len(digests), digests[-1].hex()
    except ChainBroken as error:
        return error.seq
    return after + 1


def _fetch(session: Session, after: int, count: int) -> list[tuple[Any, ...]]:
    driver: Any = session.connection().connection.driver_connection
    cursor = driver.cursor()
    try:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM audit_records WHERE seq > {after:d} ORDER BY seq LIMIT {count:d}"
        )
        return list(cursor.fetchall())
    finally:
        cursor.close()
