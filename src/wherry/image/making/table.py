"""Writing a layer's table (``docs/design/layer-table.md``) while its tar is made."""

from __future__ import annotations

import os
import struct
from io import FileIO

__all__ = ["TableWriter"]

_LEVEL = 3
_LARGEST = 64 * 1024
_GATHERED = 256 * 1024


class TableWriter:
    """The table at ``path``, which must not exist."""

    def __init__(self, path: str) -> None:
        import zstandard

        self._file = FileIO(path, "xb")
        self._stream = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        self._frames = bytearray()
        self._raw = bytearray()

    def raw(self, data: bytes) -> None:
        """Bytes of the tar that the tree cannot give back."""
        self._raw += data
        while len(self._raw) > _LARGEST:
            self._frames += struct.pack("<I", _LARGEST) + self._raw[:_LARGEST] + bytes(8)
            del self._raw[:_LARGEST]

    def elided(self, size: int, path: str) -> None:
        """Bytes that are the content of ``path`` in the tree."""
        name = os.fsencode(path)
        self._frames += b"%s%s%s%s" % (
            struct.pack("<I", len(self._raw)),
            self._raw,
            struct.pack("<QH", size, len(name)),
            name,
        )
        self._raw.clear()
        if len(self._frames) >= _GATHERED:
            self._write()

    def finish(self) -> None:
        if self._raw:
            self._frames += struct.pack("<I", len(self._raw)) + self._raw + bytes(8)
        self._frames += bytes(12)
        self._write()
        self._out(self._stream.flush())
        self.close()

    def close(self) -> None:
        self._file.close()

    def _write(self) -> None:
        self._out(self._stream.compress(bytes(self._frames)))
        self._frames.clear()

    def _out(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
