"""How a step's files come to other owners than the caller: the ways, which of them this machine has, and their options.

``supervisor``: system calls about owners are answered and remembered (``docs/design/supervisor.md``). ``range``: the
caller's subordinate ids are really others'; no devices can be made. ``pretend``: everything belongs to root, and what
would need another owner fails or is lost; it is never chosen without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import HostLacks

if TYPE_CHECKING:
    from wherry.containers import World
    from wherry.launch import RunOptions

__all__ = ["WAYS", "as_owner", "way_of_owners"]

WAYS = ("supervisor", "range", "pretend")

_LOST = "files that a step gives to other users belong to root in the image"
_NO_DEVICES = "with a range of ids a step cannot make devices (mknod): --owners supervisor can"


def way_of_owners(world: World, asked: str) -> tuple[str, str]:
    """The way, and a note for the user where it is not the right thing. Raises :class:`HostLacks` for one that was
    asked for and cannot be had here."""
    if asked == "pretend":
        return asked, _LOST
    if asked == "range":
        return asked, _NO_DEVICES
    if not asked and not world.host.userns:
        return "supervisor", ""  # no command can run, but what others made of it counts
    lacks = _lacks_supervisor(world)
    if not lacks:
        return "supervisor", ""
    if asked == "supervisor":
        raise HostLacks("a step's calls cannot be answered here", why=lacks, hint="leave --owners out")
    if _has_range(world):
        return "range", f"{lacks}: with a range of ids, which is used instead, a step cannot make devices (mknod)"
    return "pretend", f"{lacks}: {_LOST} ('wherry doctor' says what would help)"


def _lacks_supervisor(world: World) -> str:
    """Why there can be none, empty where it works."""
    return world.host.supervised or ("" if world.host.overlay else "this kernel has no overlayfs for users")


def _has_range(world: World) -> bool:
    from wherry.host import find_subordinate

    if not world.host.overlay:
        return False
    try:
        find_subordinate(world.outside, world.host.user, world.host.uid)
    except HostLacks:
        return False
    return True


def as_owner(options: RunOptions, way: str, user: str) -> RunOptions:
    """The options of a command that is ``user``'s (empty: root's) in the image."""
    mapped = "range" if way == "range" else "one"
    # No other engine lays changes over an image's files: where it cannot be had, its error says what to ask for.
    found = msgspec.structs.replace(options, user=user or "root", userns=mapped, engine="namespace")
    if way == "supervisor":
        return msgspec.structs.replace(found, fakeroot=True)
    return found if way == "range" else msgspec.structs.replace(found, user="root", pretend=True)
