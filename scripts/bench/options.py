"""How large the measurements are, and what they may use."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.settings import ROOT

ALL = ("list", "search", "depth", "api", "engine", "bulk", "batch", "audit", "ledger", "start")


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes, in the units of their names; `only` are the figures wanted."""

    only: frozenset[str]
    operators: int
    clearings: int
    devices: int
    device_seconds: float
    batch: int
    records: int
    invoices: int
    seconds: float
    rounds: int
    postgres: bool
    output: Path


def parse(arguments: Sequence[str]) -> Options:
    """The command line; `--quick` makes all sizes small, and a size given wins over it."""
    parser = argparse.ArgumentParser(
        prog="bench", description="Measures the product against bare programs on this machine."
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: a look, not a verdict")
    parser.add_argument("--only", nargs="+", choices=ALL, default=ALL, metavar="FIGURE")
    parser.add_argument("--operators", type=int, help="operators of the registers (100,000)")
    parser.add_argument("--clearings", type=int, help="clearings of the engine (200)")
    parser.add_argument("--devices", type=int, help="devices of the bulk clearing (300)")
    parser.add_argument("--device-seconds", type=float, help="how long each takes (10)")
    parser.add_argument("--batch", type=int, help="operators of the batch that is made (2,000)")
    parser.add_argument("--records", type=int, help="audit records to verify (1,000,000)")
    parser.add_argument("--invoices", type=int, help="invoices of the ledger (200,000)")
    parser.add_argument("--postgres", action="store_true", help="the engine on PostgreSQL as well")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json")
    given = parser.parse_args(arguments)
    small = bool(given.quick)
    return Options(
        only=frozenset(given.only),
        operators=given.operators or (5_000 if small else 100_000),
        clearings=given.clearings or (20 if small else 200),
        devices=given.devices or (12 if small else 300),
        device_seconds=given.device_seconds or (1.0 if small else 10.0),
        batch=given.batch or (200 if small else 2_000),
        records=given.records or (20_000 if small else 1_000_000),
        invoices=given.invoices or (4_000 if small else 200_000),
        seconds=1.0 if small else 4.0,
        rounds=2 if small else 3,
        postgres=bool(given.postgres),
        output=given.output,
    )
