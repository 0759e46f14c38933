"""The description of this machine and this user, and how it is found."""

# Without 'from __future__ import annotations': msgspec would compile each annotation's text, in every start.
import os
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import HostLacks
from wherry.base.outside import Identity, Outside, confined_to
from wherry.host.places import home_dir, remember, runtime_dir

if TYPE_CHECKING:
    from wherry.host.obstacles import Obstacle

__all__ = ["Group", "Host", "lacking", "probe", "require_containers"]

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "riscv64": "riscv64", "s390x": "s390x"}


class Group(msgspec.Struct, frozen=True, array_like=True):
    """A group of the user; ``name`` is empty where no name is known."""

    gid: int
    name: str


class Host(msgspec.Struct, frozen=True):
    """Facts of this node and of who asks; nothing is decided here.

    ``architecture`` is OCI's name (amd64). ``groups`` are the supplementary ones. ``userns``: a user may make
    namespaces and mount in them; when not, ``problem`` says why. ``overlay``: overlayfs with ``userxattr`` mounts
    there; ``volatile``: it can leave out the sync at its end. ``mount_proc``: a fresh ``/proc`` mounts (an outer
    container may hide parts of it and so forbid that). ``fuse_overlayfs`` is its path, looked for only where overlayfs
    cannot be had. ``supervised``: why system calls of a container cannot be answered, empty where they can.
    """

    uid: int
    gid: int
    group: str
    groups: tuple[Group, ...]
    user: str
    home: str
    shell: str
    node: str
    boot_id: str
    kernel: str
    architecture: str
    userns: bool
    overlay: bool
    volatile: bool
    mount_proc: bool
    fuse_overlayfs: str = ""
    problem: str = ""
    supervised: str = ""


class _Kept(msgspec.Struct, frozen=True):
    identity: Identity
    path: str
    around: str
    host: Host


def probe(outside: Outside, *, anew: bool = False) -> Host:
    """This machine as this user sees it. The first call of a boot makes trials (some 20 ms), later ones read a file,
    unless ``anew``.
    """
    identity, node, boot_id = outside.identity(), outside.node(), outside.boot_id()
    file = f"{runtime_dir(outside)}/host.json"
    path, around = os.environ.get("PATH", ""), confined_to()
    kept = None if anew else _read(file)
    if (
        kept is not None
        and kept.identity == identity
        and (kept.host.node, kept.host.boot_id) == (node, boot_id)
        and (kept.path, kept.around) == (path, around)
    ):
        return _at_home(kept.host, outside)
    host = _find(identity, node, boot_id, os.path.dirname(file))
    if boot_id and host.userns and (host.overlay or host.fuse_overlayfs) and host.mount_proc:
        remember(file, msgspec.json.encode(_Kept(identity, path, around, host)))
    return _at_home(host, outside)


def _at_home(host: Host, outside: Outside) -> Host:
    """``HOME`` may change from one command to the next, all else not."""
    home = home_dir(outside)
    return msgspec.structs.replace(host, home=home) if home and home != host.home else host


def require_containers(host: Host) -> None:
    """Raise :class:`HostLacks`, with the cause and what an administrator could change, unless containers can run."""
    if host.userns:
        return
    from wherry.host.obstacles import no_namespaces
    from wherry.host.switches import read_namespaces

    raise lacking("this machine does not let you make a container", no_namespaces(host, read_namespaces()))


def lacking(what: str, obstacle: "Obstacle") -> HostLacks:
    """The error that says what failed, which obstacle stands in the way, and who can remove it how."""
    who = "type" if obstacle.yours else "ask your administrator for"
    hint = f"'wherry doctor' says more; {who}: {obstacle.ask}"
    return HostLacks(what, why=f"{obstacle.what} [{obstacle.id}]", hint=hint)


def _find(identity: Identity, node: str, boot_id: str, runtime: str) -> Host:
    from wherry.host import trial
    from wherry.host.programs import find_in_path
    from wherry.host.supervision import find_supervised

    result = trial.try_namespaces(runtime)
    user, home, shell = _account(identity.uid)
    system = os.uname()
    return Host(
        uid=identity.uid,
        gid=identity.gid,
        group=_group_name(identity.gid),
        groups=tuple(Group(gid, _group_name(gid)) for gid in identity.groups),
        user=user,
        home=home,
        shell=shell,
        node=node,
        boot_id=boot_id,
        kernel=system.release,
        architecture=_ARCHITECTURES.get(system.machine, system.machine),
        userns=result.namespaces,
        overlay=result.overlay,
        volatile=result.volatile,
        mount_proc=result.proc,
        fuse_overlayfs="" if result.overlay else find_in_path("fuse-overlayfs"),
        problem=result.problem,
        supervised=find_supervised() if result.namespaces else "a user may not make namespaces here",
    )


def _account(uid: int) -> tuple[str, str, str]:
    import pwd

    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # an identity that no name service knows, as in some clouds
        return os.environ.get("USER") or f"user{uid}", os.environ.get("HOME") or "/", "/bin/sh"
    return entry.pw_name, entry.pw_dir, entry.pw_shell


def _group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""


def _read(file: str) -> _Kept | None:
    try:
        with open(file, "rb", buffering=0) as stream:
            return msgspec.json.decode(stream.read(), type=_Kept)
    except (OSError, msgspec.MsgspecError):
        return None
