"""What the user shows inside: ``-v``, ``--mount``, ``--tmpfs``, ``--here``, ``--home``; parents before children."""

from __future__ import annotations

import posixpath

from wherry.base.errors import UsageError
from wherry.host import Host
from wherry.launch.options import Bind, RunOptions
from wherry.launch.plan import CURRENT, Operation

__all__ = [
    "BIND_NODEV",
    "BIND_NOEXEC",
    "BIND_NOSUID",
    "BIND_OPTIONAL",
    "BIND_PLAIN",
    "BIND_READ_ONLY",
    "BIND_REPLACES_LINK",
    "BIND_SHALLOW",
    "BIND_SLAVE",
    "user_mounts",
]

BIND_READ_ONLY, BIND_NOSUID, BIND_NODEV, BIND_NOEXEC, BIND_SHALLOW = 1, 2, 4, 8, 16
BIND_OPTIONAL, BIND_REPLACES_LINK, BIND_SLAVE = 32, 64, 128
BIND_PLAIN = 512

_TMPFS_FLAGS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "nodiratime": 2048}
_TMPFS_CLEAR = {"rw": 1, "suid": 2, "dev": 4, "exec": 8, "atime": 1024, "diratime": 2048}
_NUMBER = r"(0x[0-9a-fA-F]+|\d+)"
_TMPFS_FORMS = {
    "size": rf"{_NUMBER}[kKmMgGtTpPeE]?|\d+%",
    "nr_inodes": rf"{_NUMBER}[kKmMgGtTpPeE]?",
    "nr_blocks": rf"{_NUMBER}[kKmMgGtTpPeE]?",
    "mode": r"[0-7]{1,5}",
    "uid": r"\d{1,10}",
    "gid": r"\d{1,10}",
}
"""The values that the kernel takes (tmpfs(5)); it says only "invalid argument" to others, at the start."""
_TMPFS_DATA = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "huge")


def user_mounts(options: RunOptions, host: Host, *, here: bool, home: bool) -> list[Operation]:
    """BIND and MOUNT operations; raises :class:`UsageError` for a target that cannot be."""
    wanted: list[tuple[int, str, Operation]] = []
    for bind in options.binds:
        target = _checked(bind.target)
        wanted.append((_depth(target), target, _bind(bind, target)))
    wanted += [_tmpfs(path, text) for path, text in options.tmpfs]
    _check_distinct([target for _, target, _ in wanted])
    wanted.sort(key=lambda entry: entry[0])
    taken = {target for _, target, _ in wanted}
    before = [(_depth(bind.target), bind.target, _bind(bind, bind.target)) for bind in options.first_binds]
    before += [_tmpfs(path, text) for path, text in options.first_tmpfs]
    before.sort(key=lambda entry: entry[0])
    first = [operation for _, target, operation in before if target not in taken]
    shown = {bind.target for bind in options.binds if bind.source == bind.target and bind.recursive}
    if home and not taken & {host.home} and not any(host.home.startswith(f"{target}/") for target in shown):
        if host.home == "/":
            raise UsageError("cannot use --home", why="your home directory is '/'", hint="bind what you need with -v")
        first.append(Operation("BIND", (host.home, host.home, BIND_NOSUID)))
    if here:
        first.append(Operation("BIND", (CURRENT, CURRENT, BIND_NOSUID)))
    return first + [operation for _, _, operation in wanted]


def _tmpfs(path: str, text: str) -> tuple[int, str, Operation]:
    target = _checked(path)
    flags, data = _tmpfs_options(path, text)
    return _depth(target), target, Operation("MOUNT", ("tmpfs", "tmpfs", flags, data, target))


def _bind(bind: Bind, target: str) -> Operation:
    if bind.propagation not in ("private", "slave"):
        raise UsageError(
            f"cannot bind '{bind.source}' with propagation '{bind.propagation}'",
            why="what is mounted in a container of yours can never appear on the host: that takes root",
            hint="use 'private' (the default), or 'slave' to see later mounts of the host",
        )
    bits = BIND_NOSUID
    bits |= BIND_READ_ONLY if bind.read_only else 0
    bits |= 0 if bind.recursive else BIND_SHALLOW
    bits |= BIND_OPTIONAL if bind.optional else 0
    bits |= BIND_SLAVE if bind.propagation == "slave" else 0
    return Operation("BIND", (bind.source, target, bits))


def _checked(target: str) -> str:
    path = posixpath.normpath(target)
    if path.startswith("//"):
        path = path[1:]
    if not path.startswith("/"):
        raise UsageError(f"cannot mount at '{target}'", why="the path inside must begin with '/'")
    if path == "/":
        raise UsageError(
            "cannot mount at '/'",
            why="that would hide the whole image",
            hint="choose a directory, as -v DIRECTORY:/data",
        )
    for system in ("/proc", "/sys"):
        if path == system or path.startswith(f"{system}/"):
            raise UsageError(f"cannot mount at '{target}'", why=f"{system} shows the kernel, and must not be faked")
    return path


def _check_distinct(targets: list[str]) -> None:
    for target in targets:
        if targets.count(target) > 1:
            raise UsageError(f"two mounts at '{target}'", hint="leave one of them out")


def _depth(path: str) -> int:
    return path.count("/")


def _tmpfs_options(target: str, text: str) -> tuple[int, str]:
    flags = _TMPFS_FLAGS["nosuid"] | _TMPFS_FLAGS["nodev"] | _TMPFS_FLAGS["noexec"]  # as Docker's
    data = []
    for option in text.split(","):
        if option in _TMPFS_FLAGS:
            flags |= _TMPFS_FLAGS[option]
        elif option in _TMPFS_CLEAR:
            flags &= ~_TMPFS_CLEAR[option]
        elif option.partition("=")[0] in _TMPFS_DATA:
            _check_tmpfs_value(target, text, option)
            data.append(option)
        elif option:
            raise UsageError(f"tmpfs at '{target}' has no option '{option}'", hint="as --tmpfs /scratch:size=1G,exec")
    if not any(option.startswith("mode=") for option in data):
        data.append("mode=1777")
    return flags, ",".join(data)


def _check_tmpfs_value(target: str, text: str, option: str) -> None:
    import re

    name, _, value = option.partition("=")
    if name in _TMPFS_FORMS and not re.fullmatch(_TMPFS_FORMS[name], value, re.ASCII):
        hint = {"size": "as size=64m, size=2G or size=50%", "mode": "as mode=1777"}.get(name, f"as {name}=1000")
        raise UsageError(f"'--tmpfs {target}:{text}': '{option}' cannot be", why=f"'{value}' is no {name}", hint=hint)
