"""How a step's files come to other owners than the caller: the ways, which of them this machine has, and their options.

``supervisor``: system calls about owners are answered and remembered (``docs/design/supervisor.md``). ``range``: the
caller's subordinate ids are really others'; no devices can be made. ``proot``: a tracer shows the command as root, in a
tree of its own (:mod:`wherry.build.drafts`); what a step's user makes is that user's, who gives it away to others does
so in vain. ``pretend``: everything belongs to root, and what
would need another owner fails or is lost; it is never chosen without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import HostLacks

if TYPE_CHECKING:
    from wherry.containers import World
    from wherry.host import Obstacle
    from wherry.launch import RunOptions

__all__ = ["WAYS", "as_owner", "loses_owners", "way_of_owners"]

WAYS = ("supervisor", "range", "proot", "pretend")

_LOST = "files that a step gives to other users belong to root in the image"
_GIVEN = "files that a step gives to other users (chown) belong to its own user in the image, and no devices are made"
_NO_DEVICES = "with a range of ids a step cannot make devices (mknod): --owners supervisor can"


def way_of_owners(world: World, asked: str) -> tuple[str, str]:
    """The way, and a note for the user where it is not the right thing. Raises :class:`HostLacks` for one that was
    asked for and cannot be had here."""
    if asked == "pretend":
        return asked, _LOST
    if asked == "range":
        return asked, _NO_DEVICES
    if asked == "proot":
        obstacle = _against_proot(world)
        if obstacle is not None:
            raise HostLacks("steps cannot run under proot here", why=obstacle.what, hint=_ask(obstacle))
        return asked, _GIVEN
    if not asked and not world.host.userns:
        if _against_proot(world) is not None:
            return "supervisor", ""  # no command can run, but what others made of it counts
        obstacle = _against_namespaces(world)
        return "proot", f"{obstacle.what}: commands run under proot, which is slower; {_GIVEN}; {_ask(obstacle)}"
    lacks = _lacks_supervisor(world)
    if not lacks:
        return "supervisor", ""
    if asked == "supervisor":
        raise HostLacks("a step's calls cannot be answered here", why=lacks, hint="leave --owners out")
    if _has_range(world):
        return "range", f"{lacks}: with a range of ids, which is used instead, a step cannot make devices (mknod)"
    if _against_proot(world) is None:
        return "proot", f"{lacks}: commands run under proot, which is slower than --owners pretend; {_GIVEN}"
    return "pretend", f"{lacks}: {_LOST} ('wherry doctor' says what would help)"


def loses_owners(way: str) -> bool:
    """Whether the layers of a step may be others than what root would have made."""
    return way in ("proot", "pretend")


def _against_proot(world: World) -> Obstacle | None:
    from wherry.host import against

    return next(iter(against(world.machine, "proot")), None)


def _against_namespaces(world: World) -> Obstacle:
    from wherry.host import against

    return against(world.machine, "namespace")[0]


def _ask(obstacle: Obstacle) -> str:
    return f"{'type' if obstacle.yours else 'ask your administrator for'}: {obstacle.ask}; 'wherry doctor' says more"


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
    if way == "proot":
        return msgspec.structs.replace(
            options, user=user or "root", userns="one", engine="proot", in_place=True, pretend=True
        )
    mapped = "range" if way == "range" else "one"
    # No other engine lays changes over an image's files: where it cannot be had, its error says what to ask for.
    found = msgspec.structs.replace(options, user=user or "root", userns=mapped, engine="namespace")
    if way == "supervisor":
        return msgspec.structs.replace(found, fakeroot=True)
    return found if way == "range" else msgspec.structs.replace(found, user="root", pretend=True)
