"""``volume``: named directories of the user's."""

from __future__ import annotations

import sys

from wherry import containers
from wherry.base.errors import NotFound, UsageError
from wherry.cli.grammar import Given
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import MANY, TEXT, Asked, Command, done
from wherry.shims.docker.failing import Missing
from wherry.shims.docker.finding import each
from wherry.shims.docker.inspecting import show
from wherry.shims.docker.showing import show as show_rows

__all__ = ["COMMANDS"]


def _create(call: Call, given: Given) -> int:
    import os

    driver = given.text("driver") or "local"
    if driver != "local":
        raise UsageError(f"'--driver {driver}' is not possible here", why="volumes are directories of yours")
    name = given.words[0] if given.words else given.text("name") or os.urandom(32).hex()
    labels = dict(text.partition("=")[::2] for text in given.many("label"))
    print(containers.make_volume(containers.World(), name, labels).name)
    return 0


def _ls(call: Call, given: Given) -> int:
    world = containers.World()
    found = [volume for volume in containers.all_volumes(world) if _fits(world, volume, given.many("filter"))]
    if given.flag("quiet"):
        print("".join(f"{volume.name}\n" for volume in found), end="")
        return 0
    rows = [
        {
            "Driver": "local",
            "Name": volume.name,
            "Mountpoint": volume.path,
            "Scope": "local",
            "Labels": ",".join(f"{name}={value}" for name, value in sorted(volume.labels.items())),
            "CreatedAt": volume.created,
        }
        for volume in found
    ]
    show_rows(call, rows, (("DRIVER", "Driver"), ("VOLUME NAME", "Name")), given.text("format"))
    return 0


def _fits(world: containers.World, volume: containers.Volume, filters: tuple[str, ...]) -> bool:
    for text in filters:
        key, _, value = text.partition("=")
        if key == "name":
            good = value in volume.name
        elif key == "dangling":
            good = (value in ("true", "1")) != bool(containers.users_of_volume(world, volume))
        elif key == "label":
            name, equals, wanted = value.partition("=")
            good = name in volume.labels and (not equals or volume.labels[name] == wanted)
        elif key == "driver":
            good = value == "local"
        else:
            raise UsageError(f"invalid filter '{text}'", hint="name, dangling, label or driver")
        if not good:
            return False
    return True


def _rm(call: Call, given: Given) -> int:
    world = containers.World()
    words = tuple(volume.name for volume in containers.all_volumes(world)) if given.flag("all") else given.words

    def remove(word: str) -> str | None:
        try:
            containers.remove_volume(world, word)
        except NotFound:
            if given.flag("force"):
                return None
            raise Missing("volume", word) from None
        return None

    return each(call, words, remove)


def _inspect(call: Call, given: Given) -> int:
    return show(call, given, ("volume",))


def _prune(call: Call, given: Given) -> int:
    """Docker removes those that nobody named only; here all have names, so ``--all`` or podman's habit is needed."""
    world = containers.World()
    if not given.flag("force") and not sys.stdin.isatty():
        raise UsageError("'volume prune' asks before it removes", hint=f"{call.face} volume prune -f")
    if not given.flag("force") and not _agreed():
        return 0
    everything = given.flag("all") or call.is_podman or any(text.startswith("all=") for text in given.many("filter"))
    gone = []
    for volume in containers.all_volumes(world):
        anonymous = len(volume.name) == 64 and not volume.labels
        if (everything or anonymous) and not containers.users_of_volume(world, volume):
            containers.remove_volume(world, volume.name)
            gone.append(volume.name)
    if call.is_podman:
        print("".join(f"{name}\n" for name in gone), end="")
        return 0
    print(("Deleted Volumes:\n" + "".join(f"{name}\n" for name in gone) + "\n") if gone else "", end="")
    print("Total reclaimed space: 0B" if not gone else "Total reclaimed space: unknown")
    return 0


def _agreed() -> bool:
    print("Are you sure you want to continue? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


_FILTER = done("--filter", kind=MANY)
_LIST = Command(
    _ls,
    "[OPTIONS]",
    "List volumes",
    (
        done("-q", "--quiet"),
        done("-f", "--filter", kind=MANY),
        done("--format", kind=TEXT),
        Asked(("--noheading",), "flag", "idle", only="podman"),
    ),
)

COMMANDS = {
    "volume create": Command(
        _create,
        "[OPTIONS] [VOLUME]",
        "Create a volume",
        (
            *(
                done("-d", "--driver", kind=TEXT),
                done("--label", "-l", "--label", kind=MANY),
                done("--name", kind=TEXT),
            ),
            Asked(
                ("-o", "--opt"), MANY, "refused", "volumes are directories of yours", "bind a directory: -v DIR:PATH"
            ),
            Asked(("--ignore",), "flag", "idle", only="podman"),
        ),
        most=1,
    ),
    "volume ls": _LIST,
    "volume list": _LIST,
    "volume rm": Command(
        _rm,
        "[OPTIONS] VOLUME [VOLUME...]",
        "Remove one or more volumes",
        (
            done("-f", "--force"),
            done("-a", "--all", only="podman"),
            Asked(("-t", "--time"), TEXT, "idle", only="podman"),
        ),
        most=-1,
    ),
    "volume inspect": Command(
        _inspect,
        "[OPTIONS] VOLUME [VOLUME...]",
        "Display detailed information on volumes",
        (done("-f", "--format", kind=TEXT), Asked(("-a", "--all"), "flag", "idle", only="podman")),
        least=1,
        most=-1,
    ),
    "volume prune": Command(
        _prune, "[OPTIONS]", "Remove unused volumes", (done("-f", "--force"), done("-a", "--all"), _FILTER)
    ),
}
