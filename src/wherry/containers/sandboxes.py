"""An image as a directory that Apptainer calls a sandbox: a root file system that may be changed, and run in place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wherry.base.progress import Progress, silent
from wherry.containers.resolving import Resolved, resolve

if TYPE_CHECKING:
    from wherry.containers.world import World

__all__ = ["unpack"]


def unpack(name: str, folder: str, *, world: World, platform: str | None = None, progress: Progress = silent) -> None:
    """Make ``folder`` with the image's files, and what says how it is run (``.singularity.d``) where it has none.

    Raises what :func:`wherry.containers.resolve` raises, and :class:`OSError`.
    """
    from wherry.image import scaffold, write_out

    found = resolve(world, name, platform=platform, progress=progress)
    assert isinstance(found, Resolved)
    write_out(found.image, folder, progress)
    os.chmod(folder, 0o755)
    if os.path.lexists(f"{folder}/.singularity.d"):
        return
    config = found.image.config
    for path, (mode, content) in scaffold(config.config, config.architecture, found.shown).items():
        place = f"{folder}/{path}"
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "xb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
