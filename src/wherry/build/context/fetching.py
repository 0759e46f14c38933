"""What recipes name that is nowhere yet: files behind URLs, git repositories, and heredocs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from wherry.base.digest import Digest
from wherry.base.errors import DigestMismatch, NetworkFailed, StoreFull, UsageError
from wherry.base.outside import Outside
from wherry.base.progress import Progress, silent
from wherry.base.settings import Settings, load
from wherry.build.context.git import check_out, resolved
from wherry.build.context.giturl import parse_git
from wherry.build.context.selecting import Found, Selection, select
from wherry.build.context.sources import Folder
from wherry.build.context.validators import remember, remembered, seconds_of
from wherry.registry import Held, download

__all__ = ["cloned", "downloaded", "fetch", "inline"]

_UNNAMED = "__unnamed__"
"""What BuildKit calls a file whose URL ends with a slash."""

_LEFT = 16 << 20


def downloaded(
    url: str,
    checksum: str,
    work: str,
    *,
    unpack: bool = False,
    known: str = "",
    settings: Settings | None = None,
    progress: Progress = silent,
) -> Selection:
    """The file behind ``url``, fetched below the folder ``work``: only for its owner, with the time that its server
    says. ``unpack``: if it is an archive, its content is meant. With a checksum it is fetched when it is needed; so it
    is without one, if its server says that it is what came before (``known`` is the folder of the store where that is
    remembered; empty: it is fetched).

    Raises :class:`DigestMismatch`, :class:`NotFound`, :class:`NetworkFailed`, :class:`UsageError` for a checksum that
    is none, and for plain http without one.
    """
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        name = _UNNAMED
    expected = Digest.parse(checksum) if checksum else None

    def fetched(expected: Digest | None, held: Held | None = None) -> tuple[Digest, Found | None]:
        """What came, unless it is ``held``."""
        folder = tempfile.mkdtemp(prefix="url-", dir=work)
        place, seen = f"{folder}/{name}", dict[str, str]()
        digest = _fetch(url, place, expected, seen, held, settings, progress)
        if held is not None and digest == held.digest and not os.path.getsize(place):
            return digest, None
        if expected is None:
            remember(known, url, digest, seen)
        os.chmod(place, 0o600)
        return digest, _all(folder, f"'{url}'", name, dated=True)

    held = None if expected else remembered(known, url)
    here: Found | None = None
    content = expected
    if content is None:
        content, here = fetched(None, held)

    def find() -> Found:
        try:
            found = here or fetched(content)[1]
        except DigestMismatch as error:
            if expected is not None:
                raise
            raise NetworkFailed(
                f"'{url}' was changed while it was fetched", why=error.why, hint="build again"
            ) from None
        assert found is not None
        return found

    return Selection(find, unpack=unpack, identity=f"url\0{name}\0{content}\0{unpack}")


def fetch(
    url: str, path: str, checksum: str = "", *, settings: Settings | None = None, progress: Progress = silent
) -> None:
    """Fetch ``url`` into the file ``path``; raises as :func:`downloaded`."""
    _fetch(url, path, Digest.parse(checksum) if checksum else None, {}, None, settings, progress)


def _fetch(
    url: str,
    path: str,
    expected: Digest | None,
    seen: dict[str, str],
    held: Held | None,
    settings: Settings | None,
    progress: Progress,
) -> Digest:
    """``seen`` gets the headers of the answer."""
    outside = Outside()

    def told(headers: Mapping[str, str]) -> None:
        seen.update((name, headers.get(name, "")) for name in ("last-modified", "etag", "date"))

    try:
        found = download(
            url,
            path,
            expected,
            settings=settings or load(outside),
            outside=outside,
            require_space=lambda size: _require_space(os.path.dirname(path), size, url),
            progress=progress,
            told=told,
            held=held,
        )
    except UsageError as error:
        if not url.startswith("http:"):
            raise
        hint = "write https://, or, in ADD, what has to come: --checksum=sha256:HEX"
        raise UsageError(error.what, why=error.why, hint=hint) from None
    modified = seconds_of(seen.get("last-modified", ""))
    if modified is not None:
        os.utime(path, (modified, modified))
    return found


def cloned(
    url: str, work: str, *, keep_git_dir: bool = False, checksum: str = "", progress: Progress = silent
) -> Selection:
    """The files of a git repository, checked out below the folder ``work`` when they are needed: before, the server is
    only asked which commit it is.

    Raises as :func:`wherry.build.context.git.check_out`, :class:`UsageError` for what is no address of one, or of one
    that lies on this machine: a recipe may name no files outside of its context.
    """
    source = parse_git(url)
    if source is None or source.is_local:
        raise UsageError(
            f"'{url}' is no address of a git repository that a recipe may name", hint="https://HOST/REPO.git"
        )
    commit = resolved(source)
    keep = keep_git_dir if source.keep_git_dir is None else source.keep_git_dir

    def find() -> Found:
        folder = tempfile.mkdtemp(prefix="git-", dir=work)
        found = check_out(source, folder, keep_git_dir=keep, commit=checksum or commit, progress=progress)
        return _all(found.root, f"'{source.name}'", ".")

    said = (source.remote, commit, checksum, source.commit, source.directory, str(source.submodules))
    identity = "\0".join(("git", *said)) if commit and not keep else ""  # .git is never twice the same
    return Selection(find, identity=identity)


def inline(name: str, content: bytes, work: str) -> Selection:
    """A file of this name and content."""
    folder = tempfile.mkdtemp(prefix="inline-", dir=work)
    name = name.rpartition("/")[2] or _UNNAMED
    with open(f"{folder}/{name}", "xb") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o644)
    found = _all(folder, "the recipe", name)
    return Selection(lambda: found)


def _all(folder: str, shown: str, name: str, *, dated: bool = False) -> Found:
    """What is in ``folder`` under a name that may look like a pattern, or all of it (``.``)."""
    root = Folder(folder, shown, dated=dated)
    pattern = "".join(f"\\{char}" if char in "*?[\\" else char for char in name)
    return Found(root, select(root, [pattern]).picks)


def _require_space(folder: str, size: int, url: str) -> None:
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free < size + _LEFT:
        raise StoreFull(
            f"'{url}' does not fit",
            why=f"it has {size} bytes, and in '{folder}' {free} are free",
            hint="'wherry prune' frees what nothing uses; WHERRY_STORE puts the store elsewhere",
        )
