"""The changes in a container's upper directory as a layer: walked, hashed, compressed; against buildah's commit."""

from __future__ import annotations

import shutil
import subprocess

from measuring import Case, Command, interleave, table
from peers import wherry
from workplace import Workplace, program, remove

_MUST = "at least 2 x faster than buildah"
_MAKE = """
import sys
from wherry.image import make_layer
from wherry.store import open_at
made = make_layer(open_at(sys.argv[1]), (), sys.argv[2], compress=sys.argv[3])
open(sys.argv[4], "w").write(made.layer.key)
"""


def measure(at: Workplace, rounds: int) -> str:
    """Few rounds: each first copies 48,000 files. The tree is in the kernel's caches."""
    _prepare(at)
    cases = [
        _ours(at, "", "wherry, not compressed"),
        _ours(at, "gzip", "wherry, gzip"),
        _ours(at, "zstd", "wherry, zstd"),
        _theirs(at, compress=False, name="buildah commit, not compressed"),
        _theirs(at, compress=True, name="buildah commit, gzip"),
    ]
    done = interleave(cases, min(rounds, 3), warm=0)
    _forget(at)
    return (
        f"A tree of 48,000 files, 1.3 GB, that a step made; wherry's ends with a sync, buildah's ({_version()}) goes "
        f"to a directory; must reach: {_MUST}.\n\n{table(done, 'buildah commit, gzip')}"
    )


def _ours(at: Workplace, compress: str, name: str) -> Case:
    folder = at.folder / "making"
    store, told = folder / "store", folder / "key"

    def again() -> None:
        remove(folder / "upper")
        remove(store)
        folder.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", str(at.rootfs("science")), str(folder / "upper")], check=True)
        subprocess.run(["sync", "-f", str(folder)], check=True)

    words = [program("python3"), "-c", _MAKE, str(store), str(folder / "upper"), compress, str(told)]
    return Case(name, lambda n: Command(words, wherry.environment(at)), before=again)


def _theirs(at: Workplace, *, compress: bool, name: str) -> Case:
    out = at.folder / "buildah-made"
    words = [*_buildah(at), "commit", "-q", f"--disable-compression={'false' if compress else 'true'}", "made"]
    return Case(name, lambda n: Command([*words, f"dir:{out}"], at.environment), before=lambda: remove(out))


def _buildah(at: Workplace) -> list[str]:
    place = at.folder / "buildah-making"
    place.mkdir(exist_ok=True)
    return [program("buildah"), "--root", str(place / "root"), "--runroot", str(place / "run")]


def _prepare(at: Workplace) -> None:
    """A container of buildah's whose own files are the tree."""
    _forget(at)
    fill = '"$@" from --name made scratch >/dev/null && cp -a "$0/." "$("$@" mount made)/"'
    words = [program("buildah"), "unshare", "sh", "-c", fill, str(at.rootfs("science")), *_buildah(at)]
    subprocess.run(words, check=True, env=at.environment)


def _forget(at: Workplace) -> None:
    for name in ("making", "buildah-made"):
        remove(at.folder / name)
    if (at.folder / "buildah-making").exists():
        words = [program("buildah"), "unshare", "rm", "-rf", str(at.folder / "buildah-making")]
        subprocess.run(words, check=True, env=at.environment)


def _version() -> str:
    words = [shutil.which("buildah") or "true", "--version"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
