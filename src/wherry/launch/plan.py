"""The plan as a value: what was consulted, what will be done, and the small files that it needs."""

from __future__ import annotations

import msgspec

__all__ = [
    "CURRENT",
    "DIRECTORY",
    "HANDED",
    "ID",
    "INSIDE",
    "MOUNT",
    "SCRATCH",
    "SELF",
    "SHORT_ID",
    "Field",
    "Kept",
    "LaunchPlan",
    "Mounted",
    "Operation",
    "Paths",
    "PlanFile",
]

Field = int | str | bytes | tuple[str, ...]

SCRATCH = "\x01"
"""A text that begins with it: the container's scratch folder."""
CURRENT = "\x02"
"""The current directory at the start."""
ID = "\x03"
"""The container's id, 64 hex digits."""
SHORT_ID = "\x04"
"""Its first 12 digits."""
SELF = "\x05"
"""The launcher's own path."""
DIRECTORY = "\x06"
"""The directory that the command starts in, as CWD says."""

MOUNT = "\x07"
"""The folder of the image's mount, as MOUNTED says."""

HANDED = f"{SCRATCH}/handed"
"""The folder by which a command is handed over (ops.def, HANDOVER)."""
INSIDE = ("/.wherry", "/.wherry/wherry-inside")
"""Where that folder and the launcher are shown inside."""


class Operation(msgspec.Struct, frozen=True):
    """One record: its kind (a name in :mod:`wherry.launch.records`) and its fields in the order of the table."""

    kind: str
    fields: tuple[Field, ...] = ()


class PlanFile(msgspec.Struct, frozen=True):
    """A small file that a plan shows, or with ``content`` None a directory; part of a names layer."""

    path: str
    content: bytes | None
    mode: int = 0o644


class LaunchPlan(msgspec.Struct, frozen=True):
    """Inputs first, then operations in the order of execution.

    ``files`` must be written (:func:`wherry.launch.write_files`) before the plan is executed. ``notes`` are sentences
    for the user: what this machine or image could not give. ``starter`` are words to execute before the launcher's own
    (a program that starts it elsewhere); they are no part of the file. ``reusable`` says whether another start may use
    the plan.
    """

    inputs: tuple[Operation, ...]
    operations: tuple[Operation, ...]
    files: tuple[PlanFile, ...] = ()
    notes: tuple[str, ...] = ()
    reusable: bool = True
    starter: tuple[str, ...] = ()

    def find(self, kind: str) -> tuple[Operation, ...]:
        """All operations of a kind, in their order."""
        return tuple(item for item in self.operations if item.kind == kind)


class Mounted(msgspec.Struct, frozen=True):
    """The folder of an image's mount: a prefix and the variables that make the rest of its name (ops.def, MOUNTED)."""

    prefix: str
    variables: tuple[str, ...] = ()


class Paths(msgspec.Struct, frozen=True):
    """Where things lie on the host, all absolute.

    ``scratch`` are the parent folders for writable layers in order of preference (``wherry.host.scratch_parents``).
    ``lease`` is the image's lease file on this node, empty where there is none (a site's read-only store).
    ``flat`` is the flattened tree, needed only where neither overlay nor FUSE can be had. ``mounted`` is set for an
    image that is mounted and not unpacked: its trees begin with :data:`MOUNT`, or are those of that folder. ``owners``
    is a file: what the layers say of owners (:func:`wherry.image.owners_list`), for a start with ``fakeroot``.
    """

    store: str
    runtime: str
    state: str
    scratch: tuple[str, ...]
    lease: str = ""
    flat: str = ""
    mounted: Mounted | None = None
    owners: str = ""


class Kept(msgspec.Struct, frozen=True):
    """A container that stays until ``rm``.

    ``scratch`` are parent folders for its writable layer (``PARENT/ID`` holds ``upper`` and ``work``): the folder of
    containers in the store, or the node's scratch where the store is on a network file system; empty means
    :attr:`Paths.scratch`. ``log`` and ``exit_file`` are what the launcher writes; empty means not.
    """

    id: str
    name: str = ""
    scratch: tuple[str, ...] = ()
    log: str = ""
    exit_file: str = ""
    verb: str = "run"
