"""What kind of program an image's file is, by the first bytes of it (elf(5)); decides who can run it."""

from __future__ import annotations

import posixpath
import struct

from wherry.launch.options import RunOptions
from wherry.launch.views import Image, Tree

__all__ = ["find_program", "kind_of_program"]

_HEAD = 4096
_INTERPRETER = 3  # PT_INTERP
_MACHINES = {"amd64": 62, "arm64": 183, "ppc64le": 21, "riscv64": 243, "s390x": 22}
_USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def kind_of_program(tree: Tree, name: str, path: str, architecture: str) -> str:
    """``dynamic``, ``static``, ``musl`` or ``other-arch``; empty where it cannot be told (missing, no program).

    ``path`` is the image's ``PATH``. A script is what its interpreter is.
    """
    file = find_program(tree, name, path)
    for _ in range(4):
        head = tree.read(file, _HEAD) if file else None
        if not head:
            return ""
        if not head.startswith(b"#!"):
            return _kind_of(head, architecture)
        words = head[2:].split(b"\n", 1)[0].split()
        file = words[0].decode(errors="replace") if words else ""
    return ""


def program_of(options: RunOptions, image: Image) -> str:
    """What a start executes, as it is spelled; empty where that is known only when it starts."""
    config = image.config.config
    entry = options.entrypoint if options.entrypoint is not None else (config.entrypoint or ())
    command = options.command or (() if options.entrypoint is not None else config.cmd or ())
    return next(iter((*entry, *command)), "")


def path_of(image: Image) -> str:
    """The image's ``PATH``, empty where it has none."""
    return next((text[5:] for text in image.config.config.env or () if text.startswith("PATH=")), "")


def find_program(tree: Tree, name: str, path: str) -> str:
    """Where the program is in the image, by its ``PATH``; empty where it is missing (or relative)."""
    if "/" in name:
        return name if name.startswith("/") else ""
    for folder in (path or _USUAL_PATH).split(":"):
        file = posixpath.join(folder, name)
        if folder.startswith("/") and tree.exists(file):
            return file
    return ""


def _kind_of(head: bytes, architecture: str) -> str:
    if len(head) < 64 or head[:4] != b"\x7fELF":
        return ""
    if head[4] != 2 or struct.unpack_from("<H", head, 18)[0] != _MACHINES.get(architecture, 0):
        return "other-arch"
    at, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
    for start in range(at, min(at + size * count, len(head) - 55), max(size, 56)):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", head, start)
        if kind == _INTERPRETER:
            return "musl" if b"ld-musl" in head[offset : offset + length] else "dynamic"
    return "static"
