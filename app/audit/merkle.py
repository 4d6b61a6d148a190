"""Merkle trees as in RFC 6962, section 2.1: leaves, nodes, roots, inclusion and consistency proofs.

Everything works on leaf hashes. A leaf of the audit log is the 32-byte chain hash of its record.
Proofs ask for the roots of ranges through a callable, so that no caller has to hold all leaves.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

RangeRoot = Callable[[int, int], bytes]
"""Gives the root over the leaves `start` (included) to `stop` (excluded)."""

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the complete subtrees of a growing tree: O(log n) memory for any number of leaves."""

    def __init__(self, levels: Iterable[bytes | None] = ()) -> None:
        self._levels: list[bytes | None] = list(levels)

    @classmethod
    def of(cls, size: int, roots: Sequence[bytes]) -> "Frontier":
        """The frontier of a tree of `size` leaves again, from what `roots` gave."""
        if len(roots) != size.bit_count():
            raise ValueError("the frontier does not fit the size")
        remaining = list(roots)
        levels = [
            remaining.pop() if size >> level & 1 else None for level in range(size.bit_length())
        ]
        return cls(levels)

    @classmethod
    def from_text(cls, size: int, text: str) -> "Frontier":
        """The frontier that gave `text`. Raises ValueError when it cannot be one of this size."""
        return cls.of(size, [bytes.fromhex(part) for part in text.split(",") if part])

    def text(self) -> str:
        """The roots in hex, separated by commas."""
        return ",".join(root.hex() for root in self.roots())

    @property
    def size(self) -> int:
        """How many leaves it stands for."""
        return sum(1 << level for level, root in enumerate(self._levels) if root is not None)

    def roots(self) -> list[bytes]:
        """The roots of the complete subtrees, the largest (leftmost) first."""
        return [root for root in reversed(self._levels) if root is not None]

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Append leaves. Works level by level, so that a long list costs two hashes a leaf."""
        nodes = list(leaf_hashes)
        level = 0
        while nodes:
            if level == len(self._levels):
                self._levels.append(None)
            waiting = self._levels[level]
            if waiting is not None:
                nodes.insert(0, waiting)
            self._levels[level] = nodes.pop() if len(nodes) % 2 else None
            nodes = [
                sha256(b"\x01" + left + right).digest()
                for left, right in zip(nodes[::2], nodes[1::2], strict=True)
            ]
            level += 1

    def root(self) -> bytes:
        """The root over all leaves."""
        result: bytes | None = None
        for root in self._levels:
            if root is not None:
                result = root if result is None else node_hash(root, result)
        return EMPTY_ROOT if result is None else result


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root over these leaves."""
    frontier = Frontier()
    frontier.extend(leaf_hashes)
    return frontier.root()


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(index: int, size: int, range_root: RangeRoot) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962, section 2.1.1: the siblings from the leaf to the root."""
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    start, stop = 0, size
    path: list[bytes] = []
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            path.append(range_root(middle, stop))
            stop = middle
        else:
            path.append(range_root(start, middle))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, range_root: RangeRoot) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962, section 2.1.2: that the first `old` leaves are still the same."""
    if not 0 < old <= new:
        raise ValueError("a consistency proof goes from a smaller, non-empty tree")
    start, stop, whole = 0, new, True
    path: list[bytes] = []
    while old != stop:
        middle = start + _split(stop - start)
        if old <= middle:
            path.append(range_root(middle, stop))
            stop = middle
        else:
            path.append(range_root(start, middle))
            start, whole = middle, False
    if not whole:
        path.append(range_root(start, stop))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    first, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            result = node_hash(sibling, result)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and result == root


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """RFC 9162, section 2.1.4.2."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old_result = new_result = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            old_result = node_hash(sibling, old_result)
            new_result = node_hash(sibling, new_result)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new_result = node_hash(new_result, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and old_result == old_root and new_result == new_root
