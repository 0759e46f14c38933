"""``commit``: what was changed in a kept container becomes a layer, and with its image's own layers a new image.

The container stays as it is. One that runs is stopped for the time (SIGSTOP, at the end SIGCONT), so that no file is
half written in the image.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import HostLacks
from wherry.base.progress import Progress, silent
from wherry.containers.changes import Change
from wherry.containers.kept import Container
from wherry.containers.lookup import is_elsewhere, kept_named, out_of_reach, running_kept
from wherry.containers.naming import reference_to_name
from wherry.containers.ranged import is_ranged, with_all_ids
from wherry.containers.resolving import image_of
from wherry.containers.times import now, source_epoch
from wherry.containers.upper import upper_of
from wherry.containers.world import World

if TYPE_CHECKING:
    from wherry.containers.running import Running
    from wherry.image import Image, MadeLayer
    from wherry.store import Layer

__all__ = ["commit", "plan_commit"]

_ROUNDS = 20
"""How often new processes are looked for while all are stopped: one that forks fast enough is its own fault."""

_OLD = ("container", "container_config", "docker_version")
"""What Docker once noted of the container that an image was made in: it says nothing of this one."""


class _Told(msgspec.Struct, frozen=True):
    message: str
    author: str
    changes: tuple[str, ...]
    squash: bool


def commit(
    name: str,
    target: str = "",
    *,
    message: str = "",
    author: str = "",
    changes: tuple[str, ...] = (),
    pause: bool = True,
    squash: bool = False,
    progress: Progress = silent,
    world: World | None = None,
) -> Image:
    """An image of a kept container, named ``target``. As Docker's: what the container was started with (command,
    variables, directory, user, labels) goes into its configuration, then the instructions ``changes``.

    With ``squash`` it has one layer, in which nothing is that the container does not show. Raises :class:`NotFound`,
    :class:`Conflict` for a container that is not kept or runs elsewhere, :class:`HostLacks` where its changes are no
    layer, :class:`ImageError` for a file that cannot be in one, :class:`StoreFull`.
    """
    from wherry.containers.pulling import keep_within
    from wherry.image import make_image

    world = world or World()
    container, image = _committable(world, name)
    reference = reference_to_name(world, target) if target else None
    told = _Told(message, author, changes, squash)
    document = _document(world, container, image, told)  # a wrong instruction is told before anything is read
    held = world.store.new_work()  # while it is there, nobody removes layers that no image names yet
    try:
        with _still(running_kept(world, container) if pause else None):
            made = _changes(world, container, image, progress)
        layers = _joined(world, image, made, progress) if squash else _stacked(image, made)
        new = make_image(world.store, reference, _with_step(document, told, made), layers, base=image)
    finally:
        world.store.discard(held)
    keep_within(world, (new,), progress)
    return new


def _stacked(image: Image, made: MadeLayer | None) -> list[Layer | MadeLayer]:
    return [*image.layers, *([made] if made is not None else [])]


def _joined(world: World, image: Image, made: MadeLayer | None, progress: Progress) -> list[Layer | MadeLayer]:
    from wherry.image import squash

    whole = squash(world.store, (*image.layers, *([made.layer] if made is not None else [])), progress=progress)
    return [whole] if whole is not None else []


def plan_commit(name: str, target: str = "", *, world: World | None = None) -> tuple[Change, ...]:
    """What :func:`commit` would add; its digest is known only once the changes are read."""
    world = world or World(make_store=False)
    container, _ = _committable(world, name)
    reference = reference_to_name(world, target) if target else None
    found: list[Change] = []
    if running_kept(world, container) is not None:
        found.append(Change("pause", "container", name))
    found.append(Change("add", "image", name, reference.familiar if reference else ""))
    return tuple(found)


# ---- the container --------------------------------------------------------------------------------------------------


def _committable(world: World, name: str) -> tuple[Container, Image]:
    container = kept_named(world, name)
    if is_elsewhere(world, container) and running_kept(world, container) is None:
        raise out_of_reach(world, container)
    if container.image.endswith("/") or container.stamp:
        raise _no_layer(name, f"its image is used where it lies ('{container.image}'), not from the store")
    image = image_of(world, container)
    from wherry.containers.copied import copy_of

    if not upper_of(world, container) and copy_of(world, container):
        raise _no_layer(name, "without an overlay it has a copy of all files, which does not tell what was changed")
    return container, image


def _no_layer(name: str, why: str) -> HostLacks:
    hint = f"one layer of all its files: wherry export {name} | wherry import - NEW-NAME"
    return HostLacks(f"the changes of container '{name}' are no layer", why=why, hint=hint)


def _changes(world: World, container: Container, image: Image, progress: Progress) -> MadeLayer | None:
    """The container's changes, without what its starts made."""
    from wherry.containers.differing import made_by_start
    from wherry.containers.starting import plan_kept
    from wherry.image import Rules, Told, copy_layer, told_of
    from wherry.launch import inside_ids

    upper = upper_of(world, container)
    if not upper:
        return None
    ids = inside_ids(plan_kept(world, container, msgspec.structs.replace(container.options, cidfile=None)))
    told = Told(told_of(upper).beside, ids, made_by_start(world, container), noted=container.options.fakeroot)
    rules = Rules(source_epoch(world.outside))

    def made() -> MadeLayer | None:
        return copy_layer(world.store, image.layers, upper, rules=rules, told=told, progress=progress)

    return with_all_ids(made) if is_ranged(container) else made()


@contextlib.contextmanager
def _still(running: Running | None) -> Iterator[None]:
    """Nothing of the container goes on while the block lasts: parents are stopped before their children and go on after
    them, so that no shell sees a child that is stopped."""
    from wherry.containers.processes import descendants

    stopped: dict[int, None] = {}
    try:
        for _ in range(_ROUNDS if running is not None else 0):
            assert running is not None
            new = [pid for pid in descendants(running.init_pid) if pid not in stopped]
            for pid in new:
                _signal(pid, signal.SIGSTOP)
            stopped.update(dict.fromkeys(new))
            if not new:
                break
        yield
    finally:
        for pid in reversed(stopped):
            _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended, or belongs to another of its ids
        os.kill(pid, number)


# ---- the image ------------------------------------------------------------------------------------------------------


def _document(world: World, container: Container, image: Image, told: _Told) -> dict[str, object]:
    """The image's configuration with what the container was started with, and what was asked for."""
    from wherry.image import changed_config

    data = world.store.read_blob(image.manifest.config.digest)
    document = msgspec.json.decode(data, type=dict[str, object])
    config = document.get("config")
    for key in _OLD:
        document.pop(key, None)
    created = _created(world)
    started = _as_started(container, dict(config) if isinstance(config, dict) else {})
    return {**document, "config": changed_config(started, told.changes), "created": created, "author": told.author}


def _as_started(container: Container, config: dict[str, object]) -> dict[str, object]:
    from wherry.image import with_variables

    options = container.options
    if options.entrypoint is not None:
        config["Entrypoint"] = list(options.entrypoint)
        config.pop("Cmd", None)
    if options.command:
        config["Cmd"] = list(options.command)
    if options.workdir is not None:
        config["WorkingDir"] = options.workdir
    if options.user not in (None, "image"):
        config["User"] = options.user
    if options.stop_signal is not None:
        config["StopSignal"] = options.stop_signal
    if options.labels:
        before = config.get("Labels")
        config["Labels"] = {**(before if isinstance(before, dict) else {}), **dict(options.labels)}
    given = [pair.partition("=") for pair in options.env if "=" in pair]  # a name alone is the caller's at each start
    if given:
        config["Env"] = with_variables(config.get("Env"), ((name, value) for name, _, value in given))
    return config


def _with_step(document: dict[str, object], told: _Told, made: MadeLayer | None) -> dict[str, object]:
    config = document["config"]
    command = config.get("Cmd") if isinstance(config, dict) else None
    history = document.get("history")
    steps = [dict(step) for step in history if isinstance(step, dict)] if isinstance(history, list) else []
    if told.squash:
        for step in steps:
            step["empty_layer"] = True
    new = {
        "created": document["created"],
        "created_by": " ".join(map(str, command)) if isinstance(command, list) else "",
        "author": told.author,
        "comment": told.message,
    }
    step = {key: value for key, value in new.items() if value}
    if made is None and not told.squash:
        step["empty_layer"] = True
    whole = {**document, "history": [*steps, step]}
    return {key: value for key, value in whole.items() if value != ""}


def _created(world: World) -> str:
    epoch = source_epoch(world.outside)
    return now() if epoch is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
