"""Devices of an image's layers have no place in any tree. For a start whose supervisor knows them they get one: an
empty file each, in a directory that is laid over the image."""

from __future__ import annotations

import os
import stat

import msgspec

from wherry.image.making import attributes as attrs
from wherry.image.making.below import Below
from wherry.image.making.owners import Owner

__all__ = ["Places", "device_places", "devices_with_places", "write_places"]

_OWN = "dev"
"""Each start has devices of its own there."""


class Places(msgspec.Struct, frozen=True):
    """``files`` are the devices' paths; ``folders`` those that they are in, parents first, each with its mode, time,
    and where its attributes are read."""

    files: tuple[str, ...]
    folders: tuple[tuple[str, int, int, str], ...]


def device_places(below: Below) -> Places | None:
    """None where there are no devices, as in nearly all images."""
    files = sorted(devices_with_places(below))
    if not files:
        return None
    folders: dict[str, tuple[str, int, int, str]] = {}
    for path in files:
        above = path.rpartition("/")[0]
        while above and above not in folders:
            entry = below.find(above)
            assert entry is not None  # a device is only seen in a directory
            folders[above] = (above, stat.S_IMODE(entry.mode), entry.mtime_ns, entry.folders[0][1])
            above = above.rpartition("/")[0]
    return Places(tuple(files), tuple(folders[path] for path in sorted(folders)))


def devices_with_places(below: Below) -> dict[str, Owner]:
    return {path: owner for path, owner in below.devices.items() if path.partition("/")[0] != _OWN}


def write_places(folder: str, places: Places) -> None:
    """``folder`` is there, and empty. A directory shows what it shows in the image; a file has its directory's time."""
    times = {path: mtime for path, _, mtime, _ in places.folders}
    for path, _, _, real in places.folders:
        os.mkdir(f"{folder}/{path}", stat.S_IRWXU)
        for name in attrs.kept(dict.fromkeys(os.listxattr(real), b"")):
            os.setxattr(f"{folder}/{path}", name, os.getxattr(real, name))
    for path in places.files:
        place = f"{folder}/{path}"
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        _date(place, times.get(path.rpartition("/")[0], 0))
    for path, mode, mtime, _ in reversed(places.folders):
        _date(f"{folder}/{path}", mtime)
        os.chmod(f"{folder}/{path}", mode)


def _date(place: str, mtime_ns: int) -> None:
    os.utime(place, ns=(mtime_ns, mtime_ns))
