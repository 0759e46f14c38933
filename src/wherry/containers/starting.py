"""``run``, ``create`` and ``start``: from options to a plan, and from the plan to the launcher.

The order is the invariant: resolve (pull if missing), gate by policy, take the lease, plan, save, execute. A kept
container's folder and name exist before its plan does, so that a name that is taken is told before anything runs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import msgspec

from wherry.base.errors import Conflict, UsageError
from wherry.containers.resolving import MissingImage, Resolved, image_of, resolve
from wherry.containers.world import World
from wherry.launch import (
    Kept,
    LaunchPlan,
    Operation,
    RunOptions,
    choose,
    execute,
    plan_run,
    save,
    survey,
    tree_kind,
    with_inputs,
    write_files,
)

if TYPE_CHECKING:
    import subprocess
    from typing import IO

    from wherry.base.progress import Progress
    from wherry.containers.kept import Container
    from wherry.containers.mounting import Mount
    from wherry.image import Below, Image

__all__ = [
    "Preview",
    "Start",
    "completed",
    "create",
    "plan_kept",
    "plan_step",
    "prepare",
    "prepare_beside",
    "preview",
    "preview_start",
    "run",
    "start",
    "start_kept",
]


class Start(msgspec.Struct, frozen=True):
    """All is decided, and nothing runs yet: ``plan`` is a value or, when it was saved, ``path`` is its file."""

    plan: LaunchPlan
    command: tuple[str, ...]
    path: str | None = None
    container_id: str = ""
    mounts: tuple[Mount, ...] = ()
    """Of its image: held until the launcher has its own hold."""
    secrets: dict[str, str] = {}
    """Variables of the launcher itself, for a plan that takes them by name: neither plan nor record has the values."""

    def execute(self) -> NoReturn:
        """Become the launcher; this process never comes back."""
        execute(self.path or self.plan, self.command)

    def begin(
        self,
        *,
        stdin: int | IO[bytes] | None = None,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """The launcher as a child of this process; the caller waits for it."""
        from wherry.base.outside import caller_environment
        from wherry.launch import start as start_launcher

        if self.secrets:
            env = {**(caller_environment() if env is None else env), **self.secrets}
        return start_launcher(
            self.path or self.plan,
            self.command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=env,
            inherited=tuple(mount.hold.descriptor for mount in self.mounts),
        )

    def begin_detached(self) -> str:
        """Start it in the background; return its id. Raises :class:`LaunchError` with the launcher's own words."""
        import subprocess

        from wherry.base.errors import CannotExecute, CommandNotFound, LaunchError

        process = self.begin(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        _, words = process.communicate()
        if process.returncode != 0:
            first, _, rest = words.decode(errors="replace").strip().removeprefix("wherry: ").partition("\n  next: ")
            kind = {126: CannotExecute, 127: CommandNotFound}.get(process.returncode, LaunchError)
            raise kind(first or f"the launcher ended with {process.returncode}", hint=rest)
        return self.container_id


class Preview(msgspec.Struct, frozen=True):
    """What a start would do. ``plan`` is None when the image would have to be pulled first: ``missing`` names it."""

    plan: LaunchPlan | None
    command: tuple[str, ...] = ()
    missing: str = ""


def run(
    options: RunOptions,
    *,
    world: World | None = None,
    prefix: tuple[str, ...] | None = None,
    progress: Progress | None = None,
) -> NoReturn:
    """Run a container and become its launcher; ``prefix`` is the command line's beginning to save the plan under."""
    prepare(options, world=world, prefix=prefix, progress=progress).execute()


def prepare(
    options: RunOptions,
    *,
    world: World | None = None,
    prefix: tuple[str, ...] | None = None,
    progress: Progress | None = None,
) -> Start:
    """Everything up to the launcher: the image is held, a kept container exists, the plan is made and saved.

    Raises what resolving, policy and planning raise; :class:`Conflict` when the container's name is taken.
    """
    world = world or World()
    options = completed(world, options)
    image = _image(world, options, progress)
    _sweep(world)
    if not (options.detach or options.name):
        plan = _finish(world, _plan(world, options, image, None), prefix)
        return Start(plan[0], options.command, plan[1], mounts=tuple(world.mounts.values()))
    from wherry.containers.caller import require_terminal

    require_terminal(options)
    container = _new_container(world, options, image)
    try:
        return start_kept(world, container, options, image)
    except BaseException:  # what cannot start must not hold the name
        _forget(world, container)
        raise


def preview(
    options: RunOptions, *, world: World | None = None, progress: Progress | None = None, verb: str = "run"
) -> Preview:
    """What :func:`run` or :func:`create` would do, without doing anything: nothing is pulled, kept or leased."""
    world = world or World()
    options = completed(world, options)
    found = resolve(world, options.image, pull=options.pull, platform=options.platform, dry_run=True)
    if isinstance(found, MissingImage):
        return Preview(None, options.command, str(found.reference))
    kept = None
    if options.detach or options.name or verb == "create":
        _require_free(world, options.name or "")
        kept = _kept(world, "0" * 64, options.name or "", verb)
    plan = with_inputs(_plan(world, options, found.image, kept, dry_run=True), world.outside)
    return Preview(plan, options.command)


def create(options: RunOptions, *, world: World | None = None, progress: Progress | None = None) -> str:
    """Make a container and keep it, without starting it; return its id."""
    world = world or World()
    options = completed(world, options)
    image = _image(world, options, progress)
    _plan(world, options, image, _kept(world, "0" * 64, options.name or "", "create"))  # what cannot start is told now
    container = _new_container(world, options, image)
    if options.cidfile:
        from wherry.containers.caller import write_cidfile

        try:
            write_cidfile(options.cidfile, container.id)
        except BaseException:  # who has no id must not find the name taken
            _forget(world, container)
            raise
    return container.id


def start(name: str, *, attach: bool = False, interactive: bool = False, world: World | None = None) -> Start:
    """Prepare a kept container's next start; ``attach`` keeps it in the foreground.

    Raises :class:`Conflict` when it runs, :class:`NotFound` when there is none, or its image is gone.
    """
    world = world or World()
    container, options = _next_start(world, name, attach=attach, interactive=interactive)
    _sweep(world)
    return start_kept(world, container, options, image_of(world, container))


def preview_start(
    name: str, *, attach: bool = False, interactive: bool = False, world: World | None = None
) -> LaunchPlan:
    """The plan that :func:`start` would execute; raises what that raises, and changes nothing."""
    world = world or World(make_store=False)
    container, options = _next_start(world, name, attach=attach, interactive=interactive)
    return with_inputs(plan_kept(world, container, options), world.outside)


def _next_start(world: World, name: str, *, attach: bool, interactive: bool) -> tuple[Container, RunOptions]:
    """The kept container that may start now, and the options of this start."""
    from wherry.containers.caller import of_next_start
    from wherry.containers.lookup import is_elsewhere, kept_named, out_of_reach, running_kept

    container = kept_named(world, name)
    if running_kept(world, container) is not None:
        raise Conflict(f"container '{name}' runs already", hint=f"wherry exec {name} COMMAND")
    if is_elsewhere(world, container):  # two launchers in one writable layer would spoil it
        raise out_of_reach(world, container)
    return container, of_next_start(container.options, attach=attach, interactive=interactive)


def plan_kept(world: World, container: Container, options: RunOptions) -> LaunchPlan:
    """The plan of a kept container's next start, without taking a lease or making anything."""
    image = image_of(world, container)
    return _plan(world, options, image, _kept(world, container.id, container.name, "run"), dry_run=True)


def completed(world: World, options: RunOptions) -> RunOptions:
    from wherry.containers.completing import complete
    from wherry.containers.names import check_name

    if options.detach and options.shell:
        raise UsageError(
            "a shell cannot run in the background", hint="wherry run -dit IMAGE sh, then wherry exec -it ID sh"
        )
    if options.name:
        check_name(options.name)
    return complete(options, world.settings, world.outside)


def _image(world: World, options: RunOptions, progress: Progress | None) -> Image:
    found = resolve(world, options.image, pull=options.pull, platform=options.platform, progress=progress)
    assert isinstance(found, Resolved)
    return found.image


def _plan(world: World, options: RunOptions, image: Image, kept: Kept | None, *, dry_run: bool = False) -> LaunchPlan:
    try:
        return _plan_of(world, options, image, kept, dry_run=dry_run)
    except OSError as error:
        if not world.mounts:
            raise
        from wherry.containers.packed import unreadable

        told = unreadable(world, error)
        if told is error:
            raise
        raise told from None


def plan_step(world: World, options: RunOptions, image: Image, below: Below) -> LaunchPlan:
    """The plan of a start of ``image`` as its caller put it together and holds it: no lease is taken, nothing saved."""
    return _plan_of(world, options, image, None, dry_run=False, below=below)


def _plan_of(
    world: World, options: RunOptions, image: Image, kept: Kept | None, *, dry_run: bool, below: Below | None = None
) -> LaunchPlan:
    from wherry.image import directory_of, view
    from wherry.policy import ImageFacts, UserFacts, decide

    host, tree = world.host, view(image) if below is None else below.view
    choice = choose(options, world.settings, host, image, tree, lambda: world.machine)
    if directory_of(image):
        from wherry.containers.packed import fitting

        image = fitting(world, image, options, choice.engine)
        tree = view(image)
    _check_platform(image, host.architecture)
    facts = ImageFacts(image.reference, image.digest)
    decision = decide(facts, UserFacts(host.uid, host.user, host.node), "run")
    lease = ""
    if not (dry_run or below is not None or directory_of(image)):
        lease = world.store.lease(image.digest, host.node, host.boot_id, world.runtime)
    if options.installed:
        from wherry.launch import as_installed

        options = as_installed(options, image, tree, host, world.outside)
    sources = choice.engine != "namespace"
    surroundings = survey(world.outside, options, world.settings, image, host, sources=sources)
    kind = tree_kind(choice, options, image, tree, host, surroundings)
    flat = world.flat_tree(image, kind, make=not dry_run)
    shown, paths = image if flat else world.shallow(image, make=not dry_run), world.paths(lease, flat)
    if options.fakeroot:
        from wherry.containers.faking import devices_folder, owners_file

        layers = below if below is not None and shown is image else shown.layers
        places = devices_folder(world, layers, make=not dry_run)
        options = msgspec.structs.replace(options, extra_layers=(*([places] if places else []), *options.extra_layers))
        paths = msgspec.structs.replace(paths, owners=owners_file(world, layers, options, kept, make=not dry_run))
    if directory_of(image):
        from wherry.containers.packed import as_mounted

        shown, paths = as_mounted(world, shown, paths, choice.engine)
    return plan_run(
        options,
        shown,
        tree,
        host,
        world.settings,
        decision,
        paths=paths,
        surroundings=surroundings,
        choice=choice,
        kept=kept,
    )


def _finish(world: World, plan: LaunchPlan, prefix: tuple[str, ...] | None) -> tuple[LaunchPlan, str | None]:
    write_files(plan)
    plan = with_inputs(plan, world.outside)
    path = save(plan, prefix, world.runtime) if prefix is not None else None
    _tell(plan)
    return plan, path


def _tell(plan: LaunchPlan) -> None:
    import sys

    for note in plan.notes:
        sys.stderr.write(f"wherry: {note}\n")


def prepare_beside(world: World, options: RunOptions, image: Image, note: str) -> Start:
    """A start of ``image`` as it was put together by the caller, after saying ``note``; nothing of it stays."""
    plan = _plan(world, options, image, None)
    plan, _ = _finish(world, msgspec.structs.replace(plan, notes=(*plan.notes, note), reusable=False), None)
    return Start(plan, options.command, mounts=tuple(world.mounts.values()))


def start_kept(
    world: World,
    container: Container,
    options: RunOptions,
    image: Image,
    *,
    prefix: tuple[str, ...] = (),
    watched: tuple[str, ...] = (),
    lock: str = "",
) -> Start:
    """The next start of a kept container that does not run, with these options; its folder says so from now on.

    With ``prefix`` the plan is saved: it holds while nothing changed of ``watched`` files, and ``lock`` is free.
    """
    from wherry.containers import kept as keeping
    from wherry.containers.times import now

    kept = _kept(world, container.id, container.name, "run")
    for parent in kept.scratch:
        os.makedirs(parent, 0o700, exist_ok=True)
    plan = msgspec.structs.replace(_plan(world, options, image, kept), reusable=bool(prefix))
    keeping.forget_exit(world.containers, container.id)
    started = msgspec.structs.replace(container, started=now(), node=world.host.node, boot_id=world.host.boot_id)
    keeping.save(world.containers, msgspec.structs.replace(started, runtime=world.runtime))
    for path in watched:
        world.outside.stat(path)
    plan, _ = _finish(world, plan, None)
    if prefix:  # this process has the lock itself, so the plan that it executes must not ask for it
        free = Operation("FREE", (lock,))
        save(msgspec.structs.replace(plan, inputs=(*plan.inputs, free)), prefix, world.runtime)
    return Start(plan, container.options.command, None, container.id, tuple(world.mounts.values()))


def _kept(world: World, container_id: str, name: str, verb: str) -> Kept:
    folder = f"{world.containers}/{container_id}"
    return Kept(
        id=container_id,
        name=name,
        scratch=world.kept_parents,
        log=f"{folder}/log.json",
        exit_file=f"{folder}/exit.json",
        verb=verb,
    )


def _new_container(world: World, options: RunOptions, image: Image) -> Container:
    from wherry.containers import kept as keeping
    from wherry.containers.sweeping import mark_passing
    from wherry.containers.times import now

    config = image.config.config
    entry = options.entrypoint if options.entrypoint is not None else config.entrypoint
    command = options.command or (() if options.entrypoint is not None else config.cmd)
    container = keeping.Container(
        id=keeping.new_id(),
        name=options.name or "",
        created=now(),
        image=image.reference,
        image_digest=str(image.digest),
        layers=tuple(layer.key for layer in image.layers if layer.key),
        options=options,
        entry=(*entry, *command),
        node=world.host.node,
        boot_id=world.host.boot_id,
        stamp=_stamp(world, image),
    )
    keeping.save(world.containers, container)
    if not options.stop_signal:
        _check_stop_signal(config.stop_signal or "")
    if options.remove:
        mark_passing(world.containers, container.id)
    if container.name:
        try:
            _claim(world, container)
        except BaseException:
            keeping.delete(world.containers, container)
            raise
    return container


def _forget(world: World, container: Container) -> None:
    from wherry.containers.kept import delete

    delete(world.containers, container, world.kept_parents)


def _stamp(world: World, image: Image) -> str:
    if not world.mounts:
        return ""
    from wherry.containers.packed import stamp_of

    return stamp_of(world, image)


def _check_stop_signal(name: str) -> None:
    """An image may name a signal that there is not; :func:`wherry.containers.stop` sends TERM then."""
    import sys

    from wherry.containers.signalnames import signal_number

    try:
        signal_number(name or "TERM")
    except UsageError:
        sys.stderr.write(f"wherry: the image's stop signal {name!a} is none: TERM is sent in its place\n")


def _claim(world: World, container: Container) -> None:
    """Take the name, also from a container that never came to run anything: a mistyped command or bind held it."""
    from wherry.containers.failed import never_ran
    from wherry.containers.kept import delete
    from wherry.containers.names import claim_name, owner

    try:
        claim_name(world.containers, container.name, container.id)
    except Conflict:
        holder = owner(world.containers, container.name)
        if holder is None or not never_ran(world, holder):
            raise
        delete(world.containers, holder, world.kept_parents)
        claim_name(world.containers, container.name, container.id)


def _require_free(world: World, name: str) -> None:
    """Raise as :func:`_claim` would."""
    from wherry.containers.failed import never_ran
    from wherry.containers.names import owner, taken

    holder = owner(world.containers, name) if name else None
    if holder is not None and not never_ran(world, holder):
        raise taken(name, holder)


def _check_platform(image: Image, architecture: str) -> None:
    """Raise unless this machine executes the image's architecture, itself or by a registered interpreter."""
    wanted = image.config.architecture
    if not wanted or wanted == architecture or wanted in _ALSO_RUN.get(architecture, ()):
        return
    from wherry.containers.emulation import require_emulation

    require_emulation(image.reference, wanted, architecture)


_ALSO_RUN = {"amd64": ("386", "x86_64"), "arm64": ("arm", "aarch64")}


def _sweep(world: World) -> None:
    """Remove what killed launchers left; one directory listing when there is nothing."""
    from wherry.containers.sweeping import sweep

    sweep(world)
