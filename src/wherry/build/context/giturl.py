"""Git repositories as sources: what a URL says. Pure.

``URL#REF:DIR`` or ``URL?branch=..&tag=..&ref=..&commit=..&subdir=..&keep-git-dir=..&submodules=..``, as BuildKit has
them (https://docs.docker.com/build/concepts/context/#git-repositories).
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from wherry.base.errors import UsageError

__all__ = ["GitSource", "parse_git"]

_SCHEMES = ("git", "ssh", "file")
_WEB = ("http", "https")
_SCP = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9][A-Za-z0-9.-]*:.+")
_PAGE = re.compile(r"https?://github\.com/[^/]+/[^/]+/?")
_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|^[-+/.]|[/.]$|//")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


class GitSource(msgspec.Struct, frozen=True):
    """``remote`` is for git; ``ref`` a branch, tag or commit (empty: the remote's default); ``commit`` what has to be
    checked out in the end; ``directory`` the part of it that counts."""

    remote: str
    ref: str = ""
    directory: str = ""
    commit: str = ""
    keep_git_dir: bool | None = None
    submodules: bool = True

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine."""
        return self.remote.startswith("file:") or not ("://" in self.remote or _SCP.fullmatch(self.remote))

    @property
    def name(self) -> str:
        """Without an account in it."""
        return re.sub(r"//[^/@]*@", "//", self.remote)


def parse_git(text: str) -> GitSource | None:
    """What ``text`` says, None when it names no repository. Raises :class:`UsageError` for what is malformed, and for
    what could be an option or a command."""
    base, _, fragment = text.partition("#")
    scheme = urlsplit(base).scheme if "://" in base else ""
    query = ""
    if scheme:
        base, _, query = base.partition("?")
    if base.startswith(("github.com/", "gitlab.com/", "bitbucket.org/")):
        base = f"https://{base}"
    elif scheme in _WEB:
        if not (base.endswith(".git") or _PAGE.fullmatch(base)):
            return None
    elif scheme in _SCHEMES:
        if base.startswith("file://"):
            base = "file://" + unquote(base[len("file://") :])
    elif scheme or not (_SCP.fullmatch(base) or base.endswith(".git")):
        return None
    if base.startswith("-") or urlsplit(base).netloc.rpartition("@")[2].startswith("-") or "::" in base.split("/")[0]:
        raise UsageError(f"'{text}' is no address of a repository")
    ref, _, directory = fragment.partition(":")
    return _checked(_with_query(GitSource(base, ref, directory), query, text), text)


def _with_query(source: GitSource, query: str, text: str) -> GitSource:
    said: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in said:
            raise UsageError(f"'{text}' says '{key}' twice")
        if key not in ("ref", "tag", "branch", "subdir", "checksum", "commit", "keep-git-dir", "submodules"):
            raise UsageError(
                f"'{key}' in '{text}' is not known", hint="ref, tag, branch, commit, subdir, keep-git-dir, submodules"
            )
        said[key] = value
    refs = {source.ref, said.get("ref", "")}
    refs |= {f"refs/{kind}/{said[key].removeprefix(f'refs/{kind}/')}" for key, kind in _KINDS if said.get(key)}
    directories = {source.directory, said.get("subdir", "")} - {""}
    commits = {said.get("commit", ""), said.get("checksum", "")} - {""}
    if len(refs - {""}) > 1 or len(directories) > 1 or len(commits) > 1:
        raise UsageError(f"'{text}' says what to take twice, in different ways")
    commit = next(iter(commits), "")
    return msgspec.structs.replace(
        source,
        ref=next(iter(refs - {""}), "") or commit,
        directory=next(iter(directories), ""),
        commit=commit,
        keep_git_dir=_flag(said, "keep-git-dir", text) if "keep-git-dir" in said else None,
        submodules=_flag(said, "submodules", text) if "submodules" in said else True,
    )


_KINDS = (("tag", "tags"), ("branch", "heads"))


def _flag(said: dict[str, str], key: str, text: str) -> bool:
    value = said[key].lower()
    if value in ("", "1", "t", "true"):
        return True
    if value in ("0", "f", "false"):
        return False
    raise UsageError(f"'{key}={said[key]}' in '{text}' is neither true nor false")


def _checked(source: GitSource, text: str) -> GitSource:
    if source.ref and _BAD_REF.search(source.ref):
        raise UsageError(f"'{source.ref}' in '{text}' is no branch, tag or commit")
    if source.commit and not _COMMIT.fullmatch(source.commit):
        raise UsageError(f"'{source.commit}' in '{text}' is no commit", hint="its hash, in lower case")
    return source
