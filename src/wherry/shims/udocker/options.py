"""From udocker's options of ``run`` to Wherry's: udocker's defaults are root's appearance, the host's /dev, and few
variables of the caller's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given
from wherry.launch.options import Bind, RunOptions

if TYPE_CHECKING:
    from wherry.containers import World

__all__ = ["run_options", "volumes"]

_OWN_VIEWS = ("/proc", "/sys", "/dev")
"""What every container has by Wherry's doing, whether asked for or not."""
_DRI = ("/usr/lib64/dri", "/lib64/dri", "/usr/lib/dri", "/lib/dri")
_PULL = {None: None, "missing": "missing", "always": "always", "never": "never", "reuse": "missing"}


def run_options(given: Given, world: World, *, image: str) -> RunOptions:
    """What ``run`` asks of the start; raises :class:`UsageError` for what cannot be had."""
    _check(given)
    host = world.host
    location = given.text("location")
    binds = volumes(given, world)
    user = _user(given, host.user, hostauth=given.flag("hostauth"))
    home = given.flag("bindhome") or any(bind.target == host.home for bind in binds)
    env = _variables(given, world)
    bare, command = given.flag("nometa"), given.words if location else given.words[1:]
    if bare:
        env = ("PATH=/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", f"HOME={'/root' if user else host.home}", *env)
    when = given.text("pull")
    if when not in _PULL:
        raise UsageError(f"--pull={when} is not known", hint="missing, never, always or reuse")
    return RunOptions(
        image=f"{os.path.join(world.outside.cwd(), location)}/" if location else image,
        command=command or (("bash", "-i") if bare else ()),
        entrypoint=_entrypoint(given),
        env=env,
        pass_env=("*", "!VTE_VERSION") if given.flag("hostenv") else (),
        image_wins=True,
        bare_env=bare,
        user_env=True,
        binds=binds,
        workdir=given.text("workdir") or None,
        from_home=True,
        user=user,
        home=home,
        here=False,
        hostauth=given.flag("hostauth"),
        interactive=True,
        if_terminal=True,
        remove=given.flag("rm"),
        pull=_PULL[when],
        platform=given.text("platform") or None,
        keep_dashes=True,
        log=False,
        failed_status=2,
    )


def volumes(given: Given, world: World) -> tuple[Bind, ...]:
    """``-v PATH`` shows it at the same path; a volume that is named twice counts once."""
    left_out = set(given.many("novol"))
    found: dict[str, Bind] = {}
    if not given.flag("nosysdirs") and "/dev" not in left_out:
        found["/dev"] = Bind("/dev", "/dev")
    for text in given.many("volume"):
        source, _, target = text.partition(":")
        target, _, mode = target.partition(":")
        source, target = _clean(source), _clean(target or source)
        if not source.startswith("/"):
            raise UsageError(f"invalid host volume path: {source}", why="it is not absolute", hint=f"-v $PWD/{source}")
        if not target.startswith("/") or target == "/":
            raise UsageError(f"invalid container volume path: {target}", hint="as -v /data:/mnt")
        if mode not in ("", "ro", "rw"):
            raise UsageError(f"invalid volume: {text}", why=f"there is no mode '{mode}'", hint="ro or rw")
        if left_out & {text, source} or (source == target and target in _OWN_VIEWS[:2]):
            continue
        found[target] = Bind(source, target, mode == "ro")
    if given.flag("dri"):
        found.update({path: Bind(path, path, optional=True) for path in _DRI if path not in found})
    return tuple(found.values())


def _clean(path: str) -> str:
    cleaned = os.path.normpath(path) if path else ""
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _check(given: Given) -> None:
    for text in given.many("publish"):
        parts = text.split(":")
        if len(parts) > 1 and parts[-1] != parts[-2]:
            why = "the container uses the host's network, so its ports are the host's"
            raise UsageError(f"--publish={text} cannot be honoured", why=why, hint=f"let it listen at port {parts[-2]}")
    for text in given.many("device"):
        if not text.startswith("/dev/"):
            raise UsageError(f"--device={text} is no device", hint="as --device=/dev/fuse; all of /dev is there anyway")
    if given.text("kernel"):
        why = "programs see the kernel that runs"
        raise UsageError(f"--kernel={given.text('kernel')} cannot be honoured", why=why, hint="leave it out")


def _user(given: Given, caller: str, *, hostauth: bool) -> str | None:
    """None: the caller. ``image``: whom the image names, else root. Root is an appearance, as udocker's."""
    name = given.text("user") or ""
    if name == caller:
        return None
    if not name:
        return "root" if hostauth or given.flag("nometa") else "image"
    return name


def _variables(given: Given, world: World) -> tuple[str, ...]:
    from wherry.cli.start import environment

    return environment(Given({"env": given.many("env"), "env_file": given.many("env_file")}, ()), world.outside)


def _entrypoint(given: Given) -> tuple[str, ...] | None:
    text = given.text("entrypoint")
    if text is None:
        return () if given.flag("nometa") else None
    return tuple(text.split())
