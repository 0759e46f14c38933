"""Making one step: a module a kind. Each looks in the cache first, and leaves a layer in the store or nothing."""

from __future__ import annotations

import threading

from wherry.build.graph import CopyStep, MetaStep, RunStep, SourceStep, Step
from wherry.build.made import Made
from wherry.build.site import Site

__all__ = ["make_step"]


def make_step(site: Site, place: int, step: Step, done: dict[int, Made], over: threading.Event | None) -> Made:
    """What the step makes of what was ``done`` before; ``over`` is set when the build is given up, None if nothing runs
    beside it.

    Raises what its kind raises: :class:`CommandFailed` for a command that fails, :class:`NotFound` for a file that is
    not there, :class:`StoreFull`.
    """
    if isinstance(step, SourceStep):
        from wherry.build.steps.source import begin_with

        return begin_with(site, place, step)
    if isinstance(step, RunStep):
        from wherry.build.steps.run import run_command

        return run_command(site, place, step, done, over)
    if isinstance(step, CopyStep):
        from wherry.build.steps.copy import copy_files

        return copy_files(site, place, step, done)
    assert isinstance(step, MetaStep)
    if not step.directory:
        return done[step.parent]
    from wherry.build.steps.folder import make_folder

    return make_folder(site, place, step, done[step.parent])
