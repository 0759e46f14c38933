"""System calls by name and number, from the lists beside this file, which scripts/make-seccomp makes."""

from __future__ import annotations

import functools
import os

__all__ = ["TABLES", "numbers"]

TABLES = ("amd64", "386", "arm64")
"""OCI's names of the architectures that there is a list of (``syscalls-NAME.txt``: a number and a name a line)."""


@functools.cache
def numbers(table: str) -> dict[str, int]:
    """The number of each system call of one architecture; read when a filter is assembled, never on a usual start."""
    with open(f"{os.path.dirname(__file__)}/syscalls-{table}.txt", encoding="ascii") as file:
        lines = [line.split() for line in file]
    return {name: int(number) for number, name in lines}
