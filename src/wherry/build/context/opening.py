"""The context of a build: a directory, or what is fetched and unpacked to one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

import msgspec

from wherry.base.errors import NotFound, UsageError, WherryError, reason
from wherry.base.progress import Progress, silent
from wherry.build.context.commits import commit_time

if TYPE_CHECKING:
    from wherry.base.settings import Settings
    from wherry.build.context.giturl import GitSource
    from wherry.build.context.sources import Seen

__all__ = ["Context", "open_context"]

_MOST_RECIPE = 128 << 20
_STDIN = "-"
_WEB = ("http://", "https://")


class Context(msgspec.Struct, frozen=True):
    """``root`` is a directory of this machine; ``name`` what messages call it. ``commit_time`` (seconds) is that of
    the commit that is checked out there, ``recipe`` the text where it was no context but a recipe itself. ``seen`` is
    told what of it is looked at."""

    name: str
    root: str
    commit_time: int | None = None
    recipe: bytes | None = None
    seen: Seen | None = None


def open_context(
    spec: str,
    *,
    work: str | Callable[[], str],
    stdin: IO[bytes] | None = None,
    settings: Settings | None = None,
    progress: Progress = silent,
) -> Context:
    """What ``spec`` names: a directory, a tar, a git repository, a URL of a tar or of a recipe, or ``-`` for what comes
    from ``stdin``. What is fetched or unpacked for it lies below the folder ``work``, which the caller removes (or
    which it makes when it is asked for).

    Raises :class:`NotFound`, :class:`UsageError`, and what fetching and unpacking raise.
    """
    if spec == _STDIN:
        if stdin is None:
            raise UsageError("the context cannot be standard input", why="there is none")
        return _of_stdin(stdin, _made(work))
    source = _git_of(spec)
    if source is not None:
        from wherry.build.context.git import check_out

        found = check_out(source, _made(work), progress=progress)
        return Context(source.name, found.root, found.commit_time)
    if spec.startswith(_WEB):
        return _of_url(spec, _made(work), settings, progress)
    if os.path.isdir(spec):
        return Context(spec, os.path.abspath(spec), commit_time(spec))
    return _of_file(spec, work)


def _made(work: str | Callable[[], str]) -> str:
    import tempfile

    return tempfile.mkdtemp(prefix="context-", dir=work if isinstance(work, str) else work())


def _git_of(spec: str) -> GitSource | None:
    """A path is a repository only if it is a bare one, or followed by ``#``; else it is what it looks like."""
    if os.path.isdir(spec) and not _is_bare(spec):
        return None
    from wherry.build.context.giturl import parse_git

    source = parse_git(spec)
    if source is None or not source.is_local or source.remote.startswith("file:"):
        return source
    return source if os.path.isdir(source.remote) else None


def _is_bare(path: str) -> bool:
    return os.path.isdir(f"{path}/objects") and os.path.isfile(f"{path}/HEAD")


def _of_stdin(stdin: IO[bytes], work: str) -> Context:
    import shutil

    path = f"{work}/stdin"
    with open(path, "wb") as file:
        shutil.copyfileobj(stdin, file, 1 << 20)
    return _of_fetched(path, "standard input", work)


def _of_url(url: str, work: str, settings: Settings | None, progress: Progress) -> Context:
    from wherry.build.context.fetching import fetch

    fetch(url, f"{work}/fetched", settings=settings, progress=progress)
    return _of_fetched(f"{work}/fetched", url, work)


def _of_fetched(path: str, name: str, work: str) -> Context:
    """A tar, or the text of a recipe that needs no context."""
    from wherry.build.context.archives import as_folder, is_tar

    with open(path, "rb") as file:
        if is_tar(file.fileno()):
            root = as_folder(file.fileno(), work, name)
            os.unlink(path)
            return Context(name, root)
        data = file.read(_MOST_RECIPE + 1)
    if not data.strip():
        raise UsageError(f"nothing came from {name}", hint="it has to be a tar, or the text of a recipe")
    if b"\0" in data or len(data) > _MOST_RECIPE:
        raise UsageError(f"what came from {name} is neither a tar nor a recipe")
    os.mkdir(f"{work}/empty")
    return Context(name, f"{work}/empty", recipe=data)


def _what_may_be(path: str) -> str:
    folder, mark, rest = path.partition("#")
    if mark and os.path.isdir(folder):
        return f"a repository of this machine is file://{os.path.abspath(folder)}#{rest}"
    return "it is a directory, a tar, a git URL (https://HOST/REPO.git#REF:DIR), or '-' for standard input"


def _of_file(path: str, work: str | Callable[[], str]) -> Context:
    from wherry.build.context.archives import as_folder, is_tar

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"there is no context '{path}'", hint=_what_may_be(path)) from None
    except OSError as error:
        raise WherryError(f"the context '{path}' cannot be read", why=reason(error)) from None
    try:
        if not os.path.isfile(path) or not is_tar(descriptor):
            hint = f"the recipe is named with -f: wherry build -f {path} ."
            raise UsageError(f"'{path}' is no context", why="it is neither a directory nor a tar", hint=hint)
        return Context(path, as_folder(descriptor, _made(work), path))
    finally:
        os.close(descriptor)
