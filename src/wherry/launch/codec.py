"""A plan as bytes and back (``docs/design/plan-format.md``). The reader in C is ``native/launcher/plan.c``.

Reading is strict: whatever the writer would not have written is refused, so that a plan is either understood whole or
made anew.
"""

from __future__ import annotations

import os
import struct

from wherry.base.errors import LaunchError
from wherry.launch.plan import Field, LaunchPlan, Operation
from wherry.launch.records import BY_NUMBER, FORMAT, INPUTS, MAGIC, OPERATIONS, Kind

__all__ = ["MAX_SIZE", "decode", "encode"]

MAX_SIZE = 4 << 20
_HEADER = struct.Struct("<4sIII")
_RECORD = struct.Struct("<HHI")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


def encode(plan: LaunchPlan, uid: int) -> bytes:
    """The plan's file, for the user ``uid``; raise :class:`LaunchError` when it cannot be written (NUL, size)."""
    parts = [b""]
    for item in plan.inputs:
        parts.append(_record(item, INPUTS))
    for item in plan.operations:
        parts.append(_record(item, OPERATIONS))
    size = sum(map(len, parts)) + _HEADER.size
    if size > MAX_SIZE:
        raise LaunchError("the plan is too large", why=f"{size} bytes, more than {MAX_SIZE}")
    parts[0] = _HEADER.pack(MAGIC, FORMAT, size, uid)
    return b"".join(parts)


def decode(data: bytes) -> LaunchPlan:
    """Read a plan's file; raise :class:`LaunchError` saying at which byte it is not one."""
    if len(data) < _HEADER.size or len(data) > MAX_SIZE:
        raise _broken(0, f"it has {len(data)} bytes")
    magic, version, length, _ = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise _broken(0, "it does not begin with WHRY")
    if version != FORMAT:
        raise _broken(4, f"format {version}, this Wherry reads {FORMAT}")
    if length != len(data):
        raise _broken(8, f"it says {length} bytes and has {len(data)}")
    inputs: list[Operation] = []
    operations: list[Operation] = []
    position = _HEADER.size
    while position < len(data):
        name, kind, end = _open_record(data, position)
        fields = _Reader(data, position + _RECORD.size, end).fields(kind.fields)
        if kind.phase == "INPUT":
            if operations:
                raise _broken(position, f"input {name} after an operation")
            if name == "PREFIX" and inputs:
                raise _broken(position, "PREFIX is not the first input")
            inputs.append(Operation(name, fields))
        else:
            operations.append(Operation(name, fields))
        position = end
    return LaunchPlan(tuple(inputs), tuple(operations))


def _record(item: Operation, table: dict[str, Kind]) -> bytes:
    kind = table.get(item.kind)
    if kind is None or len(kind.fields) != len(item.fields):
        raise LaunchError(f"the plan holds no proper '{item.kind}'", why="unknown kind or wrong number of fields")
    body = b"".join([_field(spec, value, item.kind) for spec, value in zip(kind.fields, item.fields, strict=True)])
    return _RECORD.pack(kind.number, len(item.fields), len(body)) + body


def _field(spec: str, value: Field, kind: str) -> bytes:
    if spec == "s" and isinstance(value, str):
        return _text(value)
    if spec == "u" and isinstance(value, int) and 0 <= value < 1 << 64:
        return _U64.pack(value)
    if spec == "l" and isinstance(value, tuple):
        return _U32.pack(len(value)) + b"".join(map(_text, value))
    if spec == "b" and isinstance(value, bytes):
        return _U32.pack(len(value)) + value
    raise LaunchError(f"the plan's '{kind}' has a field that does not fit", why=f"{value!r} is no '{spec}'")


def _text(value: str) -> bytes:
    data = os.fsencode(value)
    if b"\0" in data:
        raise LaunchError(f"'{value!r}' cannot be in a plan", why="it contains a NUL")
    return _U32.pack(len(data)) + data + b"\0"


def _open_record(data: bytes, position: int) -> tuple[str, Kind, int]:
    if len(data) - position < _RECORD.size:
        raise _broken(position, "the record is cut")
    number, count, size = _RECORD.unpack_from(data, position)
    found = BY_NUMBER.get(number)
    if found is None:
        raise _broken(position, f"unknown kind {number}")
    name, kind = found
    if count != len(kind.fields):
        raise _broken(position, f"{name} with {count} fields instead of {len(kind.fields)}")
    end = position + _RECORD.size + size
    if end > len(data):
        raise _broken(position, f"{name} goes beyond the end")
    return name, kind, end


class _Reader:
    """The fields of one record; ``end`` is a hard bound."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self.data = data
        self.position = position
        self.end = end

    def fields(self, spec: str) -> tuple[Field, ...]:
        values = tuple([self._read(letter) for letter in spec])
        if self.position != self.end:
            raise _broken(self.position, f"{self.end - self.position} bytes too many in a record")
        return values

    def _read(self, letter: str) -> Field:
        if letter == "u":
            return int(_U64.unpack(self._take(8))[0])
        if letter == "s":
            return self._text()
        if letter == "b":
            return self._take(self._u32())
        return tuple([self._text() for _ in range(self._count())])

    def _text(self) -> str:
        data = self._take(self._u32() + 1)
        if data[-1] != 0 or data.find(b"\0") != len(data) - 1:
            raise _broken(self.position - len(data), "a text has its NUL at the wrong place")
        return os.fsdecode(data[:-1])

    def _count(self) -> int:
        count = self._u32()
        if count > (self.end - self.position) // 5:
            raise _broken(self.position, f"a list of {count} texts does not fit")
        return count

    def _u32(self) -> int:
        return int(_U32.unpack(self._take(4))[0])

    def _take(self, size: int) -> bytes:
        if size > self.end - self.position:
            raise _broken(self.position, "a field goes beyond its record")
        found = self.data[self.position : self.position + size]
        self.position += size
        return found


def _broken(position: int, why: str) -> LaunchError:
    return LaunchError("this is not a plan that Wherry can read", why=f"byte {position}: {why}")
