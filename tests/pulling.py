"""A pull in a process of its own: ``python pulling.py STORE REFERENCE [PLATFORM]``, and the same in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from wherry.base.outside import Outside
from wherry.base.progress import Progress, silent
from wherry.base.reference import Reference
from wherry.base.settings import load
from wherry.image import Image, pull, push
from wherry.registry import Registry, connect
from wherry.store import Store, open_at

__all__ = ["pull_here", "pull_there", "push_here"]


def _connect() -> Registry:
    outside = Outside({"HOME": "/nonexistent", "CONTAINERS_REGISTRIES_CONF": "/nonexistent"})
    return connect(load(outside), outside)


def pull_here(store: Store, reference: str, *, platform: str | None = None, progress: Progress = silent) -> Image:
    """Pull in this process."""
    with _connect() as registry:
        return pull(store, registry, Reference.parse(reference), platform=platform, progress=progress)


def push_here(store: Store, image: Image, reference: str, progress: Progress = silent) -> str:
    """Push in this process; the digest that the registry has then."""
    with _connect() as registry:
        return str(push(store, registry, Reference.parse(reference), image=image, progress=progress))


def pull_there(store: str | Path, reference: str, *, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start a pull in another process; it prints the image's digest, or its error."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [*prefix, sys.executable, __file__, str(store), reference]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=variables)


if __name__ == "__main__":
    from wherry.base.errors import WherryError

    try:
        sys.stdout.write(str(pull_here(open_at(sys.argv[1]), sys.argv[2]).digest))
    except WherryError as error:
        sys.stdout.write(f"{type(error).__name__}: {error}")
        sys.exit(error.exit_code)
