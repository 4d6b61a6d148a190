"""Trees and proofs against the definitions of RFC 6962, written down naively."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)


def naive_root(data: list[bytes]) -> bytes:
    """MTH(D[n]), RFC 6962, section 2.1."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = 1
    while k * 2 < len(data):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(data[:k]) + naive_root(data[k:])).digest()


def naive_path(m: int, data: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]), RFC 6962, section 2.1.1."""
    if len(data) == 1:
        return []
    k = 1
    while k * 2 < len(data):
        k *= 2
    if m < k:
        return [*naive_path(m, data[:k]), naive_root(data[k:])]
    return [*naive_path(m - k, data[k:]), naive_root(data[:k])]


def naive_subproof(m: int, data: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b), RFC 6962, section 2.1.2."""
    if m == len(data):
        return [] if whole else [naive_root(data)]
    k = 1
    while k * 2 < len(data):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, data[:k], whole), naive_root(data[k:])]
    return [*naive_subproof(m - k, data[k:], False), naive_root(data[:k])]


def entries(size: int) -> list[bytes]:
    return [f"record {number}".encode() for number in range(size)]


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(data) for data in entries(size)]


sizes = st.integers(1, 70)


@given(st.integers(0, 70))
def test_root(size: int) -> None:
    assert root_of(leaves(size)) == naive_root(entries(size))


def test_root_of_nothing() -> None:
    assert Frontier().root() == EMPTY_ROOT == naive_root([])


@given(st.lists(st.integers(0, 20), max_size=6))
def test_a_frontier_may_grow_in_any_steps_and_be_stored(steps: list[int]) -> None:
    frontier, size = Frontier(), 0
    for step in steps:
        frontier.extend(leaves(size + step)[size:])
        size += step
        assert frontier.size == size
        assert frontier.root() == naive_root(entries(size))
        frontier = Frontier.from_text(size, frontier.text())
    assert frontier.root() == naive_root(entries(size))


def test_a_frontier_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="size"):
        Frontier.from_text(3, leaves(1)[0].hex())


@given(st.data(), sizes)
def test_inclusion(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    all_leaves = leaves(size)
    proof = inclusion_proof(index, size, lambda start, stop: root_of(all_leaves[start:stop]))
    assert proof == naive_path(index, entries(size))
    root = naive_root(entries(size))
    assert verify_inclusion(all_leaves[index], index, size, proof, root)
    assert not verify_inclusion(leaf_hash(b"forged"), index, size, proof, root)
    assert not verify_inclusion(all_leaves[index], index, size, [*proof, root], root)
    assert not verify_inclusion(all_leaves[index], size, size, proof, root)
    if proof:
        assert not verify_inclusion(all_leaves[index], index, size, proof[:-1], root)
        assert not verify_inclusion(all_leaves[index], index, size, proof, leaf_hash(root))


@given(st.data(), sizes)
def test_consistency(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new))
    all_leaves = leaves(new)
    proof = consistency_proof(old, new, lambda start, stop: root_of(all_leaves[start:stop]))
    assert proof == naive_subproof(old, entries(new), True)
    old_root, new_root = naive_root(entries(old)), naive_root(entries(new))
    assert verify_consistency(old, new, proof, old_root, new_root)
    assert not verify_consistency(old, new, proof, leaf_hash(b"x"), new_root)
    assert not verify_consistency(old, new, [*proof, new_root], old_root, new_root)
    if old < new:
        assert not verify_consistency(old, new, proof, old_root, leaf_hash(b"x"))
        assert not verify_consistency(old, new, proof[:-1], old_root, new_root)


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3)])
def test_impossible_sizes(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="consistency"):
        consistency_proof(old, new, lambda _start, _stop: b"")
    assert not verify_consistency(old, new, [], EMPTY_ROOT, EMPTY_ROOT)


def test_no_such_leaf() -> None:
    with pytest.raises(ValueError, match="leaf"):
        inclusion_proof(3, 3, lambda _start, _stop: b"")
