"""The face for programs: what ``import wherry`` offers (``docs/reference/python-api.md``)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING

import msgspec

from wherry.base.errors import CommandFailed, UsageError
from wherry.containers import amounts
from wherry.containers.binding import check_targets, volume
from wherry.containers.binding import tmpfs as in_memory
from wherry.containers.records import Record
from wherry.containers.world import World
from wherry.launch import Bind, ExecOptions, RunOptions, Ulimit

if TYPE_CHECKING:
    from wherry.base.digest import Digest
    from wherry.base.progress import Progress
    from wherry.containers.commandfiles import Exposed
    from wherry.containers.listing import ContainerSummary
    from wherry.containers.output import LogLine
    from wherry.containers.starting import Start
    from wherry.image import Image

__all__ = ["ContainerHandle", "ImageSummary", "Result", "container", "containers", "expose", "images", "pack", "pull"]
__all__ += ["run"]


class Result(msgspec.Struct, frozen=True):
    """How a command ended: ``status`` as a shell shows it (128+n by signal n), what it wrote, and its record.

    ``stdout`` and ``stderr`` are empty when they were not captured. ``record`` is None when none was written (a full
    disk, or the start failed).
    """

    status: int
    stdout: bytes
    stderr: bytes
    id: str
    record: Record | None = None

    @property
    def text(self) -> str:
        """Standard output as text (UTF-8, what is not becomes U+FFFD)."""
        return self.stdout.decode(errors="replace")


class ImageSummary(msgspec.Struct, frozen=True):
    """An image that is held: its names, digest, and the bytes of its files' contents."""

    names: tuple[str, ...]
    digest: Digest
    size: int
    created: str
    pulled: str


def pull(image: str, *, platform: str | None = None, progress: Progress | None = None) -> Image:
    """Fetch an image, or its newer version, and make it ready to run. Asks the registry even when it is held.

    Raises :class:`~wherry.base.errors.RegistryError` and its kinds, :class:`StoreFull`, :class:`InvalidName`.
    """
    from wherry.containers.resolving import Resolved, resolve

    found = resolve(World(), image, pull="always", platform=platform, progress=progress)
    assert isinstance(found, Resolved)
    return found.image


def run(
    image: str,
    command: Sequence[str] = (),
    *,
    env: Mapping[str, str | None] | None = None,
    binds: Sequence[str | Bind] = (),
    tmpfs: Sequence[str] = (),
    workdir: str | None = None,
    user: str | None = None,
    here: bool | None = None,
    home: bool | None = None,
    network: str | None = None,
    read_only: bool = False,
    entrypoint: Sequence[str] | None = None,
    hostname: str | None = None,
    labels: Mapping[str, str] | None = None,
    memory: int | str | None = None,
    cpus: float | None = None,
    pids_limit: int | None = None,
    ulimits: Mapping[str, int | tuple[int, int]] | None = None,
    engine: str | None = None,
    userns: str | None = None,
    fakeroot: bool = False,
    group_add: Sequence[str] = (),
    seccomp: str | os.PathLike[str] | None = None,
    name: str | None = None,
    pull: str | None = None,
    platform: str | None = None,
    input: bytes | str | None = None,  # noqa: A002
    capture: bool = True,
    check: bool = False,
    cwd: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run a command in a fresh container and wait for it.

    ``command`` is a sequence of words; empty means the image's own. In ``env`` a value of None takes the caller's.
    ``memory`` is bytes, or a text as ``4g``; ``ulimits`` are one value, or the soft and the hard one, -1 unlimited.
    ``binds`` are :class:`Bind` values or texts as ``-v`` takes them (``/data:/data:ro``), ``tmpfs`` texts as
    ``--tmpfs`` does, ``seccomp`` a profile's path or ``unconfined``. ``input`` is standard input; without it that is
    empty. With ``capture=False`` the streams are the caller's. ``cwd`` is where ``here`` points.
    After ``timeout`` seconds the container is ended and :class:`TimeoutError` raised.

    Raises what :func:`wherry.containers.prepare` raises; with ``check``, :class:`~wherry.base.errors.CommandFailed`
    for any status but 0. Safe for several threads, also with ``cwd``, which is the child's alone.
    """
    world = World()
    bound = tuple(bind if isinstance(bind, Bind) else volume(bind, world.outside) for bind in binds)
    memories = tuple(in_memory(text) for text in tmpfs)
    check_targets(bound, memories)
    options = RunOptions(
        image=image,
        command=_words(command),
        env=_variables(env),
        binds=bound,
        tmpfs=memories,
        workdir=workdir,
        user=user,
        here=here,
        home=home,
        network=network,
        read_only=read_only,
        entrypoint=None if entrypoint is None else _words(entrypoint),
        hostname=hostname,
        labels=tuple((labels or {}).items()),
        memory=None if memory is None else amounts.memory(str(memory), "memory"),
        cpus=None if cpus is None else amounts.processors(str(cpus), "cpus"),
        pids_limit=None if pids_limit is None else amounts.processes(str(pids_limit), "pids_limit"),
        ulimits=tuple(_ulimit(limit, values) for limit, values in (ulimits or {}).items()),
        engine=engine,
        userns=userns,
        fakeroot=fakeroot,
        group_add=tuple(group_add),
        seccomp=_profile(seccomp),
        name=name,
        pull=pull,
        platform=platform,
        interactive=input is not None,
    )
    from wherry.containers.starting import prepare

    ready = _named(prepare(options, world=world, progress=progress))
    return _finish(world, ready, input, capture=capture, check=check, cwd=cwd, timeout=timeout)


def images() -> list[ImageSummary]:
    """The images that are held here, also in the site's stores; by name."""
    from wherry.store import listed

    all_ = listed(World().store)
    names: dict[Digest, list[str]] = {}
    for reference, name in all_.names:
        names.setdefault(name.digest, []).append(reference.familiar)
    found = [
        ImageSummary(tuple(names.get(record.digest, ())), record.digest, record.size, record.created, record.pulled)
        for record in all_.records
    ]
    return sorted(found, key=lambda image: (image.names or ("~",), str(image.digest)))


def pack(
    image: str,
    path: str | os.PathLike[str],
    *,
    form: str = "",
    compression: str = "",
    block_size: str = "",
    platform: str | None = None,
    progress: Progress | None = None,
) -> int:
    """Write an image into one file that runs where it lies; the bytes of the file.

    ``form`` is ``sif`` or ``squashfs``, by default what the file's suffix says; ``compression`` and ``block_size`` come
    from the settings. An image that is not held is pulled; a file or a directory is packed as well.
    """
    from wherry.base.progress import silent
    from wherry.containers.packing import pack as pack_image

    return pack_image(
        image,
        os.fspath(path),
        form=form,
        compression=compression,
        block_size=block_size,
        platform=platform,
        progress=progress or silent,
    )


def expose(
    image: str,
    commands: Sequence[str] | Mapping[str, Sequence[str]] = (),
    *,
    everything: bool = False,
    folder: str | os.PathLike[str] = "",
    modules: str | os.PathLike[str] = "",
    module: str = "",
    binds: Sequence[str] = (),
    env: Mapping[str, str | None] | None = None,
    progress: Progress | None = None,
) -> tuple[Exposed, ...]:
    """Make commands of an image that behave as if they were installed here; what was made, by name.

    ``commands`` are programs of the image or, as a mapping, the words that a name stands for; ``everything``: all
    programs of its PATH but the system's. They go to ``folder`` (``~/.local/bin``); with ``modules`` there is a
    modulefile, called ``module`` (``NAME/VERSION``), in that folder. ``binds`` are as ``-v`` takes them.

    Raises :class:`~wherry.base.errors.NotFound` for a program that the image lacks,
    :class:`~wherry.base.errors.Conflict` where another program is; nothing is made then.
    """
    import shlex

    from wherry.base.progress import silent
    from wherry.containers.exposing import Exposing
    from wherry.containers.exposing import expose as expose_commands

    named = commands if isinstance(commands, Mapping) else {}
    wanted = Exposing(
        image=image,
        names=() if isinstance(commands, Mapping) else _words(commands),
        commands=tuple(f"{_text(name, 'a name')}={shlex.join(_words(words))}" for name, words in named.items()),
        everything=everything,
        folder=os.fspath(folder),
        modules=os.fspath(modules),
        module=module,
        volumes=_words(binds),
        env=_variables(env),
    )
    return expose_commands(wanted, progress=progress or silent)


def containers(*, all: bool = False) -> list[ContainerSummary]:  # noqa: A002
    """Containers that run on this node and, with ``all``, those that are kept."""
    from wherry.containers.listing import ps

    return ps(all=all)


def container(name: str) -> ContainerHandle:
    """The container with this name, id or beginning of an id; raises :class:`~wherry.base.errors.NotFound`."""
    from wherry.containers.lookup import find_container

    world = World()
    found = find_container(world, name)
    return ContainerHandle(found.id)


class ContainerHandle:
    """A container by its id. Each method looks at it anew; all raise ``NotFound`` once it is gone."""

    def __init__(self, container_id: str) -> None:
        self.id = container_id

    def __repr__(self) -> str:
        return f"wherry.container({self.id[:12]!r})"

    @property
    def summary(self) -> ContainerSummary:
        """Its name, image, state, and how it ended."""
        from wherry.base.errors import NotFound
        from wherry.containers.listing import ps

        for summary in ps(all=True):
            if summary.id == self.id:
                return summary
        raise NotFound(f"there is no container '{self.id[:12]}'")

    @property
    def record(self) -> Record | None:
        """The record of its last execution."""
        return _record(World(), self.id)

    def exec(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str | None] | None = None,
        workdir: str | None = None,
        input: bytes | str | None = None,  # noqa: A002
        capture: bool = True,
        check: bool = False,
        timeout: float | None = None,
    ) -> Result:
        """Run a further command in it; see :func:`run`. Raises :class:`Conflict` when it does not run."""
        from wherry.containers.enter import prepare_exec

        options = ExecOptions(
            container=self.id,
            command=_words(command),
            env=_variables(env),
            workdir=workdir,
            interactive=input is not None,
        )
        world = World()
        ready = _named(prepare_exec(options, world=world), known="")
        return _finish(world, ready, input, capture=capture, check=check, cwd=None, timeout=timeout)

    def start(self) -> None:
        """Start it in the background."""
        from wherry.containers.starting import start

        start(self.id).begin_detached()

    def stop(self, *, seconds: int = 10) -> None:
        """End it: its stop signal, then KILL after ``seconds``."""
        from wherry.containers.signals import stop

        stop(self.id, seconds=seconds)

    def kill(self, signal: str = "SIGKILL") -> None:
        from wherry.containers.signals import kill

        kill(self.id, signal=signal)

    def wait(self) -> int:
        """Wait for its end; the exit status."""
        from wherry.containers.signals import wait

        return wait(self.id)

    def logs(self, *, follow: bool = False, tail: int | None = None) -> Iterator[LogLine]:
        """What it printed in the background."""
        from wherry.containers.output import logs

        return logs(self.id, follow=follow, tail=tail)

    def copy_out(self, source: str, target: str | os.PathLike[str]) -> None:
        """Copy from the container to this machine."""
        from wherry.containers.copying import cp

        cp(f"{self.id}:{source}", os.path.abspath(target))

    def copy_in(self, source: str | os.PathLike[str], target: str) -> None:
        """Copy from this machine into the container."""
        from wherry.containers.copying import cp

        cp(os.path.abspath(source), f"{self.id}:{target}")

    def remove(self, *, force: bool = False) -> None:
        """Remove it with its writable layer; ``force`` stops it first."""
        from wherry.containers.keeping import rm

        rm(self.id, force=force)


def _words(words: Sequence[str]) -> tuple[str, ...]:
    if isinstance(words, str):
        raise UsageError("a command is a sequence of words", hint=f"pass ['sh', '-c', {words[:60]!r}]")
    return tuple(_text(word, "a command's word") for word in words)


def _variables(given: Mapping[str, str | None] | None) -> tuple[str, ...]:
    found = []
    for name, value in (given or {}).items():
        if not _text(name, "a variable's name") or "=" in name:
            raise UsageError(f"'{name}' is not a variable's name", why="it is empty, or has a '='")
        found.append(name if value is None else f"{name}={_text(value, f'the variable {name}')}")
    return tuple(found)


def _ulimit(name: str, values: int | tuple[int, int]) -> Ulimit:
    soft, hard = (values, values) if isinstance(values, int) else values
    return Ulimit(name, soft, hard)


def _profile(seccomp: str | os.PathLike[str] | None) -> str | None:
    """From the current directory, as the command line has it."""
    if seccomp is None or seccomp == "unconfined":
        return seccomp
    return os.path.abspath(seccomp)


def _text(value: object, what: str) -> str:
    """The kernel takes text without a zero byte only; who passes numbers may not have meant this text of them."""
    if not isinstance(value, str):
        raise UsageError(
            f"{what} is {value!r}", why=f"a {type(value).__name__} is no text", hint=f"pass {str(value)!r}"
        )
    if "\0" in value:
        raise UsageError(f"{what} is {value!r}", why="the kernel takes no zero byte in it")
    return value


def _named(ready: Start, known: str | None = None) -> Start:
    """The same start with an id chosen here, so that its record is found; a kept container has one already."""
    from wherry.containers.kept import new_id
    from wherry.launch import Operation

    if known is None and ready.container_id:
        return ready
    chosen = new_id()
    operations = tuple(
        Operation("ID", (chosen,)) if operation.kind == "ID" else operation for operation in ready.plan.operations
    )
    plan = msgspec.structs.replace(ready.plan, operations=operations)
    return msgspec.structs.replace(ready, plan=plan, path=None, container_id=chosen)


def _finish(
    world: World,
    ready: Start,
    given: bytes | str | None,
    *,
    capture: bool,
    check: bool,
    cwd: str | os.PathLike[str] | None,
    timeout: float | None,
) -> Result:
    import subprocess

    stream: int | IO[bytes] | None = subprocess.PIPE if capture else None
    stdin = subprocess.PIPE if given is not None else subprocess.DEVNULL
    process = ready.begin(stdin=stdin, stdout=stream, stderr=stream, cwd=None if cwd is None else os.fspath(cwd))
    data = given.encode() if isinstance(given, str) else given
    try:
        out, err = process.communicate(data, timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        raise TimeoutError(f"the container {ready.container_id[:12]} did not end in {timeout} seconds") from None
    except BaseException:
        _end(process)
        raise
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    result = Result(status, out or b"", err or b"", ready.container_id, _record(world, ready.container_id))
    if check and status != 0:
        last = result.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise CommandFailed(f"'{' '.join(ready.command) or 'the image'}' ended with {status}", why=last, status=status)
    return result


def _end(process: object) -> None:
    """End the container of a launcher that is our child: politely, then not."""
    import subprocess

    assert isinstance(process, subprocess.Popen)
    process.terminate()
    try:
        process.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _record(world: World, container_id: str) -> Record | None:
    from wherry.containers.records import find_record

    return find_record(world.state, container_id, node=world.outside.node(), boot_id=world.outside.boot_id(), days=2)
