"""An image and a command as a bundle of the OCI runtime specification for others to run: what is in it, as values.

Nothing in it belongs to a start: the root filesystem is the user's own copy, and what differs from machine to machine
(variables of a batch system, locale, time zone) is left out.
"""

from __future__ import annotations

import msgspec

from wherry.base.settings import Settings
from wherry.host import Host
from wherry.launch.binds import user_mounts
from wherry.launch.confine import limit_operations
from wherry.launch.engines.box import Mounted, mounted
from wherry.launch.engines.bundle import Bundle, bundle_text, filter_of
from wherry.launch.environment import describe
from wherry.launch.identity import resolve_person
from wherry.launch.opening import command_of
from wherry.launch.options import RunOptions
from wherry.launch.surroundings import Surroundings
from wherry.launch.views import Image, Tree

__all__ = ["Exported", "export"]

ROOT = "rootfs"
_STRICT = ("nosuid", "noexec", "nodev")
_KERNEL = (
    Mounted("proc", "proc", "/proc"),
    Mounted("tmpfs", "tmpfs", "/dev", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    Mounted("devpts", "devpts", "/dev/pts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")),
    Mounted("tmpfs", "shm", "/dev/shm", (*_STRICT, "mode=1777")),
    Mounted("mqueue", "mqueue", "/dev/mqueue", _STRICT),
    Mounted("bind", "/sys", "/sys", ("rbind", "ro", *_STRICT)),
)


class Exported(msgspec.Struct, frozen=True):
    """``config`` is the text of ``config.json``; ``files`` (name, content) lie beside it; ``folders`` (path, mode) are
    to be made in ``rootfs``."""

    config: str
    files: tuple[tuple[str, bytes], ...]
    folders: tuple[tuple[str, int], ...]


def export(
    options: RunOptions,
    image: Image,
    tree: Tree,
    host: Host,
    settings: Settings,
    surroundings: Surroundings,
    variables: dict[str, str],
) -> Exported:
    """``variables`` are the caller's, for ``-e NAME``. Raises what planning a start raises."""
    person = resolve_person(options, image, tree, host, surroundings, home=False)
    names = {"passwd": person.passwd, "group": person.group}
    files = tuple((name, content) for name, content in names.items() if content is not None)
    binds = [Mounted("bind", name, f"/etc/{name}", ("bind", "ro", "nosuid", "nodev")) for name, _ in files]
    isolated = (options.network or settings.text("run.network")) == "none"
    if not isolated:
        binds.append(Mounted("bind", "/etc/resolv.conf", "/etc/resolv.conf", ("rbind", "ro", "nosuid", "nodev")))
    entry_point, default = command_of(options, image)
    limit_operations(options)  # raises for limits that cannot be
    bundle = Bundle(
        root=ROOT,
        read_only=options.read_only,
        args=(*entry_point, *(options.command or default)),
        env=_environment(options, image, tree, host, settings, surroundings, variables),
        cwd=options.workdir or f"/{(image.config.config.working_dir or '').lstrip('/')}",
        uid=person.uid,
        gid=person.gid,
        mounts=(*_KERNEL, *binds, *(mounted(item) for item in user_mounts(options, host, here=False, home=False))),
        hostname=options.hostname or "",
        terminal=options.terminal,
        isolated_network=isolated,
        limits=tuple((limit.name, limit.soft, limit.hard) for limit in options.ulimits),
        cap_add=options.cap_add,
        cap_drop=options.cap_drop,
        filter=filter_of(options.seccomp, surroundings.profile, host),
    )
    folders = ((person.home, 0o700),) if person.private_home and not tree.exists(person.home) else ()
    return Exported(bundle_text(bundle, host), files, folders)


def _environment(
    options: RunOptions,
    image: Image,
    tree: Tree,
    host: Host,
    settings: Settings,
    surroundings: Surroundings,
    variables: dict[str, str],
) -> tuple[str, ...]:
    person = resolve_person(options, image, tree, host, surroundings, home=False)
    found: dict[str, str] = {}
    for variable in describe(options, image, tree, host, person, settings, surroundings):
        value = variable.value if variable.how == "set" else variables.get(variable.name)
        if value is not None and variable.how in ("set", "take") and variable.name not in ("HOSTNAME", "container"):
            found[variable.name] = value
    return tuple(f"{name}={value}" for name, value in found.items())
