"""A start whose system calls are answered as if it had all ids (``--fakeroot``; docs/design/supervisor.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import HostLacks, UsageError
from wherry.host import supervisor_program
from wherry.launch.plan import Operation

if TYPE_CHECKING:
    from wherry.host import Host
    from wherry.launch.identity import Person
    from wherry.launch.options import RunOptions
    from wherry.launch.plan import Paths

__all__ = ["as_root", "supervise_operation"]


def as_root(options: RunOptions, engine: str, host: Host) -> RunOptions:
    """The options, as root where nobody was named; raises :class:`HostLacks` or :class:`UsageError` where no supervisor
    can be had."""
    if options.userns == "range":
        raise UsageError(
            "--fakeroot and --userns range exclude each other",
            why="with a range other ids are real, and nothing has to be answered",
            hint="leave out one of them",
        )
    if engine != "namespace":
        raise HostLacks(
            f"--fakeroot is not possible with the engine '{engine}'",
            why="system calls are answered in a user namespace only",
            hint="--engine namespace can, where the machine allows it: wherry doctor",
        )
    if host.supervised:
        raise HostLacks("--fakeroot is not possible here", why=host.supervised, hint="'wherry doctor' says more")
    return options if options.user else msgspec.structs.replace(options, user="root")


def supervise_operation(person: Person, paths: Paths, upper: str, *, overlay: bool) -> Operation:
    """SUPERVISE; raises :class:`HostLacks` where the root is no overlay of the kernel's."""
    if not overlay:
        raise HostLacks(
            "--fakeroot is not possible with this image here",
            why="what is remembered of files stands on an overlay of the kernel's, and the root is none",
            hint="a kernel from 5.11 on has overlayfs for users; pull the image, so that it is unpacked",
        )
    groups = tuple(str(number) for number in person.groups or (person.gid,))
    return Operation("SUPERVISE", (supervisor_program(), paths.owners, upper, person.uid, person.gid, groups))
