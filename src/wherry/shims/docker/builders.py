"""``buildx`` beside ``build``: there is one builder, which is always there, so a script that asks for one finds it."""

from __future__ import annotations

import re
from collections.abc import Callable

import wherry
from wherry.base.errors import UsageError
from wherry.cli import listing
from wherry.cli.grammar import Given
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import FLAG, MANY, TEXT, Asked, Command, done
from wherry.shims.docker.failing import BadFlag
from wherry.shims.docker.showing import show

__all__ = ["COMMANDS", "prune"]

_SPOKEN = "v0.11.2"
_DRIVERS = ("docker", "docker-container")
_HOUR = 3600.0
_UNITS = {"h": _HOUR, "m": 60.0, "s": 1.0, "d": 24 * _HOUR}


def prune(call: Call, given: Given) -> int:
    """What builds left goes, beyond what is to be kept."""
    from wherry.containers import World
    from wherry.containers.amounts import size
    from wherry.store import CacheRule, prune_cache

    option = next((name for name in ("keep_storage", "max_used_space", "reserved_space") if given.text(name)), "")
    kept = size(str(given.text(option)), f"--{option.replace('_', '-')}") if option else 0
    age = _age(given.many("filter"))
    # A rule that names an age alone sets no limit; one that names nothing leaves nothing.
    rule = CacheRule(limit=kept if option or not age else -1, age=age)
    result = prune_cache(World().store, rule)
    print(f"Total:\t{listing.bytes_for_people(result.bytes)}")
    return 0


def _age(filters: tuple[str, ...]) -> float:
    seconds = 0.0
    for text in filters:
        name, _, value = text.partition("=")
        parts = re.findall(r"(\d+(?:\.\d+)?)([dhms])", value)
        if name not in ("until", "unused-for") or not parts or "".join(map("".join, parts)) != value:
            raise UsageError(f"the filter '{text}' is not possible here", hint="until=24h")
        seconds = max(seconds, sum(float(number) * _UNITS[unit] for number, unit in parts))
    return seconds


def _list(call: Call, given: Given) -> int:
    from wherry.image import here

    row = {"Name": "default *", "Driver": "docker", "Status": "", "Version": "", "Platforms": ""}
    node = {"Name": "  default", "Driver": "default", "Status": "running", "Version": _own(), "Platforms": str(here())}
    columns = (
        ("NAME/NODE", "Name"),
        ("DRIVER/ENDPOINT", "Driver"),
        ("STATUS", "Status"),
        ("BUILDKIT", "Version"),
        ("PLATFORMS", "Platforms"),
    )
    show(call, [row, node], columns, given.text("format"))
    return 0


def _inspect(call: Call, given: Given) -> int:
    from wherry.image import here

    name = given.words[0] if given.words else given.text("builder") or "default"
    print(f"Name:   {name}\nDriver: docker\n\nNodes:")
    print(f"Name:      {name}\nEndpoint:  default\nStatus:    running\nBuildkit:  {_own()}\nPlatforms: {here()}")
    return 0


def _create(call: Call, given: Given) -> int:
    """Another name for the one builder: it prints the name, as scripts read it."""
    driver = given.text("driver")
    if driver not in (None, "", *_DRIVERS):
        raise UsageError(
            f"there is no builder with the driver '{driver}'", why="images are built here", hint="leave '--driver' out"
        )
    print(given.text("name") or "default")
    return 0


def _remove(call: Call, given: Given) -> int:
    for name in given.words:
        print(f"{name} removed")
    return 0


def _nothing(call: Call, given: Given) -> int:
    """There is nothing to be chosen, started or stopped."""
    return 0


def _version(call: Call, given: Given) -> int:
    print(f"github.com/docker/buildx {_SPOKEN} {_own()}")
    return 0


def _usage(call: Call, given: Given) -> int:
    from wherry.containers import World
    from wherry.store import usage

    found = usage(World().store)
    shown = listing.bytes_for_people(found.cache_size)
    print(f"Reclaimable:\t{shown}\nTotal:\t\t{shown}")
    return 0


def _own() -> str:
    return f"wherry-{wherry.__version__}"


def _dockers(command: Callable[[Call, Given], int]) -> Callable[[Call, Given], int]:
    """podman's ``buildx`` has ``build`` and ``prune`` alone."""

    def run(call: Call, given: Given) -> int:
        if call.is_podman:
            raise BadFlag(f"unrecognized command `podman {call.verb}`", hint="podman buildx: build, prune")
        return command(call, given)

    return run


def _idle(*names: str, kind: str = FLAG) -> Asked:
    return Asked(names, kind, "idle")


_BUILDER = _idle("--builder", kind=TEXT)
_MADE = (
    *(done("--name", kind=TEXT), done("--driver", kind=TEXT), _idle("--use"), _idle("--bootstrap"), _idle("--append")),
    *(_idle(name, kind=TEXT) for name in ("--buildkitd-flags", "--buildkitd-config", "--config", "--node")),
    *(_idle("--driver-opt", kind=MANY), _idle("--platform", kind=MANY), _idle("--leave")),
)

COMMANDS = {
    "buildx ls": Command(
        _dockers(_list), "[OPTIONS]", "List builder instances", (done("--format", kind=TEXT), _idle("--no-trunc"))
    ),
    "buildx inspect": Command(
        _dockers(_inspect), "[NAME]", "Inspect the builder", (_idle("--bootstrap"), done("--builder", kind=TEXT)), 0, 1
    ),
    "buildx create": Command(_dockers(_create), "[OPTIONS] [CONTEXT]", "Name the builder", _MADE, 0, 1),
    "buildx use": Command(
        _dockers(_nothing), "[OPTIONS] NAME", "Use the builder", (_idle("--default"), _idle("--global"), _BUILDER), 1, 1
    ),
    "buildx rm": Command(
        _dockers(_remove),
        "[OPTIONS] [NAME...]",
        "Forget a builder's name",
        (
            _idle("-f", "--force"),
            *(_idle(f"--{name}") for name in ("all-inactive", "keep-daemon", "keep-state")),
            _BUILDER,
        ),
        0,
        -1,
    ),
    "buildx stop": Command(_dockers(_nothing), "[NAME]", "Stop the builder", (_BUILDER,), 0, 1),
    "buildx version": Command(_dockers(_version), "", "Show the version"),
    "buildx du": Command(
        _dockers(_usage), "[OPTIONS]", "Show how much room builds take", (_BUILDER, _idle("--verbose"))
    ),
}
