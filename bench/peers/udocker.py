"""udocker with PRoot: udocker from the package index, PRoot from Debian (no download of udocker's own binaries)."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from measuring import Command, Failure
from workplace import Workplace, program

_TOOLS = "1.2.11"  # the version of its tools that udocker expects to find; PRoot is the only one used here


def environment(at: Workplace) -> dict[str, str]:
    return {
        **at.environment,
        "UDOCKER_DIR": str(at.folder / "udocker"),
        "UDOCKER_USE_PROOT_EXECUTABLE": program("proot"),
    }


def prepare(at: Workplace, name: str) -> None:
    venv, home = at.folder / "udocker-venv", at.folder / "udocker"
    if not _udocker(at).exists():
        subprocess.run(["/usr/bin/python3", "-m", "venv", str(venv)], check=True)
        subprocess.run([f"{venv}/bin/pip", "install", "-q", "udocker"], check=True)
    for part in ("bin", "lib", "doc"):
        (home / part).mkdir(parents=True, exist_ok=True)
    (home / "lib" / "VERSION").write_text(_TOOLS)
    if (home / "containers" / name).exists():
        return
    tar = at.folder / "import.tar"
    with gzip.open(at.layer(name)) as packed, tar.open("wb") as plain:
        shutil.copyfileobj(packed, plain, 1 << 20)
    for step in (["import", str(tar), f"{name}:latest"], ["create", f"--name={name}", f"{name}:latest"]):
        done = subprocess.run([str(_udocker(at)), *step], env=environment(at), capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"udocker {step[0]}: {done.stdout[-200:]}{done.stderr[-200:]}")
    tar.unlink()


def start(at: Workplace, name: str, argv: Sequence[str], *options: str, cwd: str = "/") -> Command:
    run = [str(_udocker(at)), "-q", "run", "--nobanner", *options, name, *argv]
    return Command(run, environment(at), cwd)


def here(cwd: str) -> tuple[str, ...]:
    return (f"--volume={cwd}:{cwd}", f"--workdir={cwd}")


def _udocker(at: Workplace) -> Path:
    return at.folder / "udocker-venv" / "bin" / "udocker"
