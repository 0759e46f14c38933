"""A channel of conda in a folder: two packages as ``conda-build`` writes them, one with a script for activation."""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import tarfile
from pathlib import Path

__all__ = ["write_channel"]

_PREFIX = "/opt/placeholder_of_a_prefix"
"""What the packages' files say where their environment is, until they are installed."""

_PACKAGES = {
    "proj": (
        [],
        {
            "etc/conda/activate.d/proj.sh": 'export PROJ_DATA="$CONDA_PREFIX/share/proj" PROJ_NETWORK=OFF\n'
            "unset PROJ_LIB\n",
            "etc/conda/deactivate.d/proj.sh": "unset PROJ_DATA PROJ_NETWORK\n",
            "share/proj/proj.db": "places\n",
        },
    ),
    "fit": (
        ["proj >=1"],
        {
            "bin/fit": "#!/bin/sh\n"
            f'echo "$CONDA_DEFAULT_ENV $PROJ_DATA $THREADS $(cat {_PREFIX}/share/proj/proj.db)"\n',
            "etc/conda/env_vars.d/fit.json": '{"THREADS": "4"}\n',
        },
    ),
}


def write_channel(folder: Path) -> None:
    """``folder/linux-64`` with the packages and what says so, ``folder/noarch`` with none."""
    packages = {}
    for name, (depends, files) in _PACKAGES.items():
        content = _package(name, depends, files)
        packages[f"{name}-1.0-0.tar.bz2"] = _index(name, depends) | {
            "md5": hashlib.md5(content).hexdigest(),
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        }
        (folder / "linux-64").mkdir(parents=True, exist_ok=True)
        (folder / "linux-64" / f"{name}-1.0-0.tar.bz2").write_bytes(content)
    for subdir, listed in (("linux-64", packages), ("noarch", {})):
        (folder / subdir).mkdir(exist_ok=True)
        text = json.dumps({"info": {"subdir": subdir}, "packages": listed, "packages.conda": {}}).encode()
        (folder / subdir / "repodata.json").write_bytes(text)
        (folder / subdir / "repodata.json.bz2").write_bytes(bz2.compress(text))


def _index(name: str, depends: list[str]) -> dict[str, object]:
    about = {"name": name, "version": "1.0", "build": "0", "build_number": 0, "depends": depends, "license": "BSD"}
    return {**about, "subdir": "linux-64", "arch": "x86_64", "platform": "linux"}


def _package(name: str, depends: list[str], files: dict[str, str]) -> bytes:
    paths = [_path(path, text) for path, text in files.items()]
    about = {
        "info/index.json": json.dumps(_index(name, depends)),
        "info/files": "".join(f"{path}\n" for path in files),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:bz2") as archive:
        for path, text in {**about, **files}.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mtime, entry.mode = len(text), 1_700_000_000, 0o755 if path.startswith("bin/") else 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def _path(path: str, text: str) -> dict[str, object]:
    found: dict[str, object] = {"_path": path, "path_type": "hardlink", "size_in_bytes": len(text)}
    found["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    if _PREFIX in text:
        found |= {"prefix_placeholder": _PREFIX, "file_mode": "text"}
    return found
