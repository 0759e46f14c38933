"""``network`` and ``context``: the two networks that there are, and the one place where containers run."""

from __future__ import annotations

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import MANY, TEXT, Asked, Command, done
from wherry.shims.docker.inspecting import show
from wherry.shims.docker.showing import show as show_rows

__all__ = ["COMMANDS"]

_NETWORKS = (("host", "host"), ("none", "null"))


def _ls(call: Call, given: Given) -> int:
    rows = [
        {"ID": name, "Name": name, "Driver": driver, "Scope": "local", "Labels": ""}
        for name, driver in _NETWORKS
        if all(text.partition("=")[0] != "name" or text.partition("=")[2] in name for text in given.many("filter"))
    ]
    if given.flag("quiet"):
        print("".join(f"{row['ID']}\n" for row in rows), end="")
        return 0
    if given.flag("noheading") and not given.text("format"):
        print("".join(f"{row['ID']}  {row['Name']}  {row['Driver']}\n" for row in rows), end="")
        return 0
    columns = (("NETWORK ID", "ID"), ("NAME", "Name"), ("DRIVER", "Driver"), ("SCOPE", "Scope"))
    show_rows(call, rows, columns, given.text("format"))
    return 0


def _inspect(call: Call, given: Given) -> int:
    return show(call, given, ("network",))


def _prune(call: Call, given: Given) -> int:
    return 0


def _contexts(call: Call, given: Given) -> int:
    if given.flag("quiet"):
        print("default")
        return 0
    row = {
        "Name": "default *",
        "Description": "containers of yours, on this machine",
        "DockerEndpoint": "",
        "Error": "",
    }
    columns = (
        ("NAME", "Name"),
        ("DESCRIPTION", "Description"),
        ("DOCKER ENDPOINT", "DockerEndpoint"),
        ("ERROR", "Error"),
    )
    show_rows(call, [row], columns, given.text("format"))
    return 0


def _show(call: Call, given: Given) -> int:
    print("default")
    return 0


def _use(call: Call, given: Given) -> int:
    if given.words[0] != "default":
        raise UsageError(f'context "{given.words[0]}" not found', why="containers run here, and no daemon is asked")
    print("default")
    return 0


_FORMAT = done("--format", kind=TEXT)
_QUIET = done("-q", "--quiet")
_NETWORK_LIST = Command(
    _ls,
    "[OPTIONS]",
    "List networks",
    (
        _QUIET,
        done("-f", "--filter", kind=MANY),
        _FORMAT,
        Asked(("--no-trunc",), "flag", "idle"),
        done("-n", "--noheading", only="podman"),
    ),
)
_CONTEXT_LIST = Command(_contexts, "[OPTIONS]", "List contexts", (_QUIET, _FORMAT))

COMMANDS = {
    "network ls": _NETWORK_LIST,
    "network list": _NETWORK_LIST,
    "network inspect": Command(
        _inspect,
        "[OPTIONS] NETWORK [NETWORK...]",
        "Display detailed information on networks",
        (done("-f", "--format", kind=TEXT), Asked(("-v", "--verbose"), "flag", "idle")),
        least=1,
        most=-1,
    ),
    "network prune": Command(
        _prune,
        "[OPTIONS]",
        "Remove unused networks: there are none",
        (Asked(("-f", "--force"), "flag", "idle"), Asked(("--filter",), MANY, "idle")),
    ),
    "context ls": _CONTEXT_LIST,
    "context list": _CONTEXT_LIST,
    "context show": Command(_show, "", "Print the name of the current context"),
    "context use": Command(_use, "CONTEXT", "Set the current context", least=1, most=1),
}
