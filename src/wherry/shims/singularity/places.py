"""What Apptainer shows of the host: home, the current directory, /tmp, /dev, and what ``-B`` and others name."""

from __future__ import annotations

import os
import posixpath

import msgspec

from wherry.base.errors import NotFound, UsageError
from wherry.base.outside import Outside
from wherry.containers import binding
from wherry.launch.options import Bind
from wherry.shims.singularity.given import Asked, split, tell

__all__ = ["Places", "home_of", "places"]

_LIBRARIES = "/.singularity.d/libs"
_KERNEL = ("proc", "sys", "devpts")
_TMPFS = "mode=1777,exec"


class Places(msgspec.Struct, frozen=True):
    """``first`` and ``tmpfs`` are the peer's own, ``binds`` the user's; ``home`` is its path inside. ``here``: the
    current directory is shown. ``passing``: directories were made for this start alone, whose plan no other may use."""

    home: str
    first: tuple[Bind, ...]
    binds: tuple[Bind, ...]
    tmpfs: tuple[tuple[str, str], ...]
    here: bool
    passing: bool = False


def home_of(asked: Asked, outside: Outside) -> tuple[str, str]:
    """Where the home directory is on the host, and where inside."""
    parts = split(asked.text("home"), ":")
    own = outside.home() or "/"
    if not parts:
        return own, "/root" if asked.on("fakeroot") else own
    if len(parts) > 2 or (not parts[-1].startswith("/") and len(parts) == 2):
        raise UsageError(f"'--home {asked.text('home')}' is not a directory", hint="--home SRC or --home SRC:DST")
    source = _absolute(parts[0], outside)
    return source, parts[1] if len(parts) == 2 else source


def places(asked: Asked, outside: Outside) -> Places:
    """All of it; raises :class:`UsageError` for what cannot be bound."""
    contained = asked.on("contain", "containall", "compat")
    left_out = set(asked.many("no_mount"))
    for name in sorted(left_out & set(_KERNEL)):
        tell(f"'--no-mount {name}' is passed over: a container cannot be without it")
    source, home = home_of(asked, outside)
    binds = {bind.target: bind for bind in _asked_binds(asked, outside)}
    workdir = _absolute(asked.text("workdir"), outside) if asked.text("workdir") else ""
    first: list[Bind] = []
    tmpfs: dict[str, str] = {}
    if not contained:
        wanted = (("dev", "/dev"), ("tmp", "/tmp"), ("tmp", "/var/tmp"))
        first += [Bind(path, path) for name, path in wanted if not left_out & {name, path} and os.path.isdir(path)]
    elif "tmp" not in left_out:
        for path, name in (("/tmp", "tmp"), ("/var/tmp", "var_tmp")):
            _own(path, name, workdir, first, tmpfs)
    if not (asked.on("no_home") or "home" in left_out) and home != "/":
        if contained and not asked.text("home"):
            _own(home, "home", workdir, first, tmpfs, "mode=700,exec")
        elif os.path.isdir(source):  # the launcher looks at each start; its stamp changes with every file in it
            first.append(Bind(source, home))
    for path in asked.many("scratch"):
        target = posixpath.normpath(f"/{path.lstrip('/')}")
        name = f"scratch/{target.lstrip('/')}"
        _own(target, name, workdir, first, tmpfs)
    here = not (contained or "cwd" in left_out) and outside.apart(_SYSTEM)
    if not here and not contained:
        outside.cwd()  # elsewhere it may be shown: this plan is for here alone
    return Places(home, tuple(first), tuple(binds.values()), tuple(tmpfs.items()), here, bool(workdir and first))


_SYSTEM = ("/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr")
"""Where the current directory is not shown: it would hide the image's own files."""


def _own(target: str, name: str, workdir: str, first: list[Bind], tmpfs: dict[str, str], options: str = _TMPFS) -> None:
    """An empty directory at ``target``: in memory, or a folder in ``--workdir``."""
    if not workdir:
        tmpfs[target] = options
        return
    folder = f"{workdir}/{name}"
    os.makedirs(folder, exist_ok=True)
    first.append(Bind(folder, target))


def _asked_binds(asked: Asked, outside: Outside) -> list[Bind]:
    found = [_bind(text, outside) for text in asked.many("bind")]
    for text in asked.many("mount"):
        made = binding.mount(text, outside)
        if not isinstance(made, Bind):
            raise UsageError(f"cannot mount '{text}'", why="Apptainer mounts by type=bind alone", hint="--scratch DIR")
        found.append(made)
    for text in asked.many("containlibs"):
        path = _absolute(text, outside)
        found.append(Bind(path, f"{_LIBRARIES}/{posixpath.basename(path)}", read_only=True))
    return found


def _bind(text: str, outside: Outside) -> Bind:
    """``SRC[:DST[:OPTIONS]]``; SRC alone is shown at the same path."""
    parts = split(text, ":")
    what = f"cannot bind '{text}'"
    if not parts or len(parts) > 3:
        raise UsageError(what, hint="-B SRC[:DST[:ro|rw]]")
    source = _absolute(parts[0], outside)
    target = posixpath.normpath(parts[1]) if len(parts) > 1 else source
    if not target.startswith("/"):
        raise UsageError(what, why=f"its target '{target}' is not an absolute path")
    read_only = False
    for option in parts[2].split(",") if len(parts) > 2 else ():
        name, _, value = option.partition("=")
        if name in ("image-src", "id"):
            why = f"'{option}' names a part of an image file, and only directories and files are bound"
            raise UsageError(what, why=why, hint="unpack it first, and bind the directory")
        if name not in ("ro", "rw") or value:
            raise UsageError(what, why=f"there is no option '{option}'", hint="ro or rw")
        read_only = name == "ro"
    if not os.path.exists(source):  # told now; that it stays there the launcher sees at each start
        raise NotFound(f"cannot bind '{source}'", why="there is no such file or directory", hint="check the spelling")
    return Bind(source, target, read_only)


def _absolute(path: str, outside: Outside) -> str:
    return path if path.startswith("/") else posixpath.normpath(posixpath.join(outside.cwd(), path))
