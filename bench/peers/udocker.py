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

# Debian's PRoot 5.1 pretends another kernel (-k, which udocker always gives) by an emulation that lacks newer system
# calls: no program with a current C library starts. It costs one /bin/sh to leave that option out.
_PROOT = """#!/bin/sh
n=$#
while [ $n -gt 0 ]; do
    if [ "$1" = -k ]; then shift 2; n=$((n - 2)); else set -- "$@" "$1"; shift; n=$((n - 1)); fi
done
exec {proot} "$@"
"""


def environment(at: Workplace) -> dict[str, str]:
    return {
        **at.environment,
        "UDOCKER_DIR": str(at.folder / "udocker"),
        "UDOCKER_USE_PROOT_EXECUTABLE": str(at.folder / "proot-without-k"),
    }


def prepare(at: Workplace, name: str) -> None:
    venv, home = at.folder / "udocker-venv", at.folder / "udocker"
    if not _udocker(at).exists():
        subprocess.run(["/usr/bin/python3", "-m", "venv", str(venv)], check=True)
        subprocess.run([f"{venv}/bin/pip", "install", "-q", "udocker"], check=True)
    wrapper = at.folder / "proot-without-k"
    wrapper.write_text(_PROOT.replace("{proot}", program("proot")))
    wrapper.chmod(0o755)
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
