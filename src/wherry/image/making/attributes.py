"""Extended attributes in an upper directory: which belong into a layer, and which only steer an overlay."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Mapping

from wherry.base.errors import ImageError
from wherry.image.making.owners import FOREIGN, OWNER

__all__ = ["OPAQUE", "is_copied", "is_opaque", "is_whiteout", "kept", "read", "strip"]

OPAQUE = "user.overlay.opaque"
_WHITEOUT = "user.overlay.whiteout"
_ORIGIN = "user.overlay.origin"
_CAPABILITY = "security.capability"
_STEERING = ("user.overlay.", "user.fuseoverlayfs.")
_NOT_OURS = (*_STEERING, OWNER, FOREIGN)
_NONE = (errno.ENOTSUP, errno.ENODATA)


def read(descriptor: int, path: str) -> dict[str, bytes]:
    """All that matter here of an open file or directory."""
    found: dict[str, bytes] = {}
    try:
        for name in os.listxattr(descriptor):
            if name.startswith(("user.", "system.posix_acl")) or name == _CAPABILITY:
                found[name] = os.getxattr(descriptor, name)
    except OSError as error:
        if error.errno not in _NONE:
            raise
    for name in ("user.overlay.redirect", "user.overlay.metacopy"):
        if name in found:
            why = f"its attribute '{name}' says that it is only a part of it"
            raise ImageError(f"'{path}' cannot be in a layer", why=why, hint="mount without redirect_dir and metacopy")
    return found


def kept(attributes: Mapping[str, bytes]) -> dict[str, bytes]:
    """What goes into the layer's tar of those that are really there."""
    found = {name: value for name, value in attributes.items() if name.startswith("user.") and not _steers(name)}
    if _CAPABILITY in attributes:
        found[_CAPABILITY] = _for_root(attributes[_CAPABILITY])
    return found


def strip(descriptor: int, attributes: Mapping[str, bytes], mode: int, *, opaque: bool) -> int:
    """Take away what a store's tree never has; the mode that the file has then."""
    goes = [name for name in attributes if _steers(name) or not name.startswith("user.")]
    if opaque and attributes.get(OPAQUE) == b"y":
        goes.remove(OPAQUE)
    if goes and not mode & stat.S_IWUSR:  # who may not write may not do this either
        mode |= stat.S_IWUSR
        os.fchmod(descriptor, mode)
    for name in goes:
        with contextlib.suppress(PermissionError):
            os.removexattr(descriptor, name)
    return mode


def is_copied(attributes: Mapping[str, bytes]) -> bool:
    """Whether the overlay brought it up from below."""
    return _ORIGIN in attributes or "user.fuseoverlayfs.origin" in attributes


def is_opaque(attributes: Mapping[str, bytes]) -> bool:
    return attributes.get(OPAQUE) == b"y" or attributes.get("user.fuseoverlayfs.opaque") == b"y"


def is_whiteout(attributes: Mapping[str, bytes]) -> bool:
    """Whether an empty file says that something below is removed (Linux 6.7, where devices cannot be made)."""
    return _WHITEOUT in attributes


def _steers(name: str) -> bool:
    return name.startswith(_NOT_OURS)


def _for_root(value: bytes) -> bytes:
    """A file's capabilities without the id of the namespace's root that they were given in (revision 3)."""
    return value[:3] + b"\x02" + value[4:20] if len(value) == 24 and value[3:4] == b"\x03" else value
