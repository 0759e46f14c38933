"""From Docker's words to the options of a start: what Wherry's own ``run`` reads, and what Docker has beside it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given
from wherry.cli.start import run_options
from wherry.shims.docker import mounting, networking
from wherry.shims.docker.call import Call

if TYPE_CHECKING:
    from wherry.containers import World
    from wherry.launch.options import RunOptions

__all__ = ["start_options", "whole"]

_SAME = (
    *("interactive", "tty", "rm", "cidfile", "label", "entrypoint", "workdir", "env", "env_file", "hostname", "name"),
    *("stop_signal", "platform", "detach", "read_only", "memory", "memory_swap", "cpus", "pids_limit", "ulimit"),
    *("group_add", "tmpfs"),
)
"""Keys that mean the same to Wherry's own ``run``."""

_KEPT_APART = "each container has its own"
_VALUES: dict[str, tuple[tuple[str, ...], str]] = {
    "restart": (("no", "", "never"), "nobody starts it again without a daemon"),
    "pid": (("", "private"), _KEPT_APART),
    "uts": (("", "private", "host"), _KEPT_APART),
    "isolation": (("", "default", "process"), "it is for Windows"),
    "log_driver": (("", "none", "json-file", "local", "k8s-file", "passthrough"), "output is kept in a file, or shown"),
    "volume_driver": (("", "local"), "volumes are directories of yours"),
    "userns": (("", "host", "keep-id", "private"), "the container has one user namespace, made from yours"),
    "ipc": (("", "private", "shareable", "none", "host"), _KEPT_APART),
}
"""Key -> values that hold, and why others cannot be had."""


def start_options(call: Call, given: Given, world: World) -> RunOptions:
    """The options of ``run`` and ``create``; raise :class:`UsageError` by the option's name."""
    _check_values(call, given)
    options = {key: value for key in _SAME if (value := given.options.get(key)) is not None}
    volumes, places = mounting.volumes(call, given, world)
    mounts, more = mounting.mounts(given, world)
    devices = tuple(mounting.device(text) for text in given.many("device"))
    options |= {
        "volume": (*volumes, *devices),
        "mount": mounts,
        "tmpfs": mounting.memory(call, given, (*places, *more)),
    }
    options |= _pull(call, given) | _security(call, given) | _processors(given) | _podmans(given)
    options["label"] = (*_labels(given), *given.many("label"))
    platform = world.outside.env("DOCKER_DEFAULT_PLATFORM") if not call.is_podman else None
    if platform:
        options.setdefault("platform", platform)
    network = networking.network(call, given)
    if network:
        options["network"] = network
    words = (_image(call, given), *given.words[1:])
    entry, command = _entry_point(call, given), given.words[1:]
    if entry:
        options.pop("entrypoint", None)
    read = run_options(Given(options, words, given.prefix or ("x",)), world.outside)
    return msgspec.structs.replace(
        read,
        command=command,
        entrypoint=entry or read.entrypoint,
        user=_user(given),
        binds=(*read.binds, *mounting.from_others(given, world, {bind.target for bind in read.binds})),
        interactive=read.interactive or "stdin" in given.many("attach"),
        lean_env=True,
        keep_dashes=True,
        pass_env=("*",) if given.flag("env_host") else (),
        image_wins=True,
        bare_env=given.flag("unsetenv_all"),
        cap_add=("ALL",) if given.flag("privileged") else _split(given.many("cap_add")),
        cap_drop=_split(given.many("cap_drop")),
        hosts=networking.hosts(given),
        resolver=networking.resolver(given, world),
        places=(*places, *more),
        log=given.text("log_driver") not in ("none", "passthrough"),
        stop_timeout=whole(given, "stop_timeout"),
        preserve_fds=tuple(range(3, 3 + (whole(given, "preserve_fds") or 0))),
        here=False,
        home=False,
    )


def _check_values(call: Call, given: Given) -> None:
    for key, (known, why) in _VALUES.items():
        value = given.text(key)
        name = (value or "").partition(":")[0] if key in ("restart", "userns") else value
        if value is not None and name not in known:
            hint = f"possible are: {', '.join(word for word in known if word)}"
            raise UsageError(f"'--{key.replace('_', '-')} {value}' is not possible here", why=why, hint=hint)
    if given.text("ipc") == "host":
        call.note("'--ipc host' has no effect: the container's own /dev/shm may grow to half of the memory")
    if given.flag("privileged"):
        call.note("'--privileged' gives all rights over the container's own namespaces, and none over the host")
    if given.text("tls_verify") == "false":
        raise UsageError("'--tls-verify=false' is not possible here", hint="insecure = true in registries.conf")
    if given.text("authfile"):
        raise UsageError("'--authfile' is not possible here", hint="podman pull --authfile FILE IMAGE first")


def _image(call: Call, given: Given) -> str:
    """The first word; with ``--rootfs`` a directory, which Wherry tells by a slash at its end."""
    image = given.words[0]
    if not image:
        raise UsageError(
            "invalid reference format: the image's name is empty", hint="is a variable of your shell unset?"
        )
    if call.is_podman and given.flag("rootfs"):
        return f"{os.path.abspath(image.removesuffix(':O'))}/"
    return image


def _user(given: Given) -> str | None:
    """The image's own, unless one is named; podman's keep-id is what Wherry does by itself."""
    user = given.text("user")
    if user == "":
        raise UsageError("'--user' is empty", hint="is a variable of your shell unset?")
    if user:
        return user
    kind, _, details = (given.text("userns") or "").partition(":")
    if kind != "keep-id":
        return "image"
    fields = dict(part.partition("=")[::2] for part in details.split(",") if part)
    return f"{fields['uid']}:{fields.get('gid', fields['uid'])}" if "uid" in fields else None


def _pull(call: Call, given: Given) -> dict[str, str]:
    text = given.text("pull")
    when = {"newer": "always", "true": "missing", "false": "never"}.get(text or "", text)
    if when not in (None, "missing", "always", "never", "ifnotpresent"):
        raise UsageError(f"invalid pull option: '{text}'", hint="always, missing or never")
    return {"pull": "missing" if when == "ifnotpresent" else when} if when else {}


def _security(call: Call, given: Given) -> dict[str, tuple[str, ...]]:
    """The filter is honoured; labels and profiles of the host's security modules hold for the user as they are."""
    found = []
    for text in given.many("security_opt"):
        name, _, value = text.replace("=", ":", 1).partition(":")
        if name == "seccomp" and value not in ("builtin", ""):
            found.append(f"seccomp={value}")
        elif name == "no-new-privileges" and value == "false":
            call.note(f"'--security-opt {text}' has no effect: programs never gain rights")
        elif name not in ("seccomp", "no-new-privileges", "label", "apparmor", "systempaths", "unmask", "mask"):
            why = "seccomp, label, apparmor and no-new-privileges are"
            raise UsageError(f"'--security-opt {text}' is not known", why=why, hint="leave it out")
        elif name in ("mask", "unmask", "systempaths") or (name == "apparmor" and value != "unconfined"):
            call.note(f"'--security-opt {text}' has no effect: what confines you confines the container")
    if given.flag("privileged") and not found:
        found.append("seccomp=unconfined")
    return {"security_opt": tuple(found)}


def _processors(given: Given) -> dict[str, str]:
    """``--cpu-quota`` microseconds in each ``--cpu-period`` are processors; a set of them is kept by this process."""
    quota, period = whole(given, "cpu_quota"), whole(given, "cpu_period")
    if quota is None or quota <= 0 or given.text("cpus"):
        return {}
    return {"cpus": f"{quota / (period or 100_000):.4f}"}


def _podmans(given: Given) -> dict[str, str | tuple[str, ...]]:
    found: dict[str, str | tuple[str, ...]] = {}
    parts = (given.text("os"), given.text("arch"), given.text("variant"))
    if any(parts):
        found["platform"] = "/".join(part for part in (parts[0] or "linux", parts[1], parts[2]) if part)
    zone = given.text("tz")
    if zone:
        zone = os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2] if zone == "local" else zone
        found["env"] = (f"TZ={zone}", *given.many("env"))
    return found


def _labels(given: Given) -> list[str]:
    found = []
    for path in given.many("label_file"):
        try:
            with open(path, encoding="utf-8") as file:
                found += [line.strip() for line in file if line.strip() and not line.startswith("#")]
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"cannot read the labels of '{path}'", hint="check the spelling") from None
    return found


def _entry_point(call: Call, given: Given) -> tuple[str, ...]:
    """podman's second spelling of ``--entrypoint``: a list in JSON."""
    text = given.text("entrypoint") or ""
    if not (call.is_podman and text.startswith("[")):
        return ()
    try:
        return msgspec.json.decode(text.encode(), type=tuple[str, ...])
    except msgspec.MsgspecError:
        return ()


def _split(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for text in texts for part in text.split(",") if part)


def whole(given: Given, key: str) -> int | None:
    text = given.text(key)
    if text is None:
        return None
    if not text.removeprefix("-").isdecimal():
        raise UsageError(f"'--{key.replace('_', '-')} {text}' is not a number")
    return int(text)
