"""The records of a plan file: numbers, phases and fields by name.

The same table as ``native/launcher/ops.def``, which says what each record means; a test compares the two. Fields:
``u`` unsigned 64-bit number, ``s`` text without NUL, ``b`` bytes, ``l`` list of texts.
"""

from __future__ import annotations

import msgspec

__all__ = ["BY_NUMBER", "FORMAT", "INPUTS", "MAGIC", "OPERATIONS", "Kind"]

MAGIC = b"WHRY"
FORMAT = 1


class Kind(msgspec.Struct, frozen=True):
    """One kind of record. ``names`` are its fields' names, as ``--dry-run --format json`` shows them."""

    number: int
    phase: str  # INPUT, HOST, INIT or COMMAND
    fields: str
    names: tuple[str, ...]


def _kind(number: int, phase: str, fields: str, names: str = "") -> Kind:
    return Kind(number, phase, fields, tuple(names.split()))


INPUTS: dict[str, Kind] = {
    "PREFIX": _kind(1, "INPUT", "l", "words"),
    "VERSION": _kind(2, "INPUT", "s", "version"),
    "FILE": _kind(3, "INPUT", "suuuuuuu", "path exists device inode size mtime_ns ctime_ns mode"),
    "CONTENT": _kind(4, "INPUT", "sb", "path content"),
    "ENV": _kind(5, "INPUT", "sus", "variable set value"),
    "ENVS": _kind(6, "INPUT", "sl", "prefix variables"),
    "IDENTITY": _kind(7, "INPUT", "uul", "uid gid groups"),
    "NODE": _kind(8, "INPUT", "s", "name"),
    "BOOT": _kind(9, "INPUT", "s", "boot_id"),
    "CWD": _kind(10, "INPUT", "s", "path"),
    "NEAREST": _kind(11, "INPUT", "ss", "name path"),
    "LOCAL": _kind(12, "INPUT", "su", "name is_file"),
    "APART": _kind(13, "INPUT", "l", "directories"),
    "FREE": _kind(14, "INPUT", "s", "path"),
    "ENTRY": _kind(15, "INPUT", "suuuuuuu", "path exists device inode size mtime_ns ctime_ns mode"),
    "REAL": _kind(16, "INPUT", "ss", "path real"),
    "TERMINAL": _kind(17, "INPUT", "uu", "descriptor is_terminal"),
    "MACHINE": _kind(18, "INPUT", "s", "name"),
    "AROUND": _kind(19, "INPUT", "s", "text"),
    "PROCESSORS": _kind(20, "INPUT", "u", "count"),
}

OPERATIONS: dict[str, Kind] = {
    "ID": _kind(100, "HOST", "s", "id"),
    "RUNNING": _kind(101, "HOST", "ss", "folder fragment"),
    "LEASE": _kind(102, "HOST", "s", "path"),
    "RECORD": _kind(103, "HOST", "ss", "folder fragment"),
    "SCRATCH": _kind(104, "HOST", "lu", "parents keep"),
    "MKDIR": _kind(105, "HOST", "su", "path mode"),
    "CIDFILE": _kind(106, "HOST", "s", "path"),
    "EXITFILE": _kind(107, "HOST", "s", "path"),
    "STDIO": _kind(108, "HOST", "u", "bits"),
    "LOG": _kind(109, "HOST", "s", "path"),
    "FDS": _kind(110, "HOST", "ll", "descriptors variables"),
    "NAMESPACE": _kind(111, "HOST", "uuu", "flags uid gid"),
    "JOIN": _kind(112, "HOST", "sus", "running flags name"),
    "PLAIN": _kind(113, "HOST", ""),
    "WRAP": _kind(114, "HOST", "ll", "argv variables"),
    "INSIDE": _kind(115, "HOST", ""),
    "SOURCES": _kind(116, "HOST", "l", "paths"),
    "COPY": _kind(117, "HOST", "ss", "tree path"),
    "FOLLOW": _kind(118, "HOST", "s", "running"),
    "IDMAP": _kind(119, "HOST", "ssll", "newuidmap newgidmap uids gids"),
    "CGROUP": _kind(120, "HOST", "ssull", "root parent bits files optional_files"),
    "MEMBER": _kind(121, "HOST", "ss", "root folder"),
    "WATCH": _kind(122, "HOST", "uu", "bytes tasks"),
    "AFFINITY": _kind(123, "HOST", "uu", "processors like_process"),
    "UNTIL": _kind(124, "HOST", "uu", "signal grace_seconds"),
    "HANDOVER": _kind(125, "HOST", "s", "path"),
    "WRITE": _kind(126, "HOST", "ss", "path text"),
    "LINK": _kind(127, "HOST", "ss", "content path"),
    "POINT": _kind(128, "HOST", "sss", "source root path"),
    "MOUNTED": _kind(129, "HOST", "sl", "prefix variables"),
    "SUPERVISE": _kind(130, "HOST", "sssuul", "program owners upper uid gid groups"),
    "PARENT": _kind(131, "HOST", "u", "process"),
    "TURNS": _kind(132, "HOST", ""),
    "FAILED": _kind(135, "HOST", "u", "status"),
    "SAY": _kind(140, "HOST", "s", "text"),
    "USED": _kind(141, "HOST", "l", "paths"),
    "ANSWER": _kind(142, "HOST", "bb", "error output"),
    "HOSTNAME": _kind(200, "INIT", "s", "name"),
    "OVERLAY": _kind(201, "INIT", "lsssu", "layers upper work mount_point bits"),
    "FUSE": _kind(202, "INIT", "ls", "argv mount_point"),
    "TREE": _kind(203, "INIT", "ssu", "tree mount_point bits"),
    "ROOT": _kind(204, "INIT", "s", "mount_point"),
    "MOUNT": _kind(205, "INIT", "ssuss", "type source flags data target"),
    "BIND": _kind(206, "INIT", "ssu", "source target bits"),
    "SYMLINK": _kind(207, "INIT", "ss", "content target"),
    "DIRECTORY": _kind(208, "INIT", "su", "target mode"),
    "MASK": _kind(209, "INIT", "s", "target"),
    "READONLY": _kind(210, "INIT", "s", "target"),
    "LOOPBACK": _kind(211, "INIT", ""),
    "NAMED": _kind(213, "INIT", "l", "directories"),
    "OWNER": _kind(212, "INIT", "suu", "target uid gid"),
    "ENV_PASS": _kind(300, "COMMAND", "l", "names"),
    "ENV_SET": _kind(301, "COMMAND", "l", "variables"),
    "ENV_TAKE": _kind(302, "COMMAND", "l", "names"),
    "ENV_WHEN": _kind(309, "COMMAND", "ll", "markers names"),
    "ENV_BARE": _kind(311, "COMMAND", "l", "prefixes"),
    "ENV_NAMES": _kind(313, "COMMAND", "ll", "variable prefixes"),
    "CWD": _kind(303, "COMMAND", "su", "directory make"),
    "UMASK": _kind(312, "COMMAND", "u", "mask"),
    "RLIMIT": _kind(304, "COMMAND", "uuu", "resource soft hard"),
    "CAPS": _kind(305, "COMMAND", "u", "bits"),
    "IDS": _kind(310, "COMMAND", "uul", "uid gid groups"),
    "SECCOMP": _kind(306, "COMMAND", "bu", "filter flags"),
    "NO_NEW_PRIVS": _kind(307, "COMMAND", ""),
    "EXEC": _kind(308, "COMMAND", "llu", "entry_point default bits"),
}

BY_NUMBER = {kind.number: (name, kind) for table in (INPUTS, OPERATIONS) for name, kind in table.items()}
