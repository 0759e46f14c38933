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
    """Medians in milliseconds; ``problem`` says why there is none (for ``imports``: the image has no python3)."""

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
        said = first.stderr.decode(errors="replace").strip().splitlines()
        return Measured(engine, problem=said[-1] if said else f"status {first.returncode}")
    times = []
    for _ in range(_STARTS):
        begin = time.perf_counter()
        _run(engine, image, "true")
        times.append(time.perf_counter() - begin)
    imports = [_import(engine, image) for _ in range(_IMPORTS + 1)][1:]
    known = [value for value in imports if value is not None]
    return Measured(
        engine,
        start=1000 * _median(times),
        imports=1000 * _median(known) if known else None,
        problem="" if known else "the image has no python3 to import with",
    )


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _import(engine: str, image: str) -> float | None:
    done = _run(engine, image, "python3", "-c", _PROGRAM)
    try:
        return float(done.stdout)
    except ValueError:
        return None


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
