"""What each engine costs on this machine: the time of a start, and of a program that opens many files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import msgspec

from wherry.base.errors import NotFound

__all__ = ["Measured", "measure", "smallest_image"]

_STARTS, _IMPORTS = 5, 3
_NO_SUCH_PROGRAM = 127
_PATIENCE = 120.0

# Some 400 modules of the standard library, as packages are imported by most programs of science.
_PROGRAM = """
import time
begin = time.perf_counter()
import asyncio, concurrent.futures, ctypes, decimal, email.message, http.client, json, logging.config
import multiprocessing.pool, sqlite3, unittest.mock, urllib.request, xml.dom.minidom, xml.etree.ElementTree, zipfile
print(time.perf_counter() - begin)
"""


class Measured(msgspec.Struct, frozen=True):
    """Medians in milliseconds; ``problem`` says why there is none."""

    engine: str
    start: float | None = None
    imports: float | None = None
    problem: str = ""


def smallest_image() -> str:
    """The image to measure with where none is named; raises :class:`NotFound` when none is held."""
    from wherry.containers.programs import images

    named = [(image.size, image.names[0]) for image in images() if image.names]
    if not named:
        raise NotFound("there is no image to measure with", hint="wherry pull debian:12")
    return min(named)[1]


def measure(engine: str, image: str) -> Measured:
    """Start ``true`` and import modules in containers of ``image``; the first start, which plans, is not counted."""
    first = _run(engine, image, "true")
    if first.returncode != 0:
        return Measured(engine, problem=_reason(first))
    times = []
    for _ in range(_STARTS):
        begin = time.perf_counter()
        _run(engine, image, "true")
        times.append(time.perf_counter() - begin)
    start = 1000 * _median(times)
    imports = []
    for _ in range(_IMPORTS + 1):
        done = _run(engine, image, "python3", "-c", _PROGRAM)
        if done.returncode == _NO_SUCH_PROGRAM:
            return Measured(engine, start, problem="the image has no python3 to import with")
        if done.returncode != 0:
            return Measured(engine, start, problem=f"the image's python3 cannot import: {_reason(done)}")
        imports.append(float(done.stdout))
    return Measured(engine, start, 1000 * _median(imports[1:]))


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    """The last that somebody else than us said, else why Wherry failed, without what to do next."""
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip() and line[0] != " "]
    others = [line for line in lines if not line.startswith("wherry: ")]
    found = (others or lines or [f"status {done.returncode}"])[-1]
    return found.removeprefix("wherry: ")


def _run(engine: str, image: str, *command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [_wherry(), "run", "--pull", "never", "--engine", engine, image, *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_PATIENCE,
    )


def _wherry() -> str:
    """The command that users type, which lies beside the one that is running; what it costs is to be measured whole."""
    beside = f"{os.path.dirname(os.path.realpath(sys.argv[0]))}/wherry"
    found = beside if os.access(beside, os.X_OK) else shutil.which("wherry")
    if not found:
        raise NotFound("the command 'wherry' is not in PATH", hint="measure with the command that pip installed")
    return found
