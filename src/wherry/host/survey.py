"""The whole description of a machine, for those who need more than a start does."""

import os
import time
from collections.abc import Mapping

import msgspec

from wherry.base.outside import Identity, Outside
from wherry.base.settings import Settings
from wherry.host import (
    cgroups,
    hardware,
    machine,
    parallel,
    programs,
    security,
    squashfuse,
    storage,
    survival,
    switches,
)
from wherry.host.facts import Fuse, Gpu, Ids, Machine, Mpi, Namespaces, Program, Proot, Tracing
from wherry.host.machine import Host
from wherry.host.places import home_dir, remember, runtime_dir

__all__ = ["survey"]

_REFUSALS_KEPT = 300.0
"""Seconds for which a trial that failed is not repeated: an administrator may lift what no switch shows."""


class _Found(msgspec.Struct, frozen=True):
    """What trials and foreign programs told, which take their time."""

    network: bool
    fuse: Fuse
    ids: Ids
    tracing: Tracing
    landlock: int
    proot: Proot
    interpose_problem: str
    runtimes: tuple[Program, ...]
    gpus: tuple[Gpu, ...]
    mpi: tuple[Mpi, ...]


class _Asked(msgspec.Struct, frozen=True):
    """For whom and in what surroundings; other ones are tried anew."""

    identity: Identity
    node: str
    boot_id: str
    path: str
    userns: bool
    namespaces: Namespaces
    ptrace_scope: int | None
    programs: tuple[str, ...]
    stamps: tuple[tuple[int, int, int], ...]


class _Kept(msgspec.Struct, frozen=True):
    asked: _Asked
    at: float
    found: _Found


def survey(
    outside: Outside, settings: Settings, folders: Mapping[str, str] | None = None, *, anew: bool = False
) -> Machine:
    """All that is known of this machine. Trials take about a second, once or ``anew``; what is read is read each time.

    ``folders`` (``store``, ``scratch``) and the home directory are described in ``storage``. Raises
    :class:`SettingsError` when ``engine.proot`` or ``engine.site`` names no program.
    """
    host = machine.probe(outside, anew=anew)
    runtime = runtime_dir(outside)
    namespaces = switches.read_namespaces()
    proot = programs.find_program("proot", setting=settings.text("engine.proot"), data_home=_data_home(outside))
    interpose = programs.find_interpose()
    runtimes = programs.find_runtimes()
    asked = _asked(outside, host, namespaces, (proot, interpose, *(each.path for each in runtimes)))
    found = None if anew else _known(f"{runtime}/machine.json", asked)
    if found is None:
        found = _find(host, runtime, proot, interpose, runtimes)
        remember(f"{runtime}/machine.json", msgspec.json.encode(_Kept(asked, _now(), found)))
    batch, shown = parallel.find_batch(os.environ), squashfuse.find_squashfuse()
    return Machine(
        host=host,
        namespaces=msgspec.structs.replace(namespaces, network=found.network),
        fuse=found.fuse,
        ids=found.ids,
        cgroup=cgroups.find_cgroup(host.uid),
        tracing=found.tracing,
        security=security.find_security(found.landlock),
        proot=_with_loader(found.proot, outside),
        interpose=interpose,
        interpose_problem=found.interpose_problem,
        squashfuse=shown.low or shown.high,
        runtimes=found.runtimes,
        sites=programs.find_sites(settings.text("engine.site")),
        storage=storage.find_storage({"home": host.home, **(folders or {})}),
        survival=survival.find_survival(host.user, batch, namespaces.outer),
        processor=hardware.find_processor(),
        gpus=found.gpus,
        mpi=found.mpi,
        batch=batch,
        distribution=switches.distribution(),
    )


def _with_loader(proot: Proot, outside: Outside) -> Proot:
    """Its loader lies in a folder that may be cleaned; a plan that names it depends on it."""
    if not proot.loader or outside.stat(proot.loader).exists:
        return proot
    return msgspec.structs.replace(proot, loader="")


def _find(host: Host, runtime: str, proot: str, interpose: str, runtimes: tuple[Program, ...]) -> _Found:
    from wherry.host import enginetrials, fuse, idmaps, tracing, trial

    traced = tracing.find_tracing()
    return _Found(
        network=host.userns and trial.try_network(),
        fuse=fuse.find_fuse(runtime, namespaces=host.userns),
        ids=idmaps.find_ids(host.user, host.uid, host.gid, namespaces=host.userns),
        tracing=traced,
        landlock=tracing.find_landlock(),
        proot=enginetrials.try_proot(proot, runtime)
        if proot and traced.works
        else Proot(proot, problem=traced.problem),
        interpose_problem=enginetrials.try_interpose(interpose, runtime) if interpose else "",
        runtimes=enginetrials.try_runtimes(runtimes, host.uid, host.gid, runtime) if host.userns else runtimes,
        gpus=hardware.find_gpus(),
        mpi=parallel.find_mpi(),
    )


def _asked(outside: Outside, host: Host, namespaces: Namespaces, tried: tuple[str, ...]) -> _Asked:
    return _Asked(
        identity=outside.identity(),
        node=host.node,
        boot_id=host.boot_id,
        path=os.environ.get("PATH", ""),
        userns=host.userns,
        namespaces=namespaces,
        ptrace_scope=switches.read_number("/proc/sys/kernel/yama/ptrace_scope"),
        programs=tried,
        stamps=tuple(_stamp(path) for path in ("/etc/subuid", "/etc/subgid", "/dev/fuse", *tried)),
    )


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_ctime_ns, found.st_mode)


def _known(file: str, asked: _Asked) -> _Found | None:
    try:
        with open(file, "rb", buffering=0) as stream:
            kept = msgspec.json.decode(stream.read(), type=_Kept)
    except (OSError, msgspec.MsgspecError):
        return None
    if not asked.boot_id or kept.asked != asked:
        return None
    return kept.found if _is_whole(kept.found) or 0 <= _now() - kept.at < _REFUSALS_KEPT else None


def _is_whole(found: _Found) -> bool:
    """Whether nothing was refused. A runtime that fails is another's matter, and seldom one of this machine's."""
    ids = found.ids.maps or not found.ids.uids
    return (
        found.network
        and found.fuse.mounts
        and ids
        and found.tracing.works
        and not (found.proot.problem or found.interpose_problem)
    )


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _data_home(outside: Outside) -> str:
    base = outside.env("XDG_DATA_HOME") or ""
    if base.startswith("/"):
        return base
    home = home_dir(outside)
    return f"{home}/.local/share" if home else ""
