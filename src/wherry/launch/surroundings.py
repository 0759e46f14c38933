"""What of the outside world matters for one start, read through the recorder so that a change of it is noticed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import NotFound, UsageError, reason, remedy
from wherry.base.outside import Outside
from wherry.base.settings import Settings
from wherry.host import Host
from wherry.launch.options import RunOptions
from wherry.launch.views import Image

if TYPE_CHECKING:
    from wherry.host import Control, Subordinate, Survival

__all__ = ["Surroundings", "is_noexec", "survey", "wants_here", "wants_home"]

SYSTEM_FOLDERS = ("/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr")
"""Where ``--here`` would hide the image's own files behind the host's."""


class Surroundings(msgspec.Struct, frozen=True):
    """``locale`` holds the caller's LANG, LANGUAGE and LC_* that are set. ``zone`` is the host's time zone's name.

    ``hosts``, ``resolver`` (resolv.conf) and ``localtime`` are files of the host, None where it has none; ``passwd``,
    ``group`` and ``profile`` (for seccomp) are read only where an option needs them. ``foreign``: layers belong to
    another user (a site's store). ``noexec``: programs in a layer can be executed through an overlay alone. ``absent``
    are sources of optional binds that do not exist, where that was looked at. ``open_tree``: a directory is used as
    image that the caller may write to. ``control`` is what can bound a container here, where a limit was asked for;
    ``lifetime`` how long a detached one lives. ``subordinate`` are the ids that the container gets beside the caller's
    own, None where it gets none (``--userns one``).
    """

    locale: tuple[tuple[str, str], ...] = ()
    zone: str = ""
    hosts: bytes | None = None
    resolver: bytes | None = None
    localtime: bytes | None = None
    passwd: bytes = b""
    group: bytes = b""
    profile: bytes = b""
    foreign: bool = False
    noexec: bool = False
    absent: frozenset[str] = frozenset()
    open_tree: bool = False
    control: Control | None = None
    lifetime: Survival | None = None
    subordinate: Subordinate | None = None


def survey(
    outside: Outside, options: RunOptions, settings: Settings, image: Image, host: Host, *, sources: bool = False
) -> Surroundings:
    """Read what planning needs; raises :class:`UsageError` where ``--here`` stands in a system directory."""
    if wants_here(options, settings) and not outside.apart(SYSTEM_FOLDERS):
        outside.cwd()  # raises where it was removed
        if options.here is None:
            raise UsageError(
                "cannot show the current directory inside",
                why="it is part of the system, and would hide the image's own files",
                hint="change to a directory of yours, or say --no-here",
            )
        raise UsageError(
            "cannot use --here in this directory",
            why="it is part of the system, and would hide the image's own files",
            hint="change to a directory of yours",
        )
    locale = {name: value for name in ("LANG", "LANGUAGE") if (value := outside.env(name))}
    locale.update((name, value) for name, value in sorted(outside.envs("LC_").items()) if value)
    _watch_directory(outside, options, image)
    return Surroundings(
        locale=tuple(locale.items()),
        zone=_zone(),
        hosts=_file(outside, "/etc/hosts"),
        resolver=_file(outside, "/etc/resolv.conf"),
        localtime=_file(outside, "/etc/localtime"),
        passwd=(_file(outside, "/etc/passwd") or b"") if options.hostauth else b"",
        group=(_file(outside, "/etc/group") or b"") if options.hostauth else b"",
        profile=_profile(outside, options),
        foreign=_is_foreign(image, host),
        noexec=options.read_only and is_noexec(image),
        absent=_absent(outside, options) if sources else frozenset(),
        open_tree=_is_open(image),
        control=_control(outside, options, settings, host),
        lifetime=_lifetime(options, host),
        subordinate=_subordinate(outside, options, host),
    )


def _control(outside: Outside, options: RunOptions, settings: Settings, host: Host) -> Control | None:
    stays = options.detach and settings.text("run.detached") == "stay"
    if not (options.limits or stays):
        return None
    from wherry import host as machine

    handed = settings.text("resources.cgroup")
    return machine.find_control(outside, host.uid, handed, processes=bool(options.pids_limit))


def _subordinate(outside: Outside, options: RunOptions, host: Host) -> Subordinate | None:
    if options.userns != "range":
        return None
    from wherry import host as machine

    return machine.find_subordinate(outside, host.user, host.uid)


def _lifetime(options: RunOptions, host: Host) -> Survival | None:
    if not options.detach:
        return None
    from wherry import host as machine

    return machine.find_lifetime(host.user)


def wants_here(options: RunOptions, settings: Settings) -> bool:
    """Whether the current directory is shown inside: ``--here``, or the profile ``hpc``."""
    return options.here if options.here is not None else settings.text("run.profile") == "hpc"


def wants_home(options: RunOptions, settings: Settings) -> bool:
    """Whether the caller's home is shown inside: ``--home``, or the profile ``hpc``."""
    return options.home if options.home is not None else settings.text("run.profile") == "hpc"


def _zone() -> str:
    # The name serves where the file cannot be shown; it changes with the file, which is an input.
    try:
        target = os.readlink("/etc/localtime")
    except OSError:
        return ""
    return target.partition("/zoneinfo/")[2]


def _file(outside: Outside, path: str) -> bytes | None:
    try:
        return outside.read(path)
    except OSError:
        return None


def _profile(outside: Outside, options: RunOptions) -> bytes:
    if options.seccomp in (None, "", "unconfined"):
        return b""
    path = os.path.join(outside.cwd(), str(options.seccomp)) if options.seccomp[:1] != "/" else options.seccomp
    try:
        content = outside.read(path)
    except OSError as error:
        raise UsageError(f"cannot read the seccomp profile '{path}'", why=reason(error), hint=remedy(error)) from None
    if content is None:
        hint = "check the spelling; without this --security-opt the default one holds"
        raise NotFound(f"there is no seccomp profile '{path}'", hint=hint)
    return content


def _is_open(image: Image) -> bool:
    if not image.reference.endswith("/"):
        return False
    tree = image.layers[0].tree
    return any(os.access(f"{tree}{name}", os.W_OK) for name in ("", "/bin", "/etc", "/usr", "/usr/bin"))


def _absent(outside: Outside, options: RunOptions) -> frozenset[str]:
    optional = (bind.source for bind in (*options.first_binds, *options.binds) if bind.optional)
    return frozenset(source for source in optional if not outside.stat(source).exists)


def _is_foreign(image: Image, host: Host) -> bool:
    for layer in image.layers:
        try:
            if os.stat(layer.tree).st_uid != host.uid:
                return True
        except OSError:
            continue
    return False


def is_noexec(image: Image) -> bool:
    """Whether a layer lies where nothing can be executed but through an overlay."""
    for layer in image.layers:
        try:
            if os.statvfs(layer.tree).f_flag & os.ST_NOEXEC:
                return True
        except OSError:
            continue
    return False


def _watch_directory(outside: Outside, options: RunOptions, image: Image) -> None:
    """What a read-only start shows past the overlay of an unpacked image, and which mount points that has, is planned
    by what its directories hold now."""
    if not options.read_only or not image.reference.endswith("/"):
        return
    tree = image.layers[0].tree
    targets = [bind.target for bind in (*options.first_binds, *options.binds)]
    targets += [path for path, _ in (*options.first_tmpfs, *options.tmpfs)]
    parents = {f"{tree}{os.path.dirname(os.path.normpath(target))}" for target in targets if target.startswith("/")}
    with os.scandir(tree) as entries:
        parents.update(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    for path in sorted(parents):
        outside.stat(path)
