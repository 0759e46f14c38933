"""Machines that lack something, made around a command: ``python tests/hard_hosts.py LACK... -- COMMAND``.

Each LACK really takes something away from COMMAND and all that it starts:

=================== ==================================================================================
no-namespaces       a seccomp filter as outer containers have it: unshare, mount and their like give EPERM
no-namespaces-left  the same, with ENOSPC
namespace-limit     ``user.max_user_namespaces`` is 0 in a user namespace around it
no-ptrace           a seccomp filter gives EPERM to ptrace
no-fuse             /dev holds no ``fuse``
masked-proc         something is mounted below /proc, as outer containers have it
unknown:NAME,...    these system calls are answered with ENOSYS
=================== ==================================================================================
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from pathlib import Path

__all__ = ["around"]

_NEW_USER, _NEW_MOUNTS, _NEW_ANY = 0x10000000, 0x00020000, 0x7E020000
_BIND, _REC, _PRIVATE = 4096, 0x4000, 1 << 18
_X86 = os.uname().machine == "x86_64"
_CALLS = {
    "ptrace": 101 if _X86 else 117,
    "unshare": 272 if _X86 else 97,
    "setns": 308 if _X86 else 268,
    "mount": 165 if _X86 else 40,
    "umount2": 166 if _X86 else 39,
    "pivot_root": 155 if _X86 else 41,
    "clone": 56 if _X86 else 220,
    "clone3": 435,
    "open_tree": 428,
    "statx": 332 if _X86 else 291,
    "openat2": 437,
    "faccessat2": 439,
    "fchmodat2": 452,
}


def around(*lacks: str) -> tuple[str, ...]:
    """What to put before a command so that it meets such a machine."""
    return (sys.executable, str(Path(__file__).resolve()), *lacks, "--")


def main() -> None:
    """Take away what the arguments name, filters last, and become the command."""
    end = sys.argv.index("--")
    lacks, command = sys.argv[1:end], sys.argv[end + 1 :]
    folders = {"namespace-limit", "no-fuse", "masked-proc"} & set(lacks)
    if folders:
        _surround(folders)
    rules: list[tuple[int, int, int]] = []
    for lack in lacks:
        if lack.startswith("unknown:"):
            rules += [(_CALLS[name], 0, errno.ENOSYS) for name in lack.removeprefix("unknown:").split(",")]
        elif lack.startswith("no-namespaces"):
            refusal = errno.ENOSPC if lack.endswith("-left") else errno.EPERM
            rules += [(_CALLS[name], 0, refusal) for name in ("unshare", "setns", "mount", "umount2", "pivot_root")]
            rules += [(_CALLS["clone"], _NEW_ANY, refusal), (_CALLS["clone3"], 0, errno.ENOSYS)]
        elif lack == "no-ptrace":
            rules.append((_CALLS["ptrace"], 0, errno.EPERM))
        elif lack not in folders:
            raise SystemExit(f"no such lack: {lack}")
    if rules:
        _filter(rules)
    os.execvp(command[0], command)


def _surround(lacks: set[str]) -> None:
    uid, gid = os.geteuid(), os.getegid()
    _must(_libc().unshare(_NEW_USER | _NEW_MOUNTS), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    _mount(None, "/", None, _REC | _PRIVATE)
    if "no-fuse" in lacks:
        _bare_devices()
    if "masked-proc" in lacks:
        _mount("tmpfs", "/proc/scsi" if os.path.isdir("/proc/scsi") else "/proc/bus", "tmpfs", 0)
    if "namespace-limit" in lacks:
        Path("/proc/sys/user/max_user_namespaces").write_text("0")


def _bare_devices() -> None:
    place = f"/tmp/bare-devices-{os.getpid()}"
    os.mkdir(place)
    _mount("tmpfs", place, "tmpfs", 0)
    for name in ("null", "zero", "full", "random", "urandom", "tty", "pts", "shm"):
        (os.mkdir if os.path.isdir(f"/dev/{name}") else os.mknod)(f"{place}/{name}")
        _mount(f"/dev/{name}", f"{place}/{name}", None, _BIND | _REC)
    os.symlink("/proc/self/fd", f"{place}/fd")
    _mount(place, "/dev", None, _BIND | _REC)
    _must(_libc().umount2(place.encode(), 2), "umount")
    os.rmdir(place)


def _filter(rules: list[tuple[int, int, int]]) -> None:
    """Classic BPF: (number, bits of the first argument or 0, errno) in turn, then allow."""
    code = [(0x20, 0, 0, 0)]  # load the number
    for number, bits, refusal in rules:
        if bits:
            code += [(0x15, 0, 4, number), (0x20, 0, 0, 16), (0x45, 0, 1, bits), (0x06, 0, 0, 0x50000 | refusal)]
            code += [(0x20, 0, 0, 0)]
        else:
            code += [(0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | refusal)]
    code.append((0x06, 0, 0, 0x7FFF0000))
    packed = b"".join(struct.pack("HBBI", *instruction) for instruction in code)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
    _must(_libc().prctl(38, 1, 0, 0, 0), "no_new_privs")
    _must(_libc().prctl(22, 2, program, 0, 0), "seccomp")


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    texts = [None if text is None else text.encode() for text in (source, target, kind)]
    _must(_libc().mount(*texts, ctypes.c_ulong(flags), None), f"mount {target}")


def _must(status: int, step: str) -> None:
    if status != 0:
        raise SystemExit(f"{step}: {os.strerror(ctypes.get_errno())}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    main()
