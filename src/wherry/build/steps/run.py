"""RUN: a command in the files so far; what it changed is the layer."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wherry.base.errors import CommandFailed, Interrupted
from wherry.build.cache import step_key
from wherry.build.graph import RunStep
from wherry.build.made import Event, Made
from wherry.build.site import Site
from wherry.build.steps.layer import found_or_made

if TYPE_CHECKING:
    import subprocess

    from wherry.base.digest import Digest

__all__ = ["run_command"]

_PATIENCE = 10.0
"""Seconds between asking a command to end and ending it."""


def run_command(site: Site, place: int, step: RunStep, done: dict[int, Made], over: threading.Event | None) -> Made:
    """Raises :class:`CommandFailed` with the command's own status."""
    parent = done[step.parent]
    inputs = _inputs(site, step, done)
    meaning = site.meaning + "\n".join(site.here.options.hosts).encode()
    key = exact = step_key(step, parent.diff_ids, inputs, meaning)
    if site.loses_owners:
        key = step_key(step, parent.diff_ids, inputs, meaning + site.here.owners.encode())

    def fill(work: str) -> None:
        import subprocess

        from wherry.build.steps.starting import prepared

        os.mkdir(f"{work}/upper", 0o755)

        with prepared(site, step, parent, done, work) as start:
            process = start.begin(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            with _stopped_when(process, over):
                _tell(site, place, process)
                status = process.wait()
        if over is not None and over.is_set():
            raise Interrupted("interrupted")
        if status != 0:
            raise _failed(site, step, parent, done, work, status)
        if site.drafts is not None:
            from wherry.build.steps.drafted import take_changes

            take_changes(site.drafts, step, site.below(parent.layers).view, work)

    return found_or_made(site, place, key, parent, fill, by_command=True, exact=exact)


def _inputs(site: Site, step: RunStep, done: dict[int, Made]) -> tuple[Digest, ...]:
    """Contents of what is bound: they are part of what the command means."""
    from wherry.build.steps.shown import digest_of_mount

    return tuple(digest_of_mount(site, mount, done) for mount in step.mounts if mount.files is not None)


def _failed(site: Site, step: RunStep, parent: Made, done: dict[int, Made], work: str, status: int) -> CommandFailed:
    """The error for a command that ended so; what it wrote was shown already. The files before it stay, as an image."""
    looked = site.here.options.debug and sys.stdin.isatty()
    if looked:
        _look_around(site, step, parent, done, work)
    text = " ".join(step.origin.text.split())
    shown = text if len(text) <= 100 else f"{text[:97]}..."
    why = f"it was killed by signal {status - 128}" if 128 < status < 193 else f"it ended with status {status}"
    hint = "" if looked else "--debug-on-failure opens a shell there"
    if parent.layers:
        image = kept_state(site, step, parent)
        lacks = " (build arguments: -e NAME)" if step.arguments else ""
        how = "--writable-copy -u root" if site.drafts is not None else "--fakeroot"
        hint = f"wherry run -it {how} {image} sh, which is as it was before{lacks}{'; ' if hint else ''}{hint}"
    return CommandFailed(
        f"{site.here.recipe}:{step.origin.position.line}: '{shown}' failed", why=why, hint=hint, status=status
    )


def _look_around(site: Site, step: RunStep, parent: Made, done: dict[int, Made], work: str) -> None:
    """A shell in what the failed command left; its changes go with it."""
    from wherry.build.steps.starting import prepared
    from wherry.image import Tree

    shell = "/bin/bash" if Tree.of(parent.layers).exists("/bin/bash") else "/bin/sh"
    site.report(Event("note", text=f"the files as the failed command left them; '{shell}' ends with 'exit'"))
    with prepared(site, step, parent, done, work, (shell,)) as start:
        start.begin().wait()


def kept_state(site: Site, step: RunStep, parent: Made) -> str:
    """The first digits of a nameless image of the files before the step, with its variables and directory. Without
    build arguments: they may be secret, and this image stays."""
    from wherry.image import make_image

    system, _, architecture = step.platform.partition("/")
    env = [pair for pair in step.env if pair.partition("=")[0] not in step.arguments]
    config = {"Env": env, "WorkingDir": step.directory, "Cmd": ["/bin/sh"]}
    document = {"architecture": architecture.partition("/")[0], "os": system, "config": config}
    return make_image(site.world.store, None, document, parent.layers).digest.short


def _tell(site: Site, place: int, process: subprocess.Popen[bytes]) -> None:
    """Report each line as it comes; one without an end is cut after 64 KiB."""
    assert process.stdout is not None
    with process.stdout as stream:
        while line := stream.readline(1 << 16):
            text = line.rstrip(b"\r\n").rpartition(b"\r")[2]  # of a line that was written over, what stood there last
            site.report(Event("output", place, text.decode("utf-8", "replace")))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, and end it when it does not; a container ends with its launcher."""
    import subprocess

    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _stopped_when(process: subprocess.Popen[bytes], over: threading.Event | None) -> Iterator[None]:
    """End the process when the build is over before it is."""
    ended = threading.Event()

    def watch(over: threading.Event) -> None:
        while not ended.wait(0.1):
            if over.is_set():
                process.terminate()
                if not ended.wait(_PATIENCE):
                    process.kill()
                return

    watcher = threading.Thread(target=watch, args=(over,), name="watch", daemon=True) if over is not None else None
    if watcher is not None:
        watcher.start()
    try:
        yield
    except BaseException:
        _end(process)
        raise
    finally:
        ended.set()
        if watcher is not None:
            watcher.join()
