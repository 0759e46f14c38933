"""``RUN --mount``: what a step is shown beside its files, and nothing of which stays in the image.

What to show is pure (:func:`mounts_for`); :func:`mounting` makes and locks what is shown, and lets go of it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import NotFound, StoreError, UsageError, reason
from wherry.base.progress import Event, Progress, silent
from wherry.build.graph import MountFrom, RunStep

if TYPE_CHECKING:
    from wherry.base.outside import Outside
    from wherry.build.secrets import Secret
    from wherry.build.site import Site
    from wherry.launch import Bind, RunOptions

__all__ = ["Given", "Shown", "given_by", "mounted", "mounting", "mounts_for"]

_SECRET_MODE = 0o400
_CACHE_MODE = 0o755


class Given(msgspec.Struct, frozen=True):
    """What the caller has for a build's mounts: ``secrets`` and ``agents`` by id, and where caches (``store``) and
    what lasts for a step (``runtime``) lie."""

    store: str
    runtime: str
    secrets: dict[str, Secret] = {}
    agents: dict[str, tuple[str, ...]] = {}


class Shown(msgspec.Struct, frozen=True):
    """What is added to a start: mounts, variables (NAME=value), and the mount points that the image lacks.

    ``secrets`` are variables whose values neither the plan nor the execution's record may have: the launcher gets them
    in its own environment, and the options name them.
    """

    binds: tuple[Bind, ...] = ()
    tmpfs: tuple[tuple[str, str], ...] = ()
    env: tuple[str, ...] = ()
    secrets: dict[str, str] = {}
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def added_to(self, options: RunOptions) -> RunOptions:
        return msgspec.structs.replace(
            options,
            binds=(*options.binds, *self.binds),
            tmpfs=(*options.tmpfs, *self.tmpfs),
            env=(*options.env, *self.env, *self.secrets),
            places=(*options.places, *self.folders),
            place_files=(*options.place_files, *self.files),
        )


def given_by(secrets: tuple[str, ...], ssh: tuple[str, ...], outside: Outside, store: str, runtime: str) -> Given:
    """What ``--secret`` and ``--ssh`` say, checked in form. Raises :class:`UsageError`, :class:`NotFound`."""
    from wherry.build.agents import parse_agents
    from wherry.build.secrets import parse_secrets

    return Given(store, runtime, parse_secrets(secrets, outside), parse_agents(ssh, outside))


def mounts_for(
    step: RunStep, places: Mapping[int, str], values: Mapping[int, str], is_folder: Callable[[str], bool]
) -> Shown:
    """``places`` are the host's paths of the step's mounts, by their number, ``values`` secrets that are variables; a
    mount that has neither is not shown."""
    from wherry.launch import Bind

    binds: list[Bind] = []
    tmpfs: list[tuple[str, str]] = []
    secrets = {mount.env: values[number] for number, mount in enumerate(step.mounts) if number in values}
    folders: list[str] = []
    files: list[str] = []
    for number, mount in enumerate(step.mounts):
        if mount.type == "tmpfs":
            size = f",size={mount.size}" if mount.size is not None else ""
            tmpfs.append((mount.target, f"exec,mode={mount.mode if mount.mode is not None else 0o1777:o}{size}"))
        elif number in places:
            read_only = mount.read_only or mount.type == "secret"
            binds.append(Bind(places[number], mount.target, read_only=read_only))
            (folders if is_folder(places[number]) else files).append(mount.target)
    agents = [mount.target for number, mount in enumerate(step.mounts) if mount.type == "ssh" and number in places]
    env = tuple(f"SSH_AUTH_SOCK={target}" for target in agents[:1])
    return Shown(tuple(binds), tuple(tmpfs), env, secrets, tuple(folders), tuple(files))


@contextmanager
def mounted(site: Site, step: RunStep, work: str, directory_of: Callable[[MountFrom], str]) -> Iterator[Shown]:
    """:func:`mounting` with what the build was given."""
    if not step.mounts:
        yield Shown()
        return
    world, asked = site.world, site.here.options
    given = given_by(asked.secrets, asked.ssh, world.outside, world.store.path, world.runtime)

    def tell(event: Event) -> None:
        site.note(f"{event.item}: {event.message}")

    with mounting(given, step, directory_of, tell) as shown:
        yield shown


@contextmanager
def mounting(
    given: Given, step: RunStep, directory_of: Callable[[MountFrom], str], progress: Progress = silent
) -> Iterator[Shown]:
    """What the step is shown, until the block ends. ``directory_of`` gives the files of a bind, or of a cache's first
    content.

    Raises :class:`NotFound` for a secret or agent that the step must have.
    """
    with ExitStack() as stack:
        places = {number: directory_of(mount) for number, mount in enumerate(step.mounts) if mount.type == "bind"}
        places |= _caches(stack, given, step, directory_of, progress)
        places |= _agents(stack, given, step)
        contents = _contents(given, step)
        values = {
            number: _as_variable(step.mounts[number], content)
            for number, content in contents.items()
            if step.mounts[number].env
        }
        if contents:
            from wherry.build.secrets import in_memory

            modes = {
                number: mode if (mode := step.mounts[number].mode) is not None else _SECRET_MODE for number in contents
            }
            files = {str(number): (content, modes[number]) for number, content in contents.items()}
            laid = stack.enter_context(in_memory(files, given.runtime))
            places |= {number: laid[str(number)] for number in contents}
        yield mounts_for(step, places, values, os.path.isdir)


def _caches(
    stack: ExitStack, given: Given, step: RunStep, directory_of: Callable[[MountFrom], str], progress: Progress
) -> dict[int, str]:
    """Locked in the order of their names, so that no two builds wait for each other; one name is locked once."""
    from wherry.store import cache_mount

    held: dict[str, str] = {}
    numbers = [number for number, mount in enumerate(step.mounts) if mount.type == "cache"]
    for number in sorted(numbers, key=lambda number: step.mounts[number].id):
        mount = step.mounts[number]
        if mount.id not in held:
            mode = mount.mode if mount.mode is not None else _CACHE_MODE
            path = stack.enter_context(cache_mount(given.store, mount.id, mount.sharing, progress, mode))
            if mount.files is not None and _is_empty(path):
                _fill(path, directory_of(mount), mount.id)
            held[mount.id] = path
    return {number: held[step.mounts[number].id] for number in numbers}


def _is_empty(path: str) -> bool:
    """A folder that its last step closed even to its owner holds something of that step's."""
    try:
        return not os.listdir(path)
    except PermissionError:
        return False


def _fill(path: str, source: str, identity: str) -> None:
    """A cache's first content, all of it or nothing: two that fill it at once, or one that is killed, do no harm."""
    aside = f"{os.path.dirname(path)}/filling-{os.urandom(6).hex()}"
    try:
        shutil.copytree(source, aside, symlinks=True)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        first = error.args[0][0] if isinstance(error, shutil.Error) else (source, aside, reason(error))
        why = f"'{first[0]}': {first[2]}"
        raise StoreError(f"the cache mount '{identity}' cannot be filled", why=why, hint="leave from= out") from None
    try:
        os.rename(aside, path)
    except OSError:  # another one was first
        shutil.rmtree(aside, ignore_errors=True)


def _agents(stack: ExitStack, given: Given, step: RunStep) -> dict[int, str]:
    found = {}
    for number, mount in enumerate(step.mounts):
        if mount.type != "ssh":
            continue
        paths = given.agents.get(mount.id)
        if paths is not None:
            from wherry.build.agents import agent_socket

            found[number] = stack.enter_context(agent_socket(mount.id, paths, given.runtime))
        elif mount.required:
            raise _missing(f"the SSH agent '{mount.id}'", f"--ssh {mount.id}")
    return found


def _contents(given: Given, step: RunStep) -> dict[int, bytes]:
    found = {}
    for number, mount in enumerate(step.mounts):
        if mount.type != "secret":
            continue
        secret = given.secrets.get(mount.id)
        if secret is not None:
            from wherry.build.secrets import read_secret

            found[number] = read_secret(mount.id, secret)
        elif mount.required:
            raise _missing(f"the secret '{mount.id}'", f"--secret id={mount.id},src=FILE")
    return found


def _as_variable(mount: MountFrom, content: bytes) -> str:
    if b"\0" in content:
        hint = "leave env= out: it is then a file"
        raise UsageError(f"the secret '{mount.id}' cannot be a variable", why="it has a zero byte", hint=hint)
    return os.fsdecode(content)


def _missing(what: str, option: str) -> NotFound:
    return NotFound(f"{what} was not given", why="the recipe says that it is required", hint=option)
