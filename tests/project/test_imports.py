"""The direction of imports, as [tool.importlinter] of pyproject.toml draws it."""

import subprocess
import sys
from pathlib import Path

from app.settings import ROOT


def test_import_contracts_are_kept() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken." in done.stdout
