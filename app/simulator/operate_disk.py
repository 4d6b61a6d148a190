"""A simulated vendor's library: builds operate_disk.c with the system's C compiler. POSIX only."""

import shutil
import subprocess
from pathlib import Path

ADDRESS_VARIABLE = "QINGKA_VIRTUAL_ADDRESS"
"""Environment variable with HOST:PORT of the simulated tax server the library speaks for."""

CONTROL_VARIABLE = "QINGKA_OPERATE_DISK_CONTROL"
"""Environment variable with the path of the file that makes the next call go wrong."""

SOURCE = Path(__file__).with_name("operate_disk.c")


class CompilerMissing(Exception):
    """There is no C compiler, or it failed; the message is what it said."""


def build_library(folder: Path) -> Path:
    """Compiles the library into `folder`. Raises `CompilerMissing`."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise CompilerMissing("没有找到 C 编译器 cc")
    library = folder / "operate_disk.so"
    command = [
        compiler,
        "-shared",
        "-fPIC",
        "-O1",
        "-Wall",
        "-Werror",
        "-o",
        str(library),
        str(SOURCE),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own source
    if done.returncode:
        raise CompilerMissing(done.stderr)
    return library
