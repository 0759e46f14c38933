"""Checking a git repository out, by the user's own ``git``: what comes is a stranger's, so nothing of it is run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

import msgspec

from wherry.base.errors import DigestMismatch, HostLacks, NetworkFailed, NotFound
from wherry.base.progress import Event, Progress, silent
from wherry.build.context.giturl import GitSource
from wherry.build.context.sources import Folder, follow

__all__ = ["Checkout", "check_out", "resolved"]

_SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",  # the same bytes for everybody
    "core.attributesFile=/dev/null",
    "advice.detachedHead=false",
    "protocol.ext.allow=never",
    "gc.auto=0",
)
_KEPT = ("GIT_SSH", "GIT_ASKPASS", "GIT_SSL_", "GIT_HTTP_", "GIT_PROXY_", "GIT_CONFIG", "GIT_TRACE", "GIT_CURL_")
"""Variables of git's that say how to reach a server; the rest would say what the repository is."""

_REMOTE = "https:http:git:ssh"
_DIGITS = frozenset("0123456789abcdef")


class Checkout(msgspec.Struct, frozen=True):
    """``root`` is the part that counts; ``commit_time`` in seconds."""

    root: str
    commit: str
    commit_time: int


def check_out(
    source: GitSource, work: str, *, keep_git_dir: bool = False, commit: str = "", progress: Progress = silent
) -> Checkout:
    """Check out what ``source`` names into the folder ``work``, which is empty, with its submodules.

    ``commit`` is what has to come, besides what the source says. Raises :class:`HostLacks` without git,
    :class:`NetworkFailed` for what cannot be fetched, :class:`NotFound` for a directory that is not in it,
    :class:`DigestMismatch` for another commit.
    """
    keep_git_dir = keep_git_dir if source.keep_git_dir is None else source.keep_git_dir
    git = _Git(work, source)
    progress(Event(source.name, "fetching"))
    git("init", "--quiet", "--template=", "--initial-branch=main")
    is_path = source.is_local and "://" not in source.remote
    git("remote", "add", "--", "origin", os.path.abspath(source.remote) if is_path else source.remote)
    git.fetch(source.ref)
    git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD^0")
    found, time = git("log", "-1", "--format=%H %ct", "--no-show-signature").split()
    for wanted in filter(None, (source.commit, commit)):
        if not found.startswith(wanted):
            raise DigestMismatch(f"'{source.name}' is not the commit '{wanted}'", why=f"what came is {found}")
    if source.submodules and os.path.lexists(f"{work}/.gitmodules"):
        git("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1", allowed=_REMOTE)
    if not keep_git_dir:
        _forget(work)
    inner = follow(Folder(work), source.directory)
    if inner is None or not inner.is_dir:
        raise NotFound(f"there is no directory '{source.directory}' in '{source.name}'", why=f"of commit {found[:12]}")
    progress(Event(source.name, "done"))
    return Checkout(f"{work}/{inner.path}".rstrip("/"), found, int(time))


def resolved(source: GitSource) -> str:
    """The commit that the server has for a branch or tag now; a commit's own hash; empty where only fetching tells.

    Raises as :func:`check_out`.
    """
    if len(source.ref) in (40, 64) and set(source.ref) <= _DIGITS:
        return source.ref
    wanted = source.ref or "HEAD"
    said = _Git("/", source)("ls-remote", "--end-of-options", source.remote, wanted, f"{wanted}^{{}}")
    found = {name: commit for commit, _, name in (line.partition("\t") for line in said.splitlines())}
    for name in (wanted, f"refs/{wanted}", f"refs/tags/{wanted}", f"refs/heads/{wanted}"):
        if name in found:
            return found.get(f"{name}^{{}}", found[name])
    return ""


class _Git:
    def __init__(self, work: str, source: GitSource) -> None:
        self._work = work
        self._source = source
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(_KEPT)
        }
        self._environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", "GIT_LFS_SKIP_SMUDGE": "0"}

    def __call__(self, *arguments: str, allowed: str = f"{_REMOTE}:file") -> str:
        status, output, said = self._run(arguments, allowed)
        if status:
            raise self._failed(said)
        return output

    def fetch(self, ref: str) -> None:
        """Only what is needed where the server gives that; a commit that it does not give by its hash is looked for in
        all that it has."""
        fetch = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--force")
        wanted = ("--end-of-options", "origin", ref or "HEAD")
        status, _, said = self._run((*fetch, "--depth=1", *wanted))
        if status and "shallow" in said:  # a server of plain files gives all or nothing
            status, _, said = self._run((*fetch, *wanted))
        if status == 0:
            return
        if not (4 <= len(ref) <= 64 and set(ref) <= _DIGITS):
            raise self._failed(said, f"'{ref}' may not be there" if "couldn't find remote ref" in said else "")
        self(*fetch, "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        status, found, _ = self._run(("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^0"))
        if status:
            raise NotFound(f"there is no commit '{ref}' in '{self._source.name}'")
        with open(f"{self._work}/.git/FETCH_HEAD", "w", encoding="ascii") as file:
            file.write(f"{found.strip()}\t\tcommit\n")

    def _run(self, arguments: Sequence[str], allowed: str = f"{_REMOTE}:file") -> tuple[int, str, str]:
        settings = [part for setting in _SAFE for part in ("-c", setting)]
        environment = {**self._environment, "GIT_ALLOW_PROTOCOL": allowed}
        try:
            done = subprocess.run(
                ["git", *settings, "-C", self._work, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=environment,
                umask=0o022,  # modes are part of what is built
                check=False,
            )
        except FileNotFoundError:
            raise HostLacks(
                f"'{self._source.name}' cannot be fetched",
                why="there is no 'git' on this machine",
                hint="install it (apt-get install git, dnf install git), or fetch the files yourself",
            ) from None
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def _failed(self, said: str, hint: str = "") -> NetworkFailed:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        told = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))] or lines[-1:]
        why = "; ".join(line.partition(": ")[2] or line for line in told[:3])
        return NetworkFailed(
            f"'{self._source.name}' cannot be fetched",
            why="".join(char for char in why if char.isprintable()),
            hint=hint or "'git ls-remote' with the same address says more",
        )


def _forget(work: str) -> None:
    """What git keeps for itself, also of submodules."""
    from wherry.containers import remove_tree

    if os.path.lexists(f"{work}/.gitmodules"):
        for folder, folders, files in os.walk(work):
            if ".git" in files:
                os.unlink(f"{folder}/.git")
            if folder != work and ".git" in folders:
                folders.remove(".git")
                remove_tree(f"{folder}/.git")
    remove_tree(f"{work}/.git")
