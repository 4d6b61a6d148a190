"""What the API says of a proof."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.audit.restores import AcceptedRestore
from app.audit.verification import Problem
from app.core.schemas import Input, Reason
from app.proof.restores import Contradiction
from app.proof.result import Proof


class FindingPublic(BaseModel):
    """Something that does not fit."""

    code: str = Field(description="`chain.…`, `evidence.altered|deleted|inserted`, `guard.…`")
    message: str


class KeptCheckpoint(BaseModel):
    """A checkpoint that was kept elsewhere, as it was given out."""

    model_config = ConfigDict(extra="forbid")

    checkpoint: str = Field(max_length=4096, description="C2SP checkpoint with its signature line")


class RestoreAccept(Input):
    """People prove who they are with `password`; API keys need the scope `admin`."""

    reason: Reason
    password: SecretStr | None = None


class ContradictionPublic(BaseModel):
    """Checkpoints outside the database that were given up: they are not compared any more."""

    checkpoints: int = Field(description="how many were given up")
    first: int = Field(description="records the shortest of them is over")
    last: int = Field(description="records the longest of them is over")
    records: int = Field(description="records the trail had")
    fits: int = Field(description="records the longest checkpoint that fitted is over; 0: none did")

    @classmethod
    def of(cls, found: Contradiction) -> "ContradictionPublic":
        """The public form of what was accepted."""
        return cls(
            checkpoints=len(found.checkpoints),
            first=found.first,
            last=found.last,
            records=found.records,
            fits=found.fits,
        )


class AcceptedRestorePublic(BaseModel):
    """An accepted restore, as the trail has it. Who accepts may as well have rewritten: it stays told."""

    seq: int = Field(description="the audit record that says so")
    at: datetime
    by: str
    reason: str
    checkpoints: int = Field(description="how many are not compared any more")
    fits: int = Field(
        description="records the longest checkpoint that fitted was over; 0: none did"
    )

    @classmethod
    def of(cls, one: AcceptedRestore) -> "AcceptedRestorePublic":
        """The public form of one."""
        return cls(
            seq=one.seq,
            at=one.at,
            by=one.by,
            reason=one.reason,
            checkpoints=len(one.given_up),
            fits=one.fits,
        )


class ProofPublic(BaseModel):
    """The result of verifying the trail, the rows it vouches for, and what guards both."""

    ok: bool
    checked: int = Field(description="records that fit, counted from the first")
    first_bad_seq: int | None = Field(description="the first record that does not fit")
    head: str = Field(description="hash of the last record, hex")
    problem: Problem | None = Field(default=None, description="what is wrong with the chain")
    findings: list[FindingPublic] = Field(description="everything that does not fit")
    rows: dict[str, int] = Field(description="rows compared with their digests, by kind")
    anchors: int = Field(description="checkpoints kept outside the database that were compared")
    anchored: int = Field(description="records the longest of them vouches for")
    reach: str = Field(description="how far this proves anything")
    restores: list[AcceptedRestorePublic] = Field(
        description="restores that were accepted, whatever the result is"
    )
    message: str
    checkpoint_size: int | None = Field(
        default=None, description="records the newest stored checkpoint was signed for"
    )

    @classmethod
    def of(cls, proof: Proof) -> "ProofPublic":
        """The public form of a proof."""
        chain = proof.chain
        return cls(
            ok=proof.ok,
            checked=chain.checked,
            first_bad_seq=chain.first_bad_seq,
            head=chain.head,
            problem=chain.problem,
            findings=[FindingPublic(code=one.code, message=one.message) for one in proof.findings],
            rows={part.kind.name: part.rows for part in proof.compared},
            anchors=chain.anchors,
            anchored=chain.anchored,
            reach=proof.reach,
            restores=[AcceptedRestorePublic.of(one) for one in chain.restores],
            message=proof.sentence,
            checkpoint_size=chain.checkpoint_size,
        )
