"""Programs of the Python world that tests drive Wherry with (cwltool, udocker, Snakemake), each set in a virtual
environment of its own: they are big, and their dependencies are none of Wherry's.

Made once a machine and user, in the cache folder outside the tree; a lock makes it safe for several test processes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import images

__all__ = ["tool_folder"]


def tool_folder(*packages: str) -> Path:
    """The folder of the programs that these packages bring (put it into PATH)."""
    key = hashlib.sha256("\n".join((sys.version, *packages)).encode()).hexdigest()[:12]
    place = images.cache() / f"tools-{key}"
    with open(images.cache() / f"tools-{key}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            base = os.path.realpath(sys.executable)
            subprocess.run([base, "-m", "venv", str(place)], check=True, capture_output=True)
            pip = [str(place / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", *packages]
            done = subprocess.run(pip, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-2000:]
            (place / "complete").touch()
    return place / "bin"
