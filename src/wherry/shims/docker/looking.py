"""What containers are and did: ``ps logs top stats port diff cp export``."""

from __future__ import annotations

import sys
from typing import Any

from wherry import containers
from wherry.base.errors import Conflict, NotFound, UsageError
from wherry.cli import listing
from wherry.cli.grammar import Given
from wherry.cli.template import fields
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import MANY, TEXT, Asked, Command, done
from wherry.shims.docker.finding import chosen, container, shown_name
from wherry.shims.docker.showing import show as show_rows
from wherry.shims.docker.showing import wall_time

__all__ = ["COMMANDS"]

_STATES = {"lost": "exited", "elsewhere": "running"}
"""States of Wherry's own, in Docker's words."""


def _ps(call: Call, given: Given) -> int:
    from wherry.cli.containerrows import container_rows

    options = dict(given.options)
    filters = [text for text in given.many("filter") if text.partition("=")[0] not in _EMPTY_FILTERS]
    options["filter"] = tuple(filters)
    as_json = call.is_podman and given.text("format") == "json"
    options["no_trunc"] = whole = as_json or given.flag("no_trunc")
    rows = [_row(call, row, whole=whole) for row in container_rows(Given(options, given.words))]
    if len(filters) < len(given.many("filter")):  # nothing here publishes, is healthy, or has a network of its own
        rows = []
    columns = list(_COLUMNS)
    if given.flag("size"):
        columns.append(("SIZE", "Size"))
    if not given.flag("quiet") and (given.flag("size") or "Size" in fields(given.text("format") or "")):
        _add_sizes(rows)
    if given.flag("quiet"):
        print("".join(f"{row['ID']}\n" for row in rows), end="")
        return 0
    if as_json:
        _print_json(rows)
        return 0
    _show(call, rows, columns, given)
    return 0


def _print_json(rows: list[dict[str, Any]]) -> None:
    """podman's own fields: it is for programs, which look for ``Id`` and a list of ``Names``."""
    import shlex

    import msgspec

    documents = [
        {
            "Id": row["ID"],
            "Names": row["Names"].split(","),
            "Image": row["Image"],
            "Command": shlex.split(row["Command"]),
            "Created": int(listing.seconds(row["Created"]) or 0),
            "CreatedAt": row["RunningFor"],
            "State": row["State"],
            "Status": row["Status"],
            "Exited": row["State"] == "exited",
            "ExitCode": row["ExitCode"] or 0,
            "Pid": row["Pid"],
            "Labels": dict(part.partition("=")[::2] for part in row["Labels"].split(",") if part) or None,
            "Mounts": [],
            "Networks": [row["Networks"]],
            "Ports": None,
        }
        for row in rows
    ]
    print(msgspec.json.format(msgspec.json.encode(documents), indent=2).decode())


_EMPTY_FILTERS = ("publish", "expose", "health", "isolation", "is-task", "network", "volume", "pod", "before", "since")
_COLUMNS = (
    *(("CONTAINER ID", "ID"), ("IMAGE", "Image"), ("COMMAND", "Command"), ("CREATED", "RunningFor")),
    *(("STATUS", "Status"), ("PORTS", "Ports"), ("NAMES", "Names")),
)


def _row(call: Call, row: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    labels = dict(part.partition("=")[::2] for part in row["Labels"].split(",") if part)
    image = row["Image"]
    row["Names"] = shown_name(row["ID"], row["Names"])
    row |= {"Created": row["CreatedAt"], "CreatedAt": wall_time(row["CreatedAt"])}
    row["State"] = _STATES.get(row["State"], row["State"])
    row["Image"] = image if call.is_podman else image.removesuffix(":latest")
    if call.is_podman:
        row["Command"] = row["Command"].strip('"')
    row |= {"Ports": "", "Size": "", "Networks": "host", "Mounts": "", "LocalVolumes": "0", "Platform": ""}
    row["Label"] = lambda name: labels.get(name, "")
    return row


def _add_sizes(rows: list[dict[str, Any]]) -> None:
    from wherry.containers import scratch_size

    world = containers.World()
    for row in rows:
        found = container(world, row["ID"])
        size = scratch_size(tuple(f"{parent}/{found.id}" for parent in dict.fromkeys(world.kept_parents)))
        row["Size"] = listing.bytes_for_people(size)


def _show(call: Call, rows: list[dict[str, Any]], columns: list[tuple[str, str]], given: Given) -> None:
    form = given.text("format")
    if form in (None, "", "table") and given.flag("noheading"):
        form = "\t".join(f"{{{{.{field}}}}}" for _, field in columns)
    show_rows(call, [row if form and "{{" in form else _plain(row) for row in rows], columns, form)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not callable(value)}


def _logs(call: Call, given: Given) -> int:
    from wherry.cli.logview import show_log

    world = containers.World()
    found, _ = chosen(world, given)
    tail = given.text("tail")
    options = dict(given.options)
    if tail is not None and tail.startswith("-"):
        options["tail"] = "all"
    try:
        return show_log(Given(options, (found.id,)))
    except NotFound:
        if found.kept is None and found.running is None:
            raise
        return 0  # it printed nothing yet


def _top(call: Call, given: Given) -> int:
    world = containers.World()
    found, words = chosen(world, given)
    if found.running is None:
        raise Conflict(f"container {found.id} is not running")
    for line in containers.processes_shown(found.running, words):
        print(line)
    return 0


def _stats(call: Call, given: Given) -> int:
    from wherry.cli.usagerows import show_stats

    world = containers.World()
    words = (chosen(world, given)[0].id,) if given.flag("latest") else given.words
    return show_stats(Given(given.options, tuple(container(world, word).id for word in words)))


def _port(call: Call, given: Given) -> int:
    if given.flag("all"):
        return 0
    found, words = chosen(containers.World(), given)
    if words:
        port = words[0] if "/" in words[0] else f"{words[0]}/tcp"
        why = "the container shares the host's network"
        raise NotFound(f"no public port '{port}' published for {found.shown}", why=why)
    return 0


def _diff(call: Call, given: Given) -> int:
    world = containers.World()
    for change in containers.differences(chosen(world, given)[0].id, world=world):
        print(change.kind, listing.visible(change.path))
    return 0


def _cp(call: Call, given: Given) -> int:
    """Paths with a container in front are looked up as Docker does; the rest is Wherry's own copying."""
    world = containers.World()
    source, target = (_place(world, word) for word in given.words)
    if target == "-" and sys.stdout.isatty():
        raise UsageError("refusing to write an archive to the terminal", hint=f"{call.face} cp SOURCE DIRECTORY")
    stream = sys.stdin.buffer if source == "-" else sys.stdout.buffer
    containers.cp(source, target, stream=stream, world=world)
    return 0


def _place(world: containers.World, word: str) -> str:
    name, colon, path = word.partition(":")
    if not colon or not name or "/" in name or name.startswith("."):
        return word
    return f"{container(world, name).id}:{path or '/'}"


_LATEST = done("-l", "--latest")
_PODMANS_LATEST = done("-l", "--latest", only="podman")

COMMANDS = {
    "ps": Command(
        _ps,
        "[OPTIONS]",
        "List containers",
        (
            *(
                done("-a", "--all"),
                done("-q", "--quiet"),
                _LATEST,
                done("-n", "--last", kind="number"),
                done("-s", "--size"),
            ),
            *(done("-f", "--filter", kind=MANY), done("--no-trunc"), done("--format", kind=TEXT)),
            *(done("--noheading", only="podman"), Asked(("--sync",), "flag", "idle", only="podman")),
            *(Asked((f"--{word}",), "flag", "idle", only="podman") for word in ("ns", "external")),
            Asked(("-p", "--pod"), "flag", "idle", only="podman"),
            Asked(("-w", "--watch"), TEXT, "refused", "it is shown once", "watch podman ps", "podman"),
            Asked(("--sort",), TEXT, "idle", only="podman"),
        ),
    ),
    "logs": Command(
        _logs,
        "[OPTIONS] CONTAINER",
        "Fetch the logs of a container",
        (
            *(
                done("-f", "--follow"),
                done("-t", "--timestamps"),
                done("-n", "--tail", kind=TEXT),
                *(done("--since", kind=TEXT), done("--until", kind=TEXT)),
            ),
            *(Asked(("--details",), "flag", "idle"), Asked(("--names",), "flag", "idle", only="podman")),
            *(Asked(("--color",), "flag", "idle", only="podman"), _PODMANS_LATEST),
        ),
        most=1,
    ),
    "top": Command(
        _top,
        "CONTAINER [ps OPTIONS]",
        "Display the running processes of a container",
        (_PODMANS_LATEST,),
        most=-1,
        stops=True,
    ),
    "stats": Command(
        _stats,
        "[OPTIONS] [CONTAINER...]",
        "Display a live stream of container(s) resource usage statistics",
        (
            *(done("--no-stream"), done("--no-trunc"), done("--format", kind=TEXT), done("--no-reset", only="podman")),
            *(Asked(("-a", "--all"), "flag", "idle"), Asked(("-i", "--interval"), TEXT, "idle", only="podman")),
            _PODMANS_LATEST,
        ),
        most=-1,
    ),
    "port": Command(
        _port,
        "CONTAINER [PRIVATE_PORT[/PROTO]]",
        "List port mappings: there are none",
        (done("-a", "--all", only="podman"), _PODMANS_LATEST),
        most=2,
    ),
    "diff": Command(
        _diff,
        "CONTAINER",
        "Inspect changes to files or directories on a container's filesystem",
        (
            Asked(("--format",), TEXT, "refused", "paths are shown as Docker does", "leave it out", "podman"),
            _PODMANS_LATEST,
        ),
        most=1,
    ),
    "cp": Command(
        _cp,
        "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-",
        "Copy files/folders between a container and the local filesystem",
        (
            *(Asked(("-a", "--archive"), "flag", "idle"), Asked(("-q", "--quiet"), "flag", "idle")),
            Asked(("-L", "--follow-link"), "flag", "refused", "links are copied as links", "name the file itself"),
            Asked(
                ("--overwrite",), "flag", "refused", "a directory is not replaced by a file", "rm it first", "podman"
            ),
        ),
        least=2,
        most=2,
    ),
}
