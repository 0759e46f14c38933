"""A container as a bundle of the OCI runtime specification: the content of its ``config.json``, from values alone.

One id is mapped, as a user may do without a subordinate range, and no cgroup is asked for.
https://github.com/opencontainers/runtime-spec
"""

from __future__ import annotations

import msgspec

from wherry.base.errors import HostLacks, UsageError
from wherry.host import Host
from wherry.launch.confine import DOCKER_CAPABILITIES, capability_bits, capability_names
from wherry.launch.engines.box import Mounted

__all__ = ["Bundle", "bundle_text", "filter_of"]

_VERSION = "1.0.2"
"""What the runtimes of all distributions in use understand."""
_MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"),
    *("/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"),
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_SLOTS = "\x01\x02\x03\x04\x05\x06\x07"


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """``root`` and the sources of binds may be relative to the bundle, or have slots. ``uid`` and ``gid`` are those
    shown; ``limits`` are (name, soft, hard), -1 unlimited; ``filter`` is ``linux.seccomp``, None for none."""

    root: str
    read_only: bool
    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    uid: int
    gid: int
    mounts: tuple[Mounted, ...]
    hostname: str = ""
    terminal: bool = False
    isolated_network: bool = False
    limits: tuple[tuple[str, int, int], ...] = ()
    filter: dict[str, object] | None = None
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()


def bundle_text(bundle: Bundle, host: Host) -> str:
    """``config.json``; slots stay as they are."""
    capabilities = list(capability_names(capability_bits(bundle.uid, bundle.cap_add, bundle.cap_drop)))
    process: dict[str, object] = {
        "terminal": bundle.terminal,
        "user": {"uid": bundle.uid, "gid": bundle.gid},
        "args": bundle.args,
        "env": bundle.env,
        "cwd": bundle.cwd,
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        "noNewPrivileges": True,
    }
    if bundle.limits:
        process["rlimits"] = [_limit(*limit) for limit in bundle.limits]
    linux: dict[str, object] = {
        "namespaces": [{"type": kind} for kind in _namespaces(bundle)],
        "uidMappings": [{"containerID": bundle.uid, "hostID": host.uid, "size": 1}],
        "gidMappings": [{"containerID": bundle.gid, "hostID": host.gid, "size": 1}],
        "maskedPaths": _MASKED,
        "readonlyPaths": _READ_ONLY,
    }
    if bundle.filter is not None:
        linux["seccomp"] = bundle.filter
    document: dict[str, object] = {
        "ociVersion": _VERSION,
        "process": process,
        "root": {"path": bundle.root, "readonly": bundle.read_only},
        "mounts": [_mount(item) for item in bundle.mounts],
        "linux": linux,
    }
    if bundle.hostname:
        document["hostname"] = bundle.hostname
    text = msgspec.json.format(msgspec.json.encode(_clean(document)), indent=2).decode()
    for slot in _SLOTS:
        text = text.replace(f"\\u{ord(slot):04x}", slot)
    return f"{text}\n"


def filter_of(choice: str | None, profile: bytes, host: Host) -> dict[str, object] | None:
    """``linux.seccomp`` for the option ``seccomp``: our rules, those of ``profile`` (the file ``choice``), or none."""
    if choice == "unconfined":
        return None
    from wherry.launch.seccomp.dockerjson import read_profile
    from wherry.launch.seccomp.ocijson import as_oci
    from wherry.launch.seccomp.rules import DEFAULT

    rules = DEFAULT
    if choice:
        rules = read_profile(profile, choice, host.architecture, host.kernel, DOCKER_CAPABILITIES)
    try:
        return as_oci(rules, host.architecture)
    except UsageError as error:
        raise HostLacks(
            f"the profile '{choice}' cannot be put into a bundle", why=str(error), hint="--engine namespace can"
        ) from None


def _namespaces(bundle: Bundle) -> tuple[str, ...]:
    kinds = ("user", "mount", "pid", "ipc", "uts", "cgroup")
    return (*kinds, "network") if bundle.isolated_network else kinds


def _limit(name: str, soft: int, hard: int) -> dict[str, object]:
    most = (1 << 64) - 1
    values = [most if value < 0 else value for value in (soft, hard)]
    return {"type": f"RLIMIT_{name.upper()}", "soft": values[0], "hard": values[1]}


def _mount(item: Mounted) -> dict[str, object]:
    return {"destination": item.target, "type": item.kind, "source": item.source, "options": item.options}


def _clean(value: object) -> object:
    """JSON has no form for bytes that are not UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _clean(found) for key, found in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(found) for found in value]
    return value
