"""OCI runtimes as other machines have them: a folder to put before PATH.

crun refuses to start anything where the two versions of cgroups are mixed in one way (controllers in the second's tree
beside the first's), which no cluster has but some virtual machines do. There a script stands in its place that shows it
no cgroups and becomes the real one.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["path_for"]

_MIXED = Path("/sys/fs/cgroup/unified/cgroup.controllers")
_SCRIPT = """#!/bin/sh
root= before=
for word; do [ "$before" != --root ] || root=$word; before=$word; done
status=$(echo "$root"/*/status)
if [ -f "$status" ]; then  # a running container: where it was started, or it cannot be entered
    pid=$(sed -n 's/.*"pid" *: *\\([0-9]*\\).*/\\1/p' "$status")
    exec nsenter -t "$(ps -o ppid= -p "$pid" | tr -d ' ')" -U -m --preserve-credentials -- {program} "$@"
fi
exec unshare -U -m --map-user=$(id -u) --map-group=$(id -g) --keep-caps \\
    sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"' sh {program} "$@"
"""


def path_for(folder: Path, path: str, *programs: str) -> str:
    """``path``, with scripts for ``programs`` (absolute paths) in front where this machine is of that kind."""
    if not (_MIXED.exists() and _MIXED.read_text().split()):
        return path
    folder.mkdir(exist_ok=True)
    for program in programs:
        script = folder / os.path.basename(program)
        script.write_text(_SCRIPT.format(program=program))
        script.chmod(0o755)
    return f"{folder}:{path}"
