"""Unpacked Debian trees of several ages, as ordinary users have them: for what runs an image without namespaces.

Made once by mmdebstrap in a user namespace, kept in the cache folder; the owner is who runs the tests.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

import images

# The suite and the packages. A name is the age of its C library.
TREES = {
    "2.31": ("bullseye", ("perl", "python3-numpy")),
    "2.36": ("bookworm", ("file", "gcc", "git", "libc6-dev", "perl", "python3-numpy")),
    "2.41": ("trixie", ("perl", "python3-numpy")),
}


def tree(name: str) -> Path:
    """The root of one of the trees above."""
    suite, packages = TREES[name]
    key = hashlib.sha256(repr((suite, packages)).encode()).hexdigest()[:10]
    folder = images.cache() / f"tree-{suite}-{key}"
    with (images.cache() / f"tree-{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _make(suite, packages, folder)
    return folder


def _make(suite: str, packages: tuple[str, ...], folder: Path) -> None:
    tar, making = folder.with_suffix(".tar"), folder.with_suffix(".making")
    subprocess.run(["rm", "-rf", str(making)], check=True)
    making.mkdir()
    try:
        images.debootstrap(tar, packages, suite=suite)
        unpack = ["tar", "--no-same-owner", "--exclude=./dev/*", "-C", str(making), "-xf", str(tar)]
        subprocess.run(unpack, check=True, capture_output=True)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(tar)
    making.rename(folder)
