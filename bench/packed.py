"""Image files run where they lie, against the same image unpacked: a start, the first mount, an import-heavy start."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from measuring import Case, Command, interleave, table
from peers import chrun, wherry
from workplace import Workplace, program

_START = "at most 2 x unpacked"
_MOUNT = "under 30 ms more than with the mount there"
_IMPORT = "at most 1.3 x unpacked"
_IMPORTS = ["/usr/bin/python3", "-c", "import astropy.table, scipy.optimize, matplotlib.figure"]


def measure(at: Workplace, rounds: int) -> str:
    parts = [_starts(at, rounds), _first(at, min(rounds, 30)), _imports(at, min(rounds, 11))]
    _let_go(at)
    return "\n\n".join(parts)


def _file(at: Workplace, name: str) -> Path:
    """The image as one file, as Apptainer's users make it: a zstd squashfs in which all is root's."""
    path = at.folder / f"{name}.sqfs"
    if not path.exists():
        making = path.with_suffix(".making")
        tree = str(at.rootfs(name))
        words = [program("mksquashfs"), tree, str(making), "-all-root", "-comp", "zstd", "-Xcompression-level", "3"]
        subprocess.run([*words, "-noappend", "-quiet", "-no-progress"], check=True, stdout=subprocess.DEVNULL)
        making.rename(path)
        time.sleep(2.1)  # no plan is saved for a file that is younger
    return path


def _variables(at: Workplace, way: str) -> Mapping[str, str]:
    """Mounts wait for as long as a round may take; this line ends them itself."""
    mounted = {"WHERRY_RUN_MOUNT": way, "WHERRY_RUN_MOUNT_GRACE": "900", "XDG_RUNTIME_DIR": str(_runtime(at, way))}
    return {**wherry.environment(at), **mounted}


def _runtime(at: Workplace, way: str) -> Path:
    """A runtime folder for each way: plans of one hold no more under another setting."""
    folder = at.folder / "wherry" / f"run-{way}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _run(at: Workplace, name: str, argv: list[str], way: str) -> Command:
    return Command([program("wherry"), "run", str(_file(at, name)), *argv], _variables(at, way))


def _starts(at: Workplace, rounds: int) -> str:
    true = ["/bin/true"]
    cases = interleave(
        [
            Case("unpacked", lambda n: wherry.start(at, "small", true)),
            Case("mounted in a namespace", lambda n: _run(at, "small", true, "namespace")),
            Case("mounted on the host", lambda n: _run(at, "small", true, "host")),
            Case("ch-run, which mounts it at each start", lambda n: _charliecloud(at, "small", true)),
        ],
        rounds,
        warm=3,
    )
    return f"A start of /bin/true, the plan saved and the file mounted; must reach: {_START}.\n\n" + table(
        cases, "unpacked"
    )


def _first(at: Workplace, rounds: int) -> str:
    def forget(way: str, *, unmount: bool) -> None:
        for plan in (_runtime(at, way) / "wherry" / "plans").glob("*"):
            plan.unlink()
        if unmount:
            _let_go(at)

    cases = []
    for way, shown in (("namespace", "in a namespace"), ("host", "on the host")):
        for unmount in (False, True):
            cases.append(
                Case(
                    f"{shown}, {'the mount is made' if unmount else 'the mount is there'}",
                    lambda n, way=way: _run(at, "small", ["/bin/true"], way),  # type: ignore[misc]
                    before=lambda way=way, unmount=unmount: forget(way, unmount=unmount),  # type: ignore[misc]
                )
            )
    # One after the other: a case that unmounts would take away what the next is to find.
    done = [case for one in cases for case in interleave([one], rounds)]
    return f"A start without a saved plan; must reach: {_MOUNT}.\n\n" + table(done, done[0].name)


def _imports(at: Workplace, rounds: int) -> str:
    cases = interleave(
        [
            Case("unpacked", lambda n: wherry.start(at, "science", _IMPORTS)),
            Case("mounted in a namespace", lambda n: _run(at, "science", _IMPORTS, "namespace")),
            Case("mounted on the host", lambda n: _run(at, "science", _IMPORTS, "host")),
            Case("ch-run, which mounts it at each start", lambda n: _charliecloud(at, "science", _IMPORTS)),
        ],
        rounds,
        warm=2,
    )
    return f"Python with astropy.table, scipy.optimize and matplotlib.figure, warm; must reach: {_IMPORT}.\n\n" + table(
        cases, "unpacked"
    )


def _charliecloud(at: Workplace, name: str, argv: list[str]) -> Command:
    return Command([program("ch-run"), str(_file(at, name)), "--", *argv], chrun.start(at, name, argv).env)


def _let_go(at: Workplace) -> None:
    """Ask all keepers of the benchmark's mounts to end, and wait for it."""
    mark = os.fsencode(at.folder / "wherry")
    keepers = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"/wherry-keeper") and words[1].startswith(mark):
                keepers.append(int(name))
                os.kill(int(name), signal.SIGTERM)
    for _ in range(1000):
        if not any((at.folder / "wherry").glob("run-*/wherry/mounts/*")):
            return
        time.sleep(0.01)
    raise RuntimeError(f"keepers {keepers} do not end")
