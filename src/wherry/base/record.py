"""The execution record: one kind for container runs, builds, jobs and workflows (DESIGN.md, "Execute").

A record is two lines of JSON, appended to one file a node and day under ``$XDG_STATE_HOME/wherry/records/``
(``NODE/YYYY-MM-DD.jsonl``): a ``start`` line when the execution begins and an ``end`` line when it is over, joined by
``id``. The launcher writes them (``native/launcher/record.c``); Python reads them. An ``end`` that never came is
recognised by the reader: the node has another boot id now, or no such process lives.
"""

from __future__ import annotations

import msgspec

__all__ = ["EndLine", "Limit", "StartLine", "Usage"]


class Usage(msgspec.Struct, frozen=True):
    """What an execution used: milliseconds and KiB, from ``wait4`` of the container's init (getrusage(2)).

    ``peak_memory_kb`` is of all processes together; 0 where nobody measured it (there was no limit)."""

    wall_ms: int
    user_ms: int
    system_ms: int
    max_rss_kb: int
    peak_memory_kb: int = 0


class Limit(msgspec.Struct, frozen=True):
    """A limit that the container came to: ``kind`` is memory (bytes) or processes; ``peak`` is the most it had."""

    kind: str
    value: int
    peak: int


class StartLine(msgspec.Struct, frozen=True, tag_field="kind", tag="start"):
    """Who, what, where, when.

    Written by the launcher: ``id`` (64 hex digits), ``time`` (RFC 3339, UTC, milliseconds), ``pid`` (the launcher's),
    ``cwd``, ``command``, ``umask`` (octal) and ``limits`` (soft limits that differ from unlimited). Carried by the
    plan as a prepared fragment: the rest; ``resources`` are limits of the whole: ``memory`` (bytes), ``cpus``,
    ``processes``.
    """

    id: str
    time: str
    pid: int
    cwd: str
    command: list[str]
    umask: str = ""
    limits: dict[str, int] = {}
    verb: str = "run"
    image: str = ""
    image_digest: str = ""
    name: str = ""
    user: str = ""
    uid: int = -1
    node: str = ""
    boot_id: str = ""
    engine: str = ""
    wherry: str = ""
    labels: dict[str, str] = {}
    resources: dict[str, int | float] = {}


class EndLine(msgspec.Struct, frozen=True, tag_field="kind", tag="end"):
    """How it ended: ``exit`` is the command's status as a shell would show it (128+n by signal n)."""

    id: str
    time: str
    exit: int
    usage: Usage
    signal: int = 0
    limit: Limit | None = None
