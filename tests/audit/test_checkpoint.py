"""Signed checkpoints: form, signature, refusal of everything else."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.audit.checkpoint import Checkpoint, CheckpointInvalid, Signer

ROOT = hashlib.sha256(b"root").digest()


def test_form_and_signature_are_those_of_the_specification(signer: Signer) -> None:
    text = signer.sign(Checkpoint(42, ROOT))
    body, signature_line = text.split("\n\n")
    assert body.split("\n") == ["qingka/audit", "42", base64.b64encode(ROOT).decode()]
    dash, name, blob = signature_line.rstrip("\n").split(" ")
    assert (dash, name) == ("\u2014", "qingka/audit")
    key_name, key_id, key = signer.verifier_key.split("+", 2)
    public = base64.b64decode(key)
    raw = base64.b64decode(blob)
    assert key_name == name
    assert public[0] == 1
    assert hashlib.sha256(name.encode() + b"\n" + public).digest()[:4] == raw[:4]
    assert raw[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(raw[4:], (body + "\n").encode())


def test_opens_its_own(signer: Signer) -> None:
    assert signer.open(signer.sign(Checkpoint(42, ROOT))) == Checkpoint(42, ROOT)


def test_lines_of_other_signers_are_passed_over(signer: Signer) -> None:
    text = signer.sign(Checkpoint(1, ROOT))
    body, own = text.split("\n\n")
    assert signer.open(f"{body}\n\n\u2014 witness.example AAAAAA==\n{own}").size == 1


def _changed(text: str) -> dict[str, str]:
    return {
        "size": text.replace("\n42\n", "\n43\n"),
        "root": text.replace(base64.b64encode(ROOT).decode(), base64.b64encode(b"x" * 32).decode()),
        "origin": text.replace("qingka/audit\n42", "other/log\n42"),
        "extra line": text.replace("\n\n", "\nmore\n\n"),
        "no signature": text.split("\n\n")[0] + "\n\n",
        "not base64": text[:-10] + "!!!\n",
        "nothing": "",
    }


@pytest.mark.parametrize("what", _changed("").keys())
def test_anything_else_is_refused(signer: Signer, what: str) -> None:
    with pytest.raises(CheckpointInvalid):
        signer.open(_changed(signer.sign(Checkpoint(42, ROOT)))[what])


def test_another_key_is_refused(signer: Signer) -> None:
    with pytest.raises(CheckpointInvalid):
        signer.open(Signer(b"another secret").sign(Checkpoint(42, ROOT)))


def test_the_key_follows_from_the_secret() -> None:
    assert Signer(b"s").verifier_key == Signer(b"s").verifier_key != Signer(b"t").verifier_key
