"""What is done to containers that exist: ``exec start stop restart kill wait rm rename attach``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from wherry import containers
from wherry.base.errors import Conflict, NotFound, UsageError
from wherry.cli.grammar import Given
from wherry.shims.docker.asking import whole
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import MANY, TEXT, Asked, Command, done
from wherry.shims.docker.failing import Missing, report
from wherry.shims.docker.finding import container, each

if TYPE_CHECKING:
    from wherry.containers import Found

__all__ = ["COMMANDS"]

_PATIENCE = 10
"""Seconds that ``stop`` waits where nobody said another number."""

_ALL = done("-a", "--all", only="podman")
_CHOICE = (_ALL, done("-f", "--filter", kind=MANY, only="podman"))
_START_CHOICE = (done("--all", only="podman"), *_CHOICE[1:])
_FILES = done("--cidfile", kind=MANY, only="podman")
_LATEST = done("-l", "--latest", only="podman")


def _exec(call: Call, given: Given) -> int:
    from wherry.cli.start import environment
    from wherry.launch.options import ExecOptions

    world = containers.World()
    words = given.words if not given.flag("latest") else (_latest(world), *given.words)
    if len(words) < 2:
        raise UsageError(
            f'"{call.face} exec" requires at least 2 arguments', hint=f"{call.face} exec CONTAINER COMMAND"
        )
    found = container(world, words[0])
    if found.running is None and found.kept is not None and found.kept.node in ("", world.outside.node()):
        raise Conflict(f"container {found.id} is not running", hint=f"{call.face} start {words[0]}")
    if given.flag("privileged"):
        call.note("'--privileged' has no effect: the process gets the container's own rights")
    options = ExecOptions(
        container=found.id,
        command=words[1:],
        env=environment(given, world.outside),
        workdir=given.text("workdir"),
        user=given.text("user"),
        interactive=given.flag("interactive"),
        terminal=given.flag("tty"),
        detach=given.flag("detach"),
    )
    start = containers.prepare_exec(options, world=world)
    if options.detach and not call.is_podman:  # which prints the session's id
        start.begin_detached()
        return 0
    return start.execute()


def _start(call: Call, given: Given) -> int:
    world = containers.World()
    attach, interactive = given.flag("attach"), given.flag("interactive")
    words = _chosen(world, given, lambda found: found.running is None)
    if attach or interactive:
        if len(words) != 1:
            raise UsageError(
                "you cannot start and attach multiple containers at once", hint=f"{call.face} start -a NAME"
            )
        found = container(world, words[0])
        return containers.start(found.id, attach=True, interactive=interactive, world=world).execute()

    def begin(word: str) -> None:
        found = container(world, word)
        if found.running is None:  # one that runs is as it should be, as Docker has it
            containers.start(found.id).begin_detached()

    return each(call, words, begin)


def _stop(call: Call, given: Given) -> int:
    world = containers.World()
    words = _chosen(world, given, lambda found: found.running is not None)
    return each(call, words, lambda word: _stopped(world, given, word))


def _stopped(world: containers.World, given: Given, word: str) -> None:
    try:
        found = container(world, word)
    except Missing:
        if given.flag("ignore"):
            return
        raise
    if found.running is None and found.kept is not None and not found.kept.started:
        return  # it was only made
    said = whole(given, "time") if given.text("time") is not None else whole(given, "timeout")
    own = found.kept.options.stop_timeout if found.kept is not None else None
    seconds = next((number for number in (said, own) if number is not None), _PATIENCE)
    containers.stop(found.id, seconds=seconds, signal=given.text("signal"), world=world)


def _restart(call: Call, given: Given) -> int:
    world = containers.World()

    def again(word: str) -> None:
        _stopped(world, given, word)
        containers.start(container(world, word).id).begin_detached()

    return each(call, _chosen(world, given, lambda found: True), again)


def _kill(call: Call, given: Given) -> int:
    world, signal = containers.World(), given.text("signal") or "KILL"

    def send(word: str) -> None:
        found = container(world, word)
        if found.running is None:
            raise Conflict(f"cannot kill container: {word}: container {found.id} is not running")
        containers.kill(found.id, signal=signal, world=world)

    return each(call, _chosen(world, given, lambda found: found.running is not None), send)


def _wait(call: Call, given: Given) -> int:
    world = containers.World()
    for state in given.many("condition"):
        if state not in ("stopped", "exited", "removing"):
            raise UsageError(f"'--condition {state}' is not possible here", hint="--condition stopped")
    words = (_latest(world),) if given.flag("latest") else given.words
    return each(call, words, lambda word: str(containers.wait(container(world, word).id, world=world)))


def _rm(call: Call, given: Given) -> int:
    world, force = containers.World(), given.flag("force")

    def remove(word: str) -> str | None:
        try:
            found = container(world, word)
        except Missing as error:
            if not (force or given.flag("ignore")):
                raise
            if not call.is_podman:
                report(call, error)
            return ""
        if found.running is not None and not force:
            why = "stop the container before removing it, or remove it with -f"
            raise Conflict(f'cannot remove container "{word}": container is running', why=why)
        if force and found.running is not None:  # Docker kills; asking politely first would cost seconds
            containers.kill(found.id, world=world)
        containers.rm(found.id, force=force, world=world)
        return None

    if given.flag("link"):
        raise UsageError("'rm --link' is not possible", why="containers have no links among them", hint="leave it out")
    return each(call, _chosen(world, given, lambda found: True), remove)


def _rename(call: Call, given: Given) -> int:
    world = containers.World()
    containers.rename(container(world, given.words[0]).id, given.words[1].removeprefix("/"), world=world)
    return 0


def _attach(call: Call, given: Given) -> int:
    """What it prints from now on, until it ends; there is no way in to a program in the background."""
    world = containers.World()
    found = container(world, given.words[0] if given.words else _latest(world))
    if found.running is None:
        raise Conflict("you cannot attach to a stopped container, start it first")
    if found.kept is None or not found.kept.options.detach:
        raise Conflict("cannot attach to a container that was started in the foreground")
    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    for line in containers.logs(found.id, follow=True, tail=0, world=world):
        stream = streams.get(line.stream, sys.stdout)
        stream.write(line.log)
        stream.flush()
    return containers.wait(found.id, world=world)


def _chosen(world: containers.World, given: Given, fits: Callable[[Found], bool]) -> tuple[str, ...]:
    """The words or, with podman's ``--all``, ``--filter``, ``--latest`` and ``--cidfile``, what those choose."""
    if given.flag("all") or given.flag("running") or given.many("filter"):
        from wherry.cli.containerrows import container_rows

        options: dict[str, bool | str | tuple[str, ...]] = {
            "all": not given.flag("running"),
            "filter": given.many("filter"),
            "no_trunc": True,
        }
        ids = [str(row["ID"]) for row in container_rows(Given(options, ()))]
        return tuple(found.id for found in (container(world, one) for one in ids) if fits(found))
    if given.many("cidfile"):
        return (*given.words, *map(_id_in, given.many("cidfile")))
    if given.flag("latest"):
        return (_latest(world),)
    if not given.words:
        raise UsageError("requires at least 1 argument: a container", hint="docker ps -a lists them")
    return given.words


def _id_in(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"cannot read the id in '{path}'", hint="check the spelling") from None


def _latest(world: containers.World) -> str:
    found = containers.ps(all=True, world=world)
    if not found:
        raise NotFound("there are no containers")
    return found[0].id


_CONTAINERS = "[OPTIONS] CONTAINER [CONTAINER...]"
_TIME = (done("-t", "--time", kind=TEXT), done("--timeout", kind=TEXT, only="docker"))

COMMANDS = {
    "exec": Command(
        _exec,
        "[OPTIONS] CONTAINER COMMAND [ARG...]",
        "Execute a command in a running container",
        (
            *(done("-d", "--detach"), done("-i", "--interactive"), done("-t", "--tty"), done("--privileged"), _LATEST),
            *(done("-e", "--env", kind=MANY), done("--env-file", kind=MANY)),
            *(done("-w", "--workdir", kind=TEXT), done("-u", "--user", kind=TEXT)),
            Asked(("--detach-keys",), TEXT, "idle"),
            Asked(("--preserve-fds",), TEXT, "refused", "only a start passes descriptors on", "leave it out", "podman"),
        ),
        least=1,
        most=-1,
        stops=True,
    ),
    "start": Command(
        _start,
        _CONTAINERS,
        "Start one or more stopped containers",
        (
            *(done("-a", "--attach"), done("-i", "--interactive"), *_START_CHOICE, _LATEST),
            *(Asked(("--detach-keys",), TEXT, "idle"), Asked(("--sig-proxy",), "flag", "idle", only="podman")),
            Asked(("--checkpoint",), TEXT, "refused", "there are no checkpoints", "leave it out", "docker"),
            Asked(("--checkpoint-dir",), TEXT, "refused", "there are no checkpoints", "leave it out", "docker"),
        ),
        most=-1,
    ),
    "stop": Command(
        _stop,
        _CONTAINERS,
        "Stop one or more running containers",
        (
            *_TIME,
            done("-s", "--signal", kind=TEXT, only="docker"),
            *_CHOICE,
            _FILES,
            _LATEST,
            done("-i", "--ignore", only="podman"),
        ),
        most=-1,
    ),
    "restart": Command(
        _restart,
        _CONTAINERS,
        "Restart one or more containers",
        (
            *_TIME,
            done("-s", "--signal", kind=TEXT, only="docker"),
            *_CHOICE,
            _FILES,
            _LATEST,
            done("--running", only="podman"),
        ),
        most=-1,
    ),
    "kill": Command(
        _kill,
        _CONTAINERS,
        "Kill one or more running containers",
        (done("-s", "--signal", kind=TEXT), _ALL, _FILES, _LATEST),
        most=-1,
    ),
    "wait": Command(
        _wait,
        "CONTAINER [CONTAINER...]",
        "Block until one or more containers stop, then print their exit codes",
        (
            *(_LATEST, Asked(("-i", "--interval"), TEXT, "idle", only="podman"), done("--ignore", only="podman")),
            Asked(("--condition",), MANY, "done", only="podman"),
        ),
        most=-1,
    ),
    "rm": Command(
        _rm,
        _CONTAINERS,
        "Remove one or more containers",
        (
            *(
                done("-f", "--force"),
                done("-l", "--link", only="docker"),
                done("--filter", kind=MANY, only="podman"),
                _FILES,
                _ALL,
                _LATEST,
                done("-i", "--ignore", only="podman"),
            ),
            Asked(("-v", "--volumes"), "flag", "idle"),
            Asked(("-t", "--time"), TEXT, "idle", only="podman"),
            Asked(("--depend",), "flag", "idle", only="podman"),
        ),
        most=-1,
    ),
    "rename": Command(_rename, "CONTAINER NEW_NAME", "Rename a container", least=2, most=2),
    "attach": Command(
        _attach,
        "[OPTIONS] CONTAINER",
        "Show what a running container prints, until it ends",
        (
            *(Asked(("--no-stdin",), "flag", "idle"), Asked(("--sig-proxy",), "flag", "idle"), _LATEST),
            Asked(("--detach-keys",), TEXT, "idle"),
        ),
        most=1,
    ),
}
