"""What the API says of a proof."""

from pydantic import BaseModel, ConfigDict, Field

from app.audit.verification import Problem
from app.proof.result import Proof


class FindingPublic(BaseModel):
    """Something that does not fit."""

    code: str = Field(description="`chain.…`, `evidence.altered|deleted|inserted`, `guard.…`")
    message: str


class KeptCheckpoint(BaseModel):
    """A checkpoint that was kept elsewhere, as it was given out."""

    model_config = ConfigDict(extra="forbid")

    checkpoint: str = Field(max_length=4096, description="C2SP checkpoint with its signature line")


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
            message=proof.sentence,
            checkpoint_size=chain.checkpoint_size,
        )
