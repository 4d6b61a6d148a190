"""The result of a proof, and the sentences that say what it shows and how far it reaches."""

from dataclasses import dataclass, field
from datetime import datetime

from app.audit.evidence import Compared, Discrepancy
from app.audit.restores import AcceptedRestore, reach
from app.audit.verification import Verification
from app.core.clock import local
from app.core.guards import Fault

MOST = 20
"""Discrepancies that are named one by one."""

FIRST = 4
"""Of those that are told where there is little room."""

NO_ANCHOR = (
    "没有库外检查点：若有人改写整个数据库并重新计算，仅凭数据库无法发现；"
    "请下载检查点另行保管，或配置另一处备份目标"
)
_FAULTS = {"missing": "缺失", "altered": "被改动", "foreign": "来历不明"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit: a stable code, and the sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """Rows of before their digests were kept, and when they were taken into the chain."""

    rows: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Proof:
    """Chain, rows and guards of one moment. `named` are the numbers of what discrepancies are about.

    `unreachable` are places with checkpoints that could not be read.
    """

    chain: Verification
    compared: tuple[Compared, ...] = ()
    faults: tuple[Fault, ...] = ()
    named: dict[int, str] = field(default_factory=dict)
    adopted: Adopted | None = None
    unreachable: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything that was looked at fits."""
        return not self.findings

    @property
    def findings(self) -> list[Finding]:
        """What does not fit, the chain first."""
        found = (
            [] if self.chain.ok else [Finding(f"chain.{self.chain.problem}", self.chain.sentence)]
        )
        wrong = [one for part in self.compared for one in part.discrepancies]
        found += [Finding(f"evidence.{one.mismatch}", self._told(one)) for one in wrong[:MOST]]
        if len(wrong) > MOST:
            found.append(Finding("evidence.more", f"另有 {len(wrong) - MOST} 条资料与链不符"))
        found += [
            Finding(
                f"guard.{fault.what}",
                f"数据库保护不全：表 {fault.table} 的触发器 {fault.trigger} {_FAULTS[fault.what]}",
            )
            for fault in self.faults
        ]
        return found

    @property
    def sentence(self) -> str:
        """The result as pages and the command line tell it."""
        if not self.ok:
            return "；".join([*(one.message for one in self.findings), *self._restores()])
        rows = "、".join(f"{part.kind.label} {part.rows} 条" for part in self.compared)
        return f"{self.chain.sentence}；{rows}，均与链上摘要一致；数据库保护齐全。{self.reach}。"

    @property
    def summary(self) -> str:
        """The same where there is little room: the first that does not fit, and how many more."""
        if self.ok:
            return self.sentence
        more = len(self.findings) - FIRST
        shown = "；".join(one.message for one in self.findings[:FIRST])
        shown = f"{shown}；另有 {more} 处不符" if more > 0 else shown
        return "；".join([shown, *self._restores()])

    @property
    def reach(self) -> str:
        """How far this proves anything, and what it can't show."""
        said = [self._anchored(), *self._restores()]
        if self.adopted:
            at = f"{local(self.adopted.at):%Y-%m-%d %H:%M}"
            said.append(f"其中 {self.adopted.rows} 条资料于 {at} 升级时纳入，此前的改动无从证明")
        if self.unreachable:
            said.append(f"未能读取：{'、'.join(self.unreachable)}")
        return "；".join(said)

    def _anchored(self) -> str:
        if not self.chain.anchors:
            return NO_ANCHOR
        later = self.chain.checked - self.chain.anchored
        rest = f"，其后 {later} 条尚无库外检查点" if later > 0 else ""
        return (
            f"与 {self.chain.anchors} 个库外检查点一致，前 {self.chain.anchored} 条"
            f"自签发以来未被改写{rest}"
        )

    def _restores(self) -> list[str]:
        """Said whatever the result is: who accepted a restore may have accepted a rewriting."""
        return [_restored(one) for one in self.chain.restores]

    def _told(self, one: Discrepancy) -> str:
        number = self.named.get(one.seq or 0)
        about = f"{number}，" if number else ""
        where = f"（{about}见第 {one.seq} 条审计记录）" if one.seq else ""
        return f"{one.kind.label} {one.id} {one.mismatch.label}{where}"


def _restored(one: AcceptedRestore) -> str:
    sizes = one.sizes
    fits = (
        f"仅前 {one.fits} 条有当时一致的库外检查点"
        if one.fits
        else "没有一个库外检查点与当时的记录一致"
    )
    return (
        f"{one.by} 于 {local(one.at):%Y-%m-%d %H:%M} 认可恢复自较早的备份（原因：{one.reason}；"
        f"见第 {one.seq} 条审计记录）：{len(sizes)} 个库外检查点（{reach(sizes)}）"
        f"与记录不符，不再比对，{fits}"
    )
