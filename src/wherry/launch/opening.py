"""What every start of a container does on the host, whatever the engine: id, running file, scratch folder, books,
streams; and the command at its end."""

from __future__ import annotations

import os

import msgspec

from wherry.base.errors import UsageError
from wherry.launch.job import Job
from wherry.launch.options import RunOptions
from wherry.launch.plan import Operation
from wherry.launch.views import Image

__all__ = ["books", "command", "command_of", "opening", "streams"]

_STDIN, _TERMINAL, _DETACH, _IF_TERMINAL = 1, 2, 4, 8
_DROP_DASHES = 1
_DESCRIPTOR_VARIABLES = ("PMI_FD", "MAKEFLAGS")


def opening(job: Job, fragment: str, joinable: str, flags: int) -> list[Operation]:
    """The image's mount, the id, who runs, and its scratch folder: in this order, for by the running file a killed
    start is swept.

    ``joinable`` is what ``exec`` must know (:mod:`wherry.launch.fragment`), ``flags`` the new namespaces.
    """
    kept, paths = job.kept, job.paths
    scratch = paths.scratch if kept is None else (kept.scratch or paths.scratch)
    running = f'{fragment},"namespaces":{flags},"join":{joinable}'
    if kept is None:  # for a sweep under other settings
        shown = [os.fsencode(path).decode(errors="replace") for path in scratch]
        running += f',"scratch":{msgspec.json.encode(shown).decode()}'
    mounted = [Operation("MOUNTED", (paths.mounted.prefix, paths.mounted.variables))] if paths.mounted else []
    failed = job.options.failed_status
    return [
        *([] if failed is None else [Operation("FAILED", (failed,))]),
        *mounted,
        Operation("ID", (kept.id if kept else "",)),
        Operation("RUNNING", (f"{paths.runtime}/running", running)),
        Operation("SCRATCH", (scratch, int(kept is not None))),
    ]


def books(job: Job, fragment: str) -> list[Operation]:
    """Who else must know of it: lease, record, what a kept container leaves, and the id file: the last, so that a kept
    container is known to have ended where it cannot be written."""
    options, kept, paths = job.options, job.kept, job.paths
    found = [Operation("LEASE", (paths.lease,))] if paths.lease else []
    found.append(Operation("RECORD", (f"{paths.state}/records/{job.host.node}", fragment)))
    if kept is not None and kept.exit_file:
        found.append(Operation("EXITFILE", (kept.exit_file,)))
    if options.cidfile:
        found.append(Operation("CIDFILE", (options.cidfile,)))
    return found


def streams(job: Job) -> list[Operation]:
    """Standard input, terminal, log, and the descriptors that are passed on."""
    options, kept = job.options, job.kept
    bits = (_STDIN if options.interactive else 0) | (_TERMINAL if options.terminal else 0)
    bits |= _DETACH if options.detach else 0
    if options.shell:
        bits |= _STDIN | _TERMINAL | (0 if options.terminal else _IF_TERMINAL)
    elif options.if_terminal and not options.terminal:
        bits |= _TERMINAL | _IF_TERMINAL
    found = [Operation("STDIO", (bits,))]
    if kept is not None and kept.log and options.log:
        found.append(Operation("LOG", (kept.log,)))
    descriptors = tuple(str(number) for number in sorted(set(options.preserve_fds)))
    found.append(Operation("FDS", (descriptors, _DESCRIPTOR_VARIABLES)))
    if options.banner:
        found.append(Operation("SAY", (options.banner,)))
    return found


def command(job: Job) -> Operation:
    """EXEC: entry point and default command as Docker combines them, or the image's shell."""
    bits = _DROP_DASHES if job.drop_dashes else 0
    if job.options.shell:
        shell = "/bin/bash" if job.tree.exists("/bin/bash") else "/bin/sh"
        return Operation("EXEC", ((shell,), (), bits))
    if job.options.scripts is not None:
        from wherry.launch.scripts import scripted_command

        return Operation("EXEC", (*scripted_command(job.options.scripts, job.options, job.image, job.tree), bits))
    return Operation("EXEC", (*command_of(job.options, job.image), bits))


def command_of(options: RunOptions, image: Image) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entry point and default command; raises :class:`UsageError` where nothing says what to run."""
    config = image.config.config
    entry_point: tuple[str, ...]
    default: tuple[str, ...]
    if options.entrypoint is not None:  # as Docker: the image's Cmd belongs to the image's own entry point
        entry_point, default = tuple(part for part in options.entrypoint if part), ()
    else:
        entry_point, default = tuple(config.entrypoint or ()), tuple(config.cmd or ())
    if not entry_point and not default and not options.command:
        raise UsageError(
            f"'{image.reference}' names no command to run",
            hint=f"say which, as: wherry run {image.reference} COMMAND",
        )
    return entry_point, default
