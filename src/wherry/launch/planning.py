"""``plan_run``: from options, image, host, settings and surroundings to a plan. Pure: it reads and changes nothing.

(Look-ups in the image's tree read the store; an image's content never changes.)
"""

from __future__ import annotations

import os

import msgspec

from wherry import __version__
from wherry.base.errors import UsageError
from wherry.base.settings import Settings
from wherry.host import Host
from wherry.launch.confine import confine_operations, limit_operations
from wherry.launch.environment import describe, env_operations
from wherry.launch.fragment import fragment_of, joinable_of
from wherry.launch.identity import resolve_person
from wherry.launch.mounts import Root, choose_root, inside_operations, root_folders
from wherry.launch.names import names_layer
from wherry.launch.options import RunOptions
from wherry.launch.plan import CURRENT, Kept, LaunchPlan, Operation, Paths
from wherry.launch.surroundings import Surroundings, wants_here, wants_home
from wherry.launch.views import Image, Tree
from wherry.policy import Decision, ImageFacts, require

__all__ = ["plan_run"]

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000,
    0x02000000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
_STDIN, _TERMINAL, _DETACH, _IF_TERMINAL = 1, 2, 4, 8
_DROP_DASHES = 1
_DESCRIPTOR_VARIABLES = ("PMI_FD", "MAKEFLAGS")


def plan_run(
    options: RunOptions,
    image: Image,
    tree: Tree,
    host: Host,
    settings: Settings,
    decision: Decision,
    *,
    paths: Paths,
    surroundings: Surroundings,
    kept: Kept | None = None,
    drop_dashes: bool = True,
) -> LaunchPlan:
    """What one start of ``image`` does; its inputs are added by :func:`wherry.launch.with_inputs`.

    ``kept`` is the container that stays, None for one that goes when it ends. ``drop_dashes``: one ``--`` directly
    after the image is not the command's. Raises :class:`UsageError`, :class:`NotFound` (user or group), and
    :class:`HostLacks` where something asked cannot be had, :class:`PolicyDenied`.
    """
    require(decision, ImageFacts(image.reference, image.digest), "run")
    if options.hostname is not None:
        _check_hostname(options.hostname)
    here, home = wants_here(options, settings), wants_home(options, settings)
    isolated = _network(options, settings) == "none"
    person = resolve_person(options, image, tree, host, surroundings, home=home)
    kind, notes = choose_root(image, host, paths)
    names = names_layer(options, image, tree, person, surroundings, paths, isolated_network=isolated, kept=kept)
    variables = describe(options, image, tree, host, person, settings, surroundings)
    environment = env_operations(variables)
    if kind == Root.TREE and surroundings.zone:
        environment.insert(0, Operation("ENV_SET", ((f"TZ={surroundings.zone}",),)))
    directory = options.workdir or (CURRENT if here else _directory(image))
    confinement = confine_operations(options, person.uid, surroundings, host)
    joinable = joinable_of(options, person, directory, environment, surroundings.profile)
    flags = NEWUSER | NEWNS | NEWPID | NEWIPC | NEWUTS | NEWCGROUP | (NEWNET if isolated else 0)
    fragment = fragment_of(options, image, host, kept, person, __version__)
    operations = [
        *_start(paths, kept, fragment, joinable, flags),
        *root_folders(kind),
        Operation("MKDIR", (f"{paths.runtime}/root", 0o700)),
        *_books(options, paths, kept, host, fragment),
        *_streams(options, kept),
        Operation("NAMESPACE", (flags, person.uid, person.gid)),
        *inside_operations(
            kind,
            options,
            image,
            tree,
            host,
            person,
            paths,
            names,
            here=here,
            home=home,
            isolated_network=isolated,
            keep=kept is not None,
        ),
        *limit_operations(options),
        *environment,
        Operation("CWD", (directory, 1)),
        *confinement,
        _command(options, image, tree, drop_dashes=drop_dashes),
    ]
    return LaunchPlan((), tuple(operations), names.files, notes, reusable=kept is None)


def _check_hostname(name: str) -> None:
    """RFC 1123, section 2.1, and the kernel's 64 bytes: it becomes a line of /etc/hosts."""
    good = len(name) <= 64 and name.isascii()
    for label in name.split("."):
        good = good and label.replace("-", "a").isalnum() and label[0] != "-" != label[-1]
    if not good:
        raise UsageError(
            f"{name!a} cannot be a host's name",
            why="it has at most 64 letters, digits, '-' and '.', and no part is empty or begins or ends with '-'",
            hint="as --hostname node-1",
        )


def _directory(image: Image) -> str:
    # A relative one is taken from the root, as Docker does; so an image cannot name a slot either.
    return f"/{(image.config.config.working_dir or '').lstrip('/')}"


def _network(options: RunOptions, settings: Settings) -> str:
    network = options.network or settings.text("run.network")
    if network not in ("host", "none"):
        raise UsageError(
            f"there is no network '{network}'",
            why="a user may share the host's network or have none",
            hint="--network host (the default) or --network none",
        )
    return network


def _start(paths: Paths, kept: Kept | None, fragment: str, joinable: str, flags: int) -> list[Operation]:
    """The id, who runs, and its scratch folder: in this order, for by the running file a killed start is swept."""
    scratch = paths.scratch if kept is None else (kept.scratch or paths.scratch)
    running = f'{fragment},"namespaces":{flags},"join":{joinable}'
    if kept is None:  # for a sweep under other settings
        shown = [os.fsencode(path).decode(errors="replace") for path in scratch]
        running += f',"scratch":{msgspec.json.encode(shown).decode()}'
    return [
        Operation("ID", (kept.id if kept else "",)),
        Operation("RUNNING", (f"{paths.runtime}/running", running)),
        Operation("SCRATCH", (scratch, int(kept is not None))),
    ]


def _books(options: RunOptions, paths: Paths, kept: Kept | None, host: Host, fragment: str) -> list[Operation]:
    """Who else must know of it: id file, lease, record, and what a kept container leaves."""
    found = [Operation("CIDFILE", (options.cidfile,))] if options.cidfile else []
    if paths.lease:
        found.append(Operation("LEASE", (paths.lease,)))
    found.append(Operation("RECORD", (f"{paths.state}/records/{host.node}", fragment)))
    if kept is not None and kept.exit_file:
        found.append(Operation("EXITFILE", (kept.exit_file,)))
    return found


def _streams(options: RunOptions, kept: Kept | None) -> list[Operation]:
    bits = (_STDIN if options.interactive else 0) | (_TERMINAL if options.terminal else 0)
    bits |= _DETACH if options.detach else 0
    if options.shell:
        bits |= _STDIN | _TERMINAL | (0 if options.terminal else _IF_TERMINAL)
    found = [Operation("STDIO", (bits,))]
    if kept is not None and kept.log and options.detach:
        found.append(Operation("LOG", (kept.log,)))
    descriptors = tuple(str(number) for number in sorted(set(options.preserve_fds)))
    found.append(Operation("FDS", (descriptors, _DESCRIPTOR_VARIABLES)))
    return found


def _command(options: RunOptions, image: Image, tree: Tree, *, drop_dashes: bool) -> Operation:
    config = image.config.config
    bits = _DROP_DASHES if drop_dashes else 0
    if options.shell:
        shell = "/bin/bash" if tree.exists("/bin/bash") else "/bin/sh"
        return Operation("EXEC", ((shell,), (), bits))
    entry_point: tuple[str, ...]
    default: tuple[str, ...]
    if options.entrypoint is not None:  # as Docker: the image's Cmd belongs to the image's own entry point
        entry_point, default = tuple(part for part in options.entrypoint if part), ()
    else:
        entry_point, default = tuple(config.entrypoint or ()), tuple(config.cmd or ())
    if not entry_point and not default and not options.command:
        raise UsageError(
            f"'{image.reference}' names no command to run",
            hint=f"say which, as: wherry run {image.reference} COMMAND",
        )
    return Operation("EXEC", (entry_point, default, bits))
