"""Offline verifier of an exported trail: the standard library and `cryptography`, nothing of Qingka.

    python -m app.audit.offline EXPORT.jsonl CHECKPOINT KEY

CHECKPOINT is a file with a checkpoint kept from before (or the export's own), KEY the log's public
key as text or the name of a file that holds it. The file also runs copied away on its own.
It shares no code with the writer on purpose: a mistake there must not hide itself here.
Exit 0: everything fits; 1: something does not, named on standard error; 2: wrong usage.
"""

import base64
import binascii
import json
import sys
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Refused(Exception):
    """What does not fit."""


def open_checkpoint(text: str, key: str) -> tuple[int, bytes]:
    """Size and root of a signed checkpoint (C2SP). Raises Refused unless `key` signed it."""
    name, key_id, encoded = key.strip().split("+", 2)
    public = base64.b64decode(encoded)
    if public[:1] != b"\x01" or sha256(name.encode() + b"\n" + public).hexdigest()[:8] != key_id:
        raise Refused("the key is not a verifier key")
    body, _, signatures = text.partition("\n\n")
    body += "\n"
    for line in signatures.splitlines():
        if line.startswith(f"\u2014 {name} "):
            blob = base64.b64decode(line.rsplit(" ", 1)[1])
            if blob[:4].hex() == key_id:
                _verify_signature(public[1:], blob[4:], body)
                origin, size, root = body.split("\n")[:3]
                if origin != name:
                    raise Refused("the checkpoint is of another log")
                return int(size), base64.b64decode(root)
    raise Refused("the checkpoint is not signed with this key")


def _verify_signature(public: bytes, signature: bytes, body: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, body.encode())
    except InvalidSignature as error:
        raise Refused("the signature of the checkpoint is wrong") from error


class Tree:
    """Root of a growing RFC 6962 tree from its complete subtrees."""

    def __init__(self) -> None:
        self._subtrees: list[tuple[int, bytes]] = []

    def append(self, leaf: bytes) -> None:
        """One more leaf hash."""
        level, node = 0, leaf
        while self._subtrees and self._subtrees[-1][0] == level:
            node = sha256(b"\x01" + self._subtrees.pop()[1] + node).digest()
            level += 1
        self._subtrees.append((level, node))

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._subtrees:
            return sha256(b"").digest()
        node = self._subtrees[-1][1]
        for _, left in reversed(self._subtrees[:-1]):
            node = sha256(b"\x01" + left + node).digest()
        return node


def root_by_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root an inclusion path leads to (RFC 6962, section 2.1.1)."""
    if size == 1:
        if path:
            raise Refused("the proof is too long")
        return leaf
    if not path:
        raise Refused("the proof is too short")
    left_size = 1 << (size - 1).bit_length() - 1
    sibling = path[-1]
    if index < left_size:
        return sha256(b"\x01" + root_by_path(leaf, index, left_size, path[:-1]) + sibling).digest()
    right = root_by_path(leaf, index - left_size, size - left_size, path[:-1])
    return sha256(b"\x01" + sibling + right).digest()


def _lines(file: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, 1):
        try:
            value = json.loads(line, object_pairs_hook=_once)
        except ValueError as error:
            raise Refused(f"line {number} is not JSON") from error
        if not isinstance(value, dict):
            raise Refused(f"line {number} is not an object")
        yield value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of a key that stands twice a reader would see what was not verified."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused(f"a key stands twice in {sorted(name for name, _ in pairs)}")
    return found


def _hash(entry: dict[str, Any], previous: str) -> bytes:
    if not entry.keys() <= {"record", "prev_hash", "hash", "proof"}:
        raise Refused(
            f"record {entry['record'].get('seq')} has more beside it than what was hashed"
        )
    canonical = json.dumps(
        entry["record"], ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    digest = sha256(bytes.fromhex(previous) + canonical.encode()).digest()
    if entry["hash"] != digest.hex():
        raise Refused(f"record {entry['record'].get('seq')} is not what was hashed")
    return digest


def _verify_complete(entries: Iterator[dict[str, Any]], marks: dict[int, bytes]) -> int:
    """Every record in order; the root at each marked size is the one that was signed."""
    tree, previous, count = Tree(), "0" * 64, 0
    _compare(marks, count, tree)
    for entry in entries:
        if "record" not in entry:
            return _verify_end(entry, count, entries)
        count += 1
        if entry["record"].get("seq") != count or entry["prev_hash"] != previous:
            raise Refused(f"record {count} does not follow the one before it")
        digest = _hash(entry, previous)
        tree.append(sha256(b"\x00" + digest).digest())
        previous = digest.hex()
        _compare(marks, count, tree)
    raise Refused(f"the export ends after record {count} without its last line")


def _compare(marks: dict[int, bytes], count: int, tree: Tree) -> None:
    if count in marks and tree.root() != marks[count]:
        raise Refused(f"the first {count} records are not those of the checkpoint")


def _verify_excerpt(entries: Iterator[dict[str, Any]], size: int, root: bytes) -> int:
    """Every record is in the signed tree, by its path."""
    count, last = 0, 0
    for entry in entries:
        if "record" not in entry:
            return _verify_end(entry, count, entries)
        count += 1
        seq = entry["record"].get("seq")
        leaf = sha256(b"\x00" + _hash(entry, entry["prev_hash"])).digest()
        path = [base64.b64decode(node) for node in entry["proof"]]
        if not isinstance(seq, int) or not last < seq <= size:
            raise Refused(f"record {seq} is out of order or beyond the checkpoint")
        if root_by_path(leaf, seq - 1, size, path) != root:
            raise Refused(f"record {seq} is not in the log of the checkpoint")
        last = seq
    raise Refused(f"the export ends after {count} records without its last line")


def _verify_end(entry: dict[str, Any], count: int, rest: Iterator[dict[str, Any]]) -> int:
    if entry.keys() > {"records"}:
        raise Refused("the last line says more than how many there were")
    if entry.get("records") != count:
        raise Refused(f"{count} records, but the last line says {entry.get('records')}")
    if next(rest, None) is not None:
        raise Refused("there is more after the last line")
    return count


def verify(export: Iterable[str], kept: str, key: str) -> str:
    """Check an export against a checkpoint; returns the result as a sentence. Raises Refused."""
    entries = _lines(export)
    header = next(entries, {})
    if header.get("format") != "qingka-audit-export/1":
        raise Refused("not an export of the audit trail")
    size, root = open_checkpoint(header["checkpoint"], key)
    kept_size, kept_root = open_checkpoint(kept, key)
    if kept_size > size:
        raise Refused(f"the log was cut: {size} records, but {kept_size} were signed")
    if not header["complete"]:
        if kept_size == size and kept_root != root:
            raise Refused("the log was rewritten since the checkpoint")
        return f"{_verify_excerpt(entries, size, root)} records are in the log of {size}"
    marks = {kept_size: kept_root}
    if marks.setdefault(size, root) != root:
        raise Refused("the log was rewritten since the checkpoint")
    count = _verify_complete(entries, marks)
    if count != size:
        raise Refused(f"{count} records, but {size} were signed")
    return f"all {count} records fit the chain, the root and the checkpoint of {kept_size}"


def main(arguments: list[str]) -> int:
    """The program."""
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    export, checkpoint, key = arguments
    try:
        if "+" not in key:
            key = Path(key).read_text(encoding="utf-8")
        with Path(export).open(encoding="utf-8") as file:
            print(verify(file, Path(checkpoint).read_text(encoding="utf-8"), key))
    except Refused as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
        print(f"FAILED: malformed input ({error})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
