"""Changes to a tree through a real overlay, as containers make them, and what is seen in trees."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from wherry.image.table import rebuild
from wherry.store import Layer

__all__ = ["change", "change_here", "entries", "names", "seen_through", "tar_bytes"]

_INSIDE = f"""
import json, os, subprocess, sys
plan = json.load(sys.stdin)
options = f"userxattr,lowerdir={{':'.join(plan['lower'])}}"
if plan["upper"]:
    options += f",upperdir={{plan['upper']}},workdir={{plan['work']}}"
subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, plan["point"]], check=True)
sys.path.insert(0, {str(Path(__file__).parent)!r})
from making import _acted, _seen
os.chdir(plan["point"])
for step in plan["steps"]:
    _acted(step)
json.dump(_seen(), sys.stdout)
"""

Step = Sequence[object]


def change(layers: Sequence[Layer], folder: Path, steps: Iterable[Step]) -> tuple[Path, dict[str, object]]:
    """Do the steps in an overlay over the layers (bottom first); its upper directory, and what was seen then.

    A step is the name of a function of :mod:`os` (or of :data:`_OWN`) and its arguments; one that is not possible is
    left out.
    """
    for name in ("upper", "work", "point"):
        (folder / name).mkdir(parents=True)
    return folder / "upper", _inside(layers, folder, steps, writable=True)


def change_here(tree: str, steps: Iterable[Step]) -> None:
    """Do the steps in a directory, as who we are."""
    inside = (
        "import json, os, sys; sys.path.insert(0, sys.argv[1]); from making import _acted; os.chdir(sys.argv[2])\n"
        "for step in json.load(sys.stdin): _acted(step)"
    )
    words = [sys.executable, "-c", inside, str(Path(__file__).parent), tree]
    subprocess.run(words, input=json.dumps(list(steps)), text=True, check=True)


def seen_through(layers: Sequence[Layer], folder: Path) -> dict[str, object]:
    """What an overlay of the layers shows: each path with its kind, mode, time, content, attributes, names."""
    (folder / "point").mkdir(parents=True)
    (folder / "empty").mkdir()
    return _inside(layers, folder, (), writable=False)


def _inside(layers: Sequence[Layer], folder: Path, steps: Iterable[Step], *, writable: bool) -> dict[str, object]:
    lower = [layer.tree for layer in reversed(layers)]
    plan = {
        "lower": lower if writable or len(lower) > 1 else [*lower, str(folder / "empty")],
        "upper": str(folder / "upper") if writable else "",
        "work": str(folder / "work"),
        "point": str(folder / "point"),
        "steps": list(steps),
    }
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", _INSIDE],
        input=json.dumps(plan),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


# ---- in the namespace -----------------------------------------------------------------------------------------------


def _acted(step: Sequence[object]) -> None:
    """What is not possible at the time is left out."""
    name, *arguments = step
    own = _OWN.get(str(name))
    try:
        own(*arguments) if own is not None else getattr(os, str(name))(*arguments)
    except OSError:
        return


def _write(path: str, text: str, mode: int = 0o644) -> None:
    with open(path, "wb") as file:
        file.write(text.encode())
    os.chmod(path, mode)


def _append(path: str, text: str) -> None:
    with open(path, "ab") as file:
        file.write(text.encode())


def _remove(path: str) -> None:
    import shutil

    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _attribute(path: str, name: str, value: str) -> None:
    os.setxattr(path, name, base64.b64decode(value))


def _rename_file(old: str, new: str) -> None:
    """Directories of lower layers cannot be renamed in an overlay, as they can elsewhere."""
    if not os.path.isdir(old) or os.path.islink(old):
        os.rename(old, new)


def _touch(path: str, when: float) -> None:
    os.utime(path, (when, when), follow_symlinks=False)


_OWN = {
    "write": _write,
    "append": _append,
    "remove": _remove,
    "attribute": _attribute,
    "touch": _touch,
    "rename_file": _rename_file,
}


def _seen() -> dict[str, object]:
    found: dict[str, object] = {}
    links: dict[tuple[int, int], str] = {}
    for path, folders, files in os.walk(b"."):
        for name in sorted(folders + files):
            place = os.path.join(path, name)
            shown = os.fsdecode(place[2:])
            found[shown] = _facts(place, os.lstat(place), links, shown)
    return found


def _facts(place: bytes, status: os.stat_result, links: dict[tuple[int, int], str], shown: str) -> dict[str, object]:
    import stat

    facts: dict[str, object] = {"mode": oct(status.st_mode), "time": status.st_mtime_ns // 10**9}
    if stat.S_ISREG(status.st_mode):
        with open(place, "rb") as file:
            facts["content"] = hashlib.sha256(file.read()).hexdigest()
    if stat.S_ISLNK(status.st_mode):
        facts["target"] = os.fsdecode(os.readlink(place))
    else:
        facts["attributes"] = {
            name: base64.b64encode(os.getxattr(place, name)).decode()
            for name in sorted(os.listxattr(place))
            if name.startswith("user.")
        }
    return facts


# ---- tars -----------------------------------------------------------------------------------------------------------


def tar_bytes(layer: Layer) -> bytes:
    """The layer's tar, as it is pushed."""
    return b"".join(rebuild(layer))


def entries(tar: bytes) -> dict[str, tarfile.TarInfo]:
    """A tar's entries by name, in their order."""
    import io

    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {member.name: member for member in archive}


def names(layer: Layer) -> list[str]:
    """The names of a layer's entries in the order of its tar."""
    return list(entries(tar_bytes(layer)))
