"""The words before a verb, and which module has which verb; groups (``image ls``) are other names for the same."""

from __future__ import annotations

import os
from importlib import import_module

from wherry.base.errors import UsageError, WherryError
from wherry.cli.grammar import Given, Option, Verb
from wherry.cli.parse import NotUnderstood, parse
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import Command, read
from wherry.shims.docker.failing import BadFlag, report

__all__ = ["GROUPS", "REFUSED", "VERBS", "find", "serve"]

VERBS = {
    **dict.fromkeys(("run", "create"), "running"),
    **dict.fromkeys(("exec", "start", "stop", "restart", "kill", "wait", "rm", "rename", "attach"), "acting"),
    **dict.fromkeys(("ps", "logs", "top", "stats", "port", "diff", "cp"), "looking"),
    **dict.fromkeys(("images", "rmi", "tag", "untag", "history", "pull", "push", "login", "logout"), "imaging"),
    **dict.fromkeys(("load", "save", "import", "export", "commit"), "archiving"),
    "inspect": "inspecting",
    "build": "building",
    **dict.fromkeys(("version", "info"), "describing"),
}
"""Verb -> module of this package, which has it in ``COMMANDS``."""

_BUILDERS = {
    **dict.fromkeys(("build", "b"), "build"),
    "prune": "builder prune",
    **{name: f"buildx {name}" for name in ("ls", "inspect", "create", "use", "rm", "stop", "version", "du")},
}

GROUPS: dict[str, dict[str, str]] = {
    "container": {
        **{
            name: name for name in ("run", "create", "exec", "start", "stop", "restart", "kill", "wait", "rm", "rename")
        },
        **{name: name for name in ("attach", "logs", "top", "stats", "port", "diff", "cp", "export", "commit")},
        **dict.fromkeys(("ls", "list", "ps"), "ps"),
        "inspect": "container inspect",
        "prune": "container prune",
        "exists": "container exists",
    },
    "image": {
        **dict.fromkeys(("ls", "list"), "images"),
        **dict.fromkeys(("rm", "remove"), "rmi"),
        **{name: name for name in ("tag", "untag", "history", "pull", "push", "load", "save", "import", "build")},
        "inspect": "image inspect",
        "prune": "image prune",
        "exists": "image exists",
    },
    "buildx": _BUILDERS,
    "builder": _BUILDERS,
    "volume": {name: f"volume {name}" for name in ("create", "ls", "list", "rm", "inspect", "prune", "exists")},
    "network": {name: f"network {name}" for name in ("ls", "list", "inspect", "prune", "exists")},
    "system": {"df": "system df", "prune": "system prune", "info": "info"},
    "context": {name: f"context {name}" for name in ("ls", "list", "show", "use")},
}
"""Group -> its word -> the verb that it is."""

_GROUPED = {
    **dict.fromkeys(("container inspect", "image inspect"), "inspecting"),
    **dict.fromkeys(("container prune", "image prune", "builder prune", "system prune", "system df"), "pruning"),
    **dict.fromkeys(("container exists", "image exists", "volume exists", "network exists"), "existing"),
    **{f"buildx {name}": "builders" for name in ("ls", "inspect", "create", "use", "rm", "stop", "version", "du")},
    **{f"volume {name}": "volumes" for name in ("create", "ls", "list", "rm", "inspect", "prune")},
    **{f"network {name}": "networks" for name in ("ls", "list", "inspect", "prune")},
    **{f"context {name}": "networks" for name in ("ls", "list", "show", "use")},
}

_YET = "it comes with a later release"
_NO_DAEMON = "there is no daemon"
REFUSED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("buildx", "builder", "buildah"),
        ("images are built without a service", "docker build"),
    ),
    "buildx bake": ("its files name many builds", "docker build for each of them"),
    "buildx imagetools": ("it works on lists of manifests", "skopeo inspect --raw docker://IMAGE"),
    **dict.fromkeys(
        ("pause", "unpause", "container pause", "container unpause"),
        ("an unprivileged user has no freezer", "docker kill -s STOP CONTAINER, and CONT to go on"),
    ),
    **dict.fromkeys(
        ("update", "container update"), ("limits are set when a container starts", "stop it and run it with others")
    ),
    **dict.fromkeys(
        ("events", "system events"), (f"{_NO_DAEMON} that would see them all", "docker wait, docker logs -f, docker ps")
    ),
    **dict.fromkeys(
        ("network create", "network connect", "network disconnect", "network rm"),
        ("containers share the host's network", "leave it out: containers reach each other at localhost"),
    ),
    **dict.fromkeys(
        ("compose", "stack", "swarm", "service", "node", "secret", "config", "pod", "kube", "play", "generate"),
        (f"it works on a daemon's services, and {_NO_DAEMON}", "start each container with run -d --name NAME"),
    ),
    **dict.fromkeys(
        ("checkpoint", "container checkpoint", "container restore"),
        ("it takes privileges to restore processes", "let the program itself write checkpoints"),
    ),
    **dict.fromkeys(
        ("context create", "context rm", "context update", "context import", "context export", "system connection"),
        (f"{_NO_DAEMON}, here or elsewhere", "leave it out"),
    ),
    "search": ("registries have no common way to search", "look at the registry's web page"),
    "manifest": (f"lists of manifests: {_YET}", "skopeo inspect --raw docker://IMAGE"),
    "trust": ("signatures are not made here", "cosign"),
    "plugin": ("plug-ins are the daemon's", "leave it out"),
    "machine": ("no virtual machine is needed", "leave it out"),
    "unshare": ("Wherry starts containers itself", "docker run -u root"),
    "container cleanup": ("the kernel unmounts all when a container ends", "leave it out"),
    "init": ("a container is made ready when it starts", "podman start CONTAINER"),
    "unmount": ("a container's tree is mounted in its own namespace only", "leave it out"),
    "mount": ("a container's tree is mounted in its own namespace only", "docker cp CONTAINER:PATH ."),
    "volume update": ("volumes are directories", "leave it out"),
}
"""Verb -> (why, what to do instead)."""

_GLOBAL = {
    "docker": (
        *((("--config",), "text"), (("-c", "--context"), "text"), (("-H", "--host"), "many")),
        *((("-l", "--log-level"), "text"), (("-D", "--debug"), "flag"), (("-v", "--version"), "flag")),
        *(((f"--tls{name}",), kind) for name, kind in (("", "flag"), ("verify", "flag"), ("cacert", "text"))),
        *(((f"--tls{name}",), "text") for name in ("cert", "key")),
    ),
    "podman": (
        *(
            ((f"--{name}",), "text")
            for name in ("cgroup-manager", "conmon", "events-backend", "identity", "imagestore")
        ),
        *(
            ((f"--{name}",), "many")
            for name in ("hooks-dir", "module", "runtime-flag", "storage-opt", "network-cmd-path")
        ),
        *(((f"--{name}",), "text") for name in ("network-config-dir", "out", "root", "runroot", "runtime", "ssh")),
        *(((f"--{name}",), "text") for name in ("storage-driver", "tmpdir", "url", "volumepath", "log-level")),
        *(((f"--{name}",), "flag") for name in ("noout", "syslog", "transient-store", "trace")),
        *((("-c", "--connection"), "text"), (("-r", "--remote"), "flag"), (("-v", "--version"), "flag")),
    ),
}
"""Options before the verb. All but those of which :func:`_heed` speaks are accepted: they steer a daemon's client."""


def serve(call: Call, words: list[str]) -> int:
    """Find the verb, read its words, do it; the status for the shell, errors being said."""
    try:
        given = _before_verb(call, words)
        if given is None:
            return 0
        name, after = _verb(list(given.words))
        said = tuple(words[: len(words) - len(after)])
        call = Call(call.face, said, " ".join(said[len(given.prefix) - 1 :]))
        command = find(call, name)
        read_words = read(call, command, after)
        return 0 if read_words is None else command.run(call, read_words)
    except WherryError as error:
        return report(call, error)


def _before_verb(call: Call, words: list[str]) -> Given | None:
    """What stands before the verb, and the verb with its words; None where that was answered."""
    options = tuple(Option(names, "", kind, empty=True) for names, kind in _GLOBAL[call.face])
    try:
        given = parse(Verb(call.face, "", _unused, options, stops=True), words, equals=True)
    except NotUnderstood as error:
        if error.option in ("--help", "-h"):
            _help(call)
            return None
        raise BadFlag(f"unknown flag: {error.option}", hint=f"{call.face} --help") from None
    if given.flag("version"):
        from wherry.shims.docker.describing import version_line

        print(version_line(call))
        return None
    if not given.words or given.words[0] == "help":
        _help(call)
        return None
    _heed(call, given)
    return given


def find(call: Call, name: str) -> Command:
    """The command of that name; raise :class:`UsageError` that says why there is none."""
    module = VERBS.get(name) or _GROUPED.get(name)
    if module is not None:
        commands: dict[str, Command] = import_module(f"wherry.shims.docker.{module}").COMMANDS
        return commands[name]
    first = name.split(" ")[0]
    if name in REFUSED or first in REFUSED:
        why, hint = REFUSED.get(name) or REFUSED[first]
        raise UsageError(
            f"'{call.face} {name}' is not possible here", why=why, hint=hint.replace("docker ", f"{call.face} ")
        )
    if first in GROUPS:
        known = ", ".join(sorted(GROUPS[first]))
        raise UsageError(f"'{call.face} {name}' is not a {call.face} command", hint=f"{call.face} {first}: {known}")
    import difflib

    near = difflib.get_close_matches(name, [*VERBS, *GROUPS], 1, 0.6)
    hint = f"did you mean '{call.face} {near[0]}'?" if near else f"{call.face} --help"
    raise UsageError(f"'{name}' is not a {call.face} command", hint=hint)


def _verb(words: list[str]) -> tuple[str, list[str]]:
    first, rest = words[0], words[1:]
    if first not in GROUPS:
        return first, rest
    group = GROUPS[first]
    if not rest or rest[0].startswith("-"):
        return f"{first} {rest[0] if rest else ''}".rstrip(), rest[1:]
    return group.get(rest[0], f"{first} {rest[0]}"), rest[1:]


def _heed(call: Call, given: Given) -> None:
    """``--config`` names where credentials are; another daemon than none cannot be spoken to."""
    config = given.text("config")
    if config:
        os.environ["DOCKER_CONFIG"] = os.path.abspath(config)
    for host in given.many("host"):
        if not host.startswith("unix://"):
            why = "containers run here, as your own processes, and no daemon is asked"
            raise UsageError(
                f"'-H {host}' cannot be used", why=why, hint=f"ssh to that machine, and use {call.face} there"
            )
    if given.flag("remote") or given.text("connection") or given.text("url"):
        raise UsageError("another machine cannot be used", why="no service is asked", hint="ssh to that machine")


def _help(call: Call) -> None:
    print(
        f"Usage:  {call.face} [OPTIONS] COMMAND\n\n{call.face}'s command line on Wherry: rootless, without a daemon\n"
    )
    print("Commands:\n  " + ", ".join(sorted(VERBS)))
    print("\nManagement commands:\n  " + ", ".join(sorted(GROUPS)))
    print(f"\n'{call.face} COMMAND --help' shows a command's options; 'wherry --help' what Wherry itself offers.")


def _unused(given: Given) -> int:
    raise AssertionError(given)
