"""``exec``, ``run``, ``shell``, ``test`` and what an instance is: from Apptainer's words to options of a start."""

from __future__ import annotations

import os
import posixpath

import msgspec

from wherry.base.errors import HostLacks, NotFound, UsageError
from wherry.base.outside import Outside
from wherry.cli.grammar import Given
from wherry.containers import World, amounts
from wherry.launch.options import RunOptions
from wherry.shims.singularity.given import Asked, asked, split, tell
from wherry.shims.singularity.images import allow_http, image_meant
from wherry.shims.singularity.places import places
from wherry.shims.singularity.variables import variables
from wherry.shims.singularity.words import ACTIONS, SHELL_ONLY, START_ONLY, Flag

__all__ = ["FAILED", "act", "flags_of", "start_options"]

FAILED = 255
"""The peer's own exit status for whatever it could not do."""
_GPU = ("/dev/nvidiactl", "/dev/kfd")


class _Start(msgspec.Struct, frozen=True):
    options: RunOptions
    reusable: bool


def flags_of(verb: str) -> tuple[Flag, ...]:
    """The options that a verb takes."""
    if verb == "shell":
        return (*ACTIONS, *SHELL_ONLY)
    return (*ACTIONS, *START_ONLY) if verb == "start" else ACTIONS


def act(face: str, verb: str, before: tuple[str, ...], given: Given, *, quiet: bool) -> int:
    """One of the actions. ``before`` are the words up to and including the verb."""
    world = World()
    words = asked(flags_of(verb), given, world.outside)
    image, command = given.words[0], given.words[1:]
    if image.startswith("instance://"):
        from wherry.shims.singularity.instances import enter

        return enter(verb, image, command, words, world)
    found = start_options(verb, image, command, words, world)
    if words.on("nohttps"):
        allow_http(world, image_meant(image, world.outside))
    if words.text("docker_username") or words.text("authfile"):
        from wherry.shims.singularity.bringing import fetch_missing

        fetch_missing(words, image_meant(image, world.outside))
    from wherry.cli.becoming import become

    prefix = (face, *before, *given.prefix) if found.reusable else ()
    return become(found.options, world, prefix, quiet=quiet)


def start_options(verb: str, image: str, command: tuple[str, ...], words: Asked, world: World) -> _Start:
    """The options of a start, and whether its plan may be saved; raises for what cannot be."""
    outside = world.outside
    meant = image_meant(image, outside)
    shown = places(words, outside)
    has = variables(verb, meant.shown, words, outside)
    overlay = _overlays(words, outside)
    writable = words.on("writable")
    if writable and overlay[0]:
        raise UsageError("'--writable' and a writable '--overlay' exclude each other")
    _check_gpu(words, outside)
    compat = words.on("compat")
    memory = amounts.memory(words.text("memory")) if words.text("memory") else None
    swap, cpus, pids = words.text("memory_swap"), words.text("cpus"), words.text("pids_limit")
    options = RunOptions(
        image=meant.name,
        command=command,
        env=has.env,
        pass_env=has.passed,
        lean_env=True,
        scripts=has.scripts,
        first_binds=shown.first,
        binds=shown.binds,
        first_tmpfs=shown.tmpfs,
        home=False,
        here=shown.here,
        home_path=shown.home,
        home_or_root=not words.text("pwd"),
        workdir=_directory(words.text("pwd")),
        user="root" if words.on("fakeroot") else None,
        hostname=words.text("hostname") or None,
        network=_network(words),
        resolver=tuple(f"nameserver {address}" for address in words.many("dns")),
        read_only=not (writable or overlay[0] or compat or words.on("writable_tmpfs")),
        in_place=writable,
        upper=overlay[0] or None,
        extra_layers=overlay[1],
        shared_ipc=not (words.on("ipc", "containall") or compat),
        interactive=True,
        if_terminal=True,
        umask=0o022 if words.on("no_umask") or compat else None,
        seccomp=_seccomp(words),
        cap_drop=tuple(name for name in split(words.text("drop_caps"))) if words.on("fakeroot") else (),
        keep_dashes=True,
        failed_status=FAILED,
        memory=memory,
        memory_swap=amounts.memory_and_swap(swap, memory) if swap else None,
        cpus=amounts.processors(cpus) if cpus else None,
        pids_limit=amounts.processes(pids) if pids else None,
    )
    return _Start(options, not shown.passing)


def _directory(path: str) -> str | None:
    if path and not path.startswith("/"):
        raise UsageError(f"'--pwd {path}' is not an absolute path in the container", hint="--pwd /work")
    return path or None


def _network(words: Asked) -> str:
    """``--network`` implies ``--net``, as the peer has it."""
    wanted = words.many("network")
    if not wanted and not words.on("net"):
        return "host"
    if wanted == ("none",):
        return "none"
    raise HostLacks(
        f"cannot give the container the network '{','.join(wanted) or 'bridge'}'",
        why="a bridge takes rights that only an administrator has",
        hint="--network none, or leave --net out to use the host's",
    )


def _overlays(words: Asked, outside: Outside) -> tuple[str, tuple[str, ...]]:
    """The directory that is written, and those that are only read, bottom first."""
    written, read = "", []
    for text in words.many("overlay"):
        path, _, mode = text.partition(":")
        absolute = path if path.startswith("/") else posixpath.normpath(posixpath.join(outside.cwd(), path))
        if not os.path.exists(absolute):
            raise NotFound(f"there is no overlay '{path}'", hint=f"make the directory: mkdir {path}")
        if not os.path.isdir(absolute):
            raise HostLacks(
                f"cannot use the overlay '{path}'",
                why="it is an image file, which takes root or a FUSE program for its file system to be written",
                hint="use a directory: --overlay DIR",
            )
        if mode == "ro":
            upper = f"{absolute}/upper"
            read.append(upper if os.path.isdir(upper) else absolute)
        elif written:
            raise UsageError("two overlays to write to", hint=f"--overlay {path}:ro")
        else:
            written = absolute
    return written, tuple(reversed(read))


def _seccomp(words: Asked) -> str:
    chosen = "unconfined"  # as the peer: a user's container is kept by the kernel's own rules for users
    for text in words.many("security"):
        name, _, value = text.partition(":")
        if name != "seccomp" or not value:
            raise UsageError(
                f"'--security {text}' is not possible", why="it takes root", hint="--security seccomp:FILE"
            )
        chosen = value
    return chosen


def _check_gpu(words: Asked, outside: Outside) -> None:
    """The peer warns where the host has no GPU, and goes on; with one its libraries would be missed inside."""
    wanted = [name for name in ("nv", "nvccli", "rocm") if words.on(name)]
    wanted = [name for name in wanted if not words.on("no_rocm" if name == "rocm" else "no_nv")]
    for name in wanted:
        device = _GPU[1] if name == "rocm" else _GPU[0]
        if outside.stat(device).exists:
            raise HostLacks(
                f"'--{name}' is not possible yet",
                why="Wherry does not find the GPU's libraries on the host",
                hint=f"leave --{name} out (the devices are there), and bind the libraries: -B DIR, "
                "--env LD_LIBRARY_PATH=DIR",
            )
        tell(f"'--{name}' is passed over: this host has no such GPU")
