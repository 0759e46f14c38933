"""Execution records read back: the start and the end line of each execution, joined (``wherry.base.record``)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import msgspec

from wherry.base.record import EndLine, StartLine
from wherry.containers.times import seconds

__all__ = ["Record", "find_record", "old_records", "read_records", "record_files", "remove_records"]

_CLOCK_SECONDS = 10.0
"""How much the two clocks may differ; a process that began later than its record has taken over a pid."""


class Record(msgspec.Struct, frozen=True):
    """One execution. ``end`` is None while it runs, and for ever where the end was never written.

    ``lost`` says that it never will be: the node has another boot id by now, or no such process lives on this node.
    """

    start: StartLine
    end: EndLine | None = None
    lost: bool = False

    @property
    def id(self) -> str:
        return self.start.id


_Line = StartLine | EndLine


def read_records(state: str, *, node: str = "", boot_id: str = "", days: int = 0) -> Iterator[Record]:
    """Records under ``STATE/records``, oldest first; of all nodes, or of ``node``.

    ``days`` limits to the newest so many files of each node (0: all). ``boot_id`` is this node's: it tells which
    executions of this node were lost. A line that is cut or not understood is passed over: the disk was full, or a
    newer Wherry wrote it.
    """
    here = os.uname().nodename
    for folder in _nodes(f"{state}/records", node):
        for record in _join(_lines(folder, days)):
            lost = record.end is None and _is_lost(record.start, here, boot_id)
            yield Record(record.start, record.end, True) if lost else record


def find_record(state: str, container_id: str, *, node: str = "", boot_id: str = "", days: int = 0) -> Record | None:
    """The newest record of one container (a kept one that was started thrice has three), None when there is none."""
    found = None
    for record in read_records(state, node=node, boot_id=boot_id, days=days):
        if record.id == container_id:
            found = record
    return found


def record_files(state: str) -> list[str]:
    """All files of records: one a node and day."""
    return [
        f"{folder}/{name}"
        for folder in _nodes(f"{state}/records", "")
        for name in _listed(folder)
        if name.endswith(".jsonl")
    ]


def old_records(state: str, days: int) -> list[str]:
    """Files of records of more than ``days`` days ago; none when that is not a number of days (0)."""
    import datetime

    if days <= 0:
        return []
    last = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=min(days, 100_000))
    oldest = f"{last.isoformat()}.jsonl"
    return [path for path in record_files(state) if os.path.basename(path) < oldest]


def remove_records(paths: list[str]) -> int:
    """Remove files of :func:`old_records`, and folders of nodes that hold none any more; how many went."""
    gone = 0
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)
            gone += 1
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(path))
    return gone


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _nodes(root: str, node: str) -> list[str]:
    if node:
        return [f"{root}/{node}"]
    return [f"{root}/{name}" for name in _listed(root)]


def _lines(folder: str, days: int) -> Iterator[_Line]:
    decoder = msgspec.json.Decoder(_Line)
    names = [name for name in _listed(folder) if name.endswith(".jsonl")]
    for name in names[-days:] if days else names:
        try:
            with open(f"{folder}/{name}", "rb") as file:
                content = file.read()
        except OSError:
            continue
        for line in content.split(b"\n"):
            if not line:
                continue
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError:
                continue


def _join(lines: Iterator[_Line]) -> list[Record]:
    records: list[Record] = []
    waiting: dict[str, int] = {}
    for line in lines:
        if isinstance(line, StartLine):
            waiting[line.id] = len(records)
            records.append(Record(line))
        elif line.id in waiting:
            place = waiting.pop(line.id)
            records[place] = Record(records[place].start, line)
    return records


def _is_lost(start: StartLine, here: str, boot_id: str) -> bool:
    if start.node and start.node != here:
        return False
    if boot_id and start.boot_id and start.boot_id != boot_id:
        return True
    began = _began(start.pid)
    return began is None or began > seconds(start.time) + _CLOCK_SECONDS


def _began(pid: int) -> float | None:
    """When the process began, in seconds since the epoch (proc_pid_stat(5), field 22); None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        with open("/proc/stat", "rb") as file:
            boot = next(int(line.split()[1]) for line in file if line.startswith(b"btime "))
    except (OSError, StopIteration):
        return None
    return None if fields[0] in (b"Z", b"X") else boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
