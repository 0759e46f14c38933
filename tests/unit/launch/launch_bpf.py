"""Classic BPF, interpreted as the kernel does (Documentation/networking/filter.rst): what the filters mean."""

from __future__ import annotations

import struct

AUDIT = {"amd64": 0xC000003E, "386": 0x40000003, "arm64": 0xC00000B7, "arm": 0x40000028}


def run(program: bytes, architecture: str, number: int, arguments: tuple[int, ...] = (0,) * 6) -> tuple[int, int]:
    """The filter's answer to one system call, and how many instructions that took."""
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, AUDIT[architecture], 0, *arguments)
    code = list(struct.iter_unpack("<HBBI", program))
    accumulator, position, steps = 0, 0, 0
    while True:
        operation, when_true, when_false, value = code[position]
        steps += 1
        position += 1
        if operation == 0x20:
            assert value % 4 == 0 and value + 4 <= len(data)
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x05:
            position += value
        elif operation == 0x06:
            return value, steps
        else:
            holds = {0x15: accumulator == value, 0x25: accumulator > value, 0x35: accumulator >= value}[operation]
            position += when_true if holds else when_false
