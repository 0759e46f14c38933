"""``export --bundle``: an image and a command as a directory that OCI runtimes execute."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wherry.base.errors import Conflict, StoreError, reason, remedy
from wherry.containers.changes import Change
from wherry.containers.completing import complete
from wherry.containers.resolving import Resolved, resolve
from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.base.progress import Progress
    from wherry.launch import RunOptions

__all__ = ["export_bundle", "plan_export"]


def export_bundle(
    options: RunOptions, folder: str, *, world: World | None = None, progress: Progress | None = None
) -> None:
    """Write the bundle into ``folder``, which must not exist or be empty; what cannot be finished is removed.

    Raises what resolving, policy and planning raise; :class:`Conflict` for a folder that holds something,
    :class:`StoreError` when it cannot be written.
    """
    from wherry.base.progress import silent
    from wherry.containers.trees import remove_tree
    from wherry.image import view, write_out
    from wherry.launch import survey
    from wherry.launch.engines.exported import ROOT, export
    from wherry.policy import ImageFacts, UserFacts, decide, require

    world = world or World()
    _require_free(folder)
    options = complete(options, world.settings, world.outside)
    found = resolve(world, options.image, pull=options.pull, platform=options.platform, progress=progress)
    assert isinstance(found, Resolved)
    image, host = found.image, world.host
    facts = ImageFacts(image.reference, image.digest)
    require(decide(facts, UserFacts(host.uid, host.user, host.node), "run"), facts, "run")
    surroundings = survey(world.outside, options, world.settings, image, host)
    tree = view(image)
    bundle = export(options, image, tree, host, world.settings, surroundings, dict(os.environ))
    work = f"{folder}.partial-{os.getpid()}"
    try:
        os.mkdir(work, 0o700)
        write_out(image, f"{work}/{ROOT}", progress or silent)
        for path, mode in bundle.folders:
            _make(f"{work}/{ROOT}", tree.resolve(path), mode)
        for name, content in (*bundle.files, ("config.json", bundle.config.encode())):
            with open(f"{work}/{name}", "xb") as file:
                file.write(content)
        os.rename(work, folder)
    except OSError as error:
        hint = remedy(error, write=True)
        raise StoreError(f"cannot write the bundle '{folder}'", why=reason(error), hint=hint) from None
    finally:
        if os.path.isdir(work):
            remove_tree(work)


def plan_export(options: RunOptions, folder: str) -> list[Change]:
    """What :func:`export_bundle` would do."""
    _require_free(folder)
    return [Change("write", "bundle", options.image, folder)]


def _require_free(folder: str) -> None:
    if os.path.lexists(folder) and not (os.path.isdir(folder) and not os.listdir(folder)):
        raise Conflict(f"'{folder}' exists", why="a bundle is written into a new directory", hint="remove it")


def _make(root: str, path: str, mode: int) -> None:
    """A directory in the copy that was just made, whose ``path`` has no links any more."""
    done = root
    for part in path.strip("/").split("/"):
        done = f"{done}/{part}"
        if not os.path.isdir(done):
            os.mkdir(done, 0o755)
    os.chmod(done, mode)
