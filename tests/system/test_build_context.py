"""Contexts and sources that are fetched: tars, git repositories, files behind URLs; with a real git and server."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from layers import Item, directory, file, hardlink, symlink, tar_of
from web_folder import served_folder
from wherry.base.digest import Digest
from wherry.base.errors import DigestMismatch, HostLacks, NetworkFailed, NotFound, UsageError
from wherry.build.context import (
    Selection,
    cloned,
    commit_time,
    copy_into,
    digest,
    downloaded,
    inline,
    open_context,
    select,
)
from wherry.build.dockerfile.instructions import Position
from wherry.build.graph import CopyStep, Origin
from wherry.image import Tree

WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
CONTENT = (
    directory("./", 0o711, uid=4),
    directory("d", 0o775, uid=1, gid=2),
    file("d/f", b"content", 0o664, uid=33, gid=44),
    file("run", b"#!", 0o4755),
    symlink("l", "d/f"),
    hardlink("h", "d/f"),
    Item("null", b"3", mode=0o666, device=(1, 3)),
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    with served_folder(tmp_path / "served") as address:
        yield tmp_path / "served", address


@pytest.fixture
def work(tmp_path: Path) -> str:
    (tmp_path / "work").mkdir()
    return str(tmp_path / "work")


def git(repository: Path, *arguments: str, when: int = 1_600_000_000) -> str:
    date = f"{when} +0000"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(repository),
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_DATE": date,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *who, "-C", str(repository), *arguments], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A bare one, with a branch, a tag, and a directory."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    git(source, "init", "--quiet")
    (source / "Dockerfile").write_text("FROM scratch\n")
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o700)
    (source / "sub" / "f").write_text("one\n")
    (source / "sub" / "out").symlink_to("/etc")
    git(source, "add", ".")
    git(source, "commit", "--quiet", "-m", "one")
    git(source, "tag", "v1")
    (source / "sub" / "f").write_text("two\n")
    git(source, "commit", "--quiet", "-am", "two", when=1_600_000_100)
    git(source, "branch", "side")
    git(source, "clone", "--quiet", "--bare", str(source), str(tmp_path / "repo.git"))
    return tmp_path / "repo.git"


def copied(selection: Selection, target: str, tmp_path: Path, **options: object) -> Path:
    upper = tmp_path / "copied" / "upper"
    upper.mkdir(parents=True, exist_ok=True)
    step = CopyStep(origin=Origin(Position(1), "ADD", "0"), parent=0, sources=(), target=target, **options)  # type: ignore[arg-type]
    copy_into(str(upper), Tree([]), selection, step, mtime=1_500_000_000)
    return upper


def owner(path: Path) -> str:
    return os.getxattr(path, "user.wherry.owner").decode()


# ---- tars -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITERS)
def test_a_tar_is_a_context_however_it_is_compressed(kind: str, tmp_path: Path, work: str) -> None:
    archive = tmp_path / "context"
    archive.write_bytes(WRITERS[kind](tar_of(CONTENT)))
    found = open_context(str(archive), work=work)
    assert Path(found.root, "d/f").read_text() == "content"
    assert stat.S_IMODE(os.stat(f"{found.root}/d/f").st_mode) == 0o664
    assert stat.S_IMODE(os.stat(f"{found.root}/run").st_mode) == 0o4755
    assert not os.path.lexists(f"{found.root}/null")
    assert found.root.startswith(work)


def test_standard_input_is_a_tar_or_a_recipe(work: str) -> None:
    found = open_context("-", work=work, stdin=io.BytesIO(gzip.compress(tar_of(CONTENT))))
    assert Path(found.root, "d/f").exists()
    found = open_context("-", work=work, stdin=io.BytesIO(b"FROM scratch\n"))
    assert found.recipe == b"FROM scratch\n"
    assert os.listdir(found.root) == []
    for nothing in (b"", b"\n", bytes(1024), b"FROM\0"):
        with pytest.raises(UsageError):
            open_context("-", work=work, stdin=io.BytesIO(nothing))


def test_what_is_no_context_says_so(tmp_path: Path, work: str) -> None:
    with pytest.raises(NotFound, match="there is no context"):
        open_context(str(tmp_path / "none"), work=work)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(UsageError) as error:
        open_context(str(tmp_path / "Dockerfile"), work=work)
    assert "-f" in error.value.hint


@pytest.mark.parametrize("kind", WRITERS)
def test_an_archive_is_unpacked_with_owners_and_devices(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(WRITERS[kind](tar_of(CONTENT)))
    upper = copied(select(str(tmp_path), ["a.tar"], unpack=True), "/to", tmp_path)
    assert owner(upper / "to") == "0:0:755"  # as BuildKit: what the archive says of its root is not the target's
    assert owner(upper / "to/d") == "1:2:775"
    assert owner(upper / "to/d/f") == "33:44:664"
    assert owner(upper / "to/run") == "0:0:4755"
    assert owner(upper / "to/null") == "0:0:666:c:1:3"
    assert os.readlink(upper / "to/l") == "d/f"
    assert (upper / "to/h").stat().st_ino == (upper / "to/d/f").stat().st_ino
    assert (upper / "to/d/f").stat().st_mtime == 1_700_000_000
    assert sorted(os.listdir(upper.parent)) == ["upper"]


def test_an_archive_wins_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar_of([file("d", b"file"), directory("f"), file("f/x", b"x")]))
    (tmp_path / "dir" / "d").mkdir(parents=True)
    (tmp_path / "dir" / "d" / "old").write_text("old")
    (tmp_path / "dir" / "f").write_text("old")
    copied(select(str(tmp_path), ["dir"]), "/to", tmp_path)
    upper = copied(select(str(tmp_path), ["a.tar"], unpack=True), "/to", tmp_path)
    assert (upper / "to/d").read_text() == "file"
    assert (upper / "to/f/x").read_text() == "x"


def test_what_is_no_archive_is_copied(tmp_path: Path) -> None:
    for name, data in (("a.tar", b"no tar"), ("b.tar.gz", gzip.compress(b"text")), ("c.tar", bytes(1024))):
        (tmp_path / name).write_bytes(data)
        upper = copied(select(str(tmp_path), [name], unpack=True), "/to/", tmp_path)
        assert (upper / "to" / name).read_bytes() == data


def test_without_unpacking_an_archive_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar_of(CONTENT))
    assert (copied(select(str(tmp_path), ["a.tar"]), "/to/", tmp_path) / "to/a.tar").is_file()


# ---- git ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fragment", "content", "time"),
    [("", "two", 100), ("#v1", "one", 0), ("#side", "two", 100), ("#main", "two", 100), ("?tag=v1", "one", 0)],
)
def test_a_repository_is_a_context(repository: Path, work: str, fragment: str, content: str, time: int) -> None:
    found = open_context(f"file://{repository}{fragment}", work=work)
    assert Path(found.root, "sub/f").read_text() == f"{content}\n"
    assert found.commit_time == 1_600_000_000 + time
    assert not os.path.lexists(f"{found.root}/.git")
    assert stat.S_IMODE(os.stat(f"{found.root}/run").st_mode) == 0o755
    assert stat.S_IMODE(os.stat(f"{found.root}/sub/f").st_mode) == 0o644


def test_a_directory_of_a_repository_is_a_context(repository: Path, work: str) -> None:
    assert os.listdir(open_context(f"{repository}#v1:sub", work=work).root) != []
    assert Path(open_context(f"file://{repository}?subdir=sub", work=work).root, "f").read_text() == "two\n"
    for directory_ in ("none", "sub/f", "sub/out"):
        with pytest.raises(NotFound, match="there is no directory"):
            open_context(f"file://{repository}#main:{directory_}", work=work)


def test_a_commit_is_found_by_its_hash(repository: Path, work: str) -> None:
    commit = git(repository, "rev-parse", "v1")
    for name in (commit, commit[:8]):
        assert Path(open_context(f"file://{repository}#{name}", work=work).root, "sub/f").read_text() == "one\n"
    assert open_context(f"file://{repository}?tag=v1&commit={commit}", work=work).commit_time == 1_600_000_000
    with pytest.raises(DigestMismatch, match="is not the commit"):
        open_context(f"file://{repository}?branch=main&commit={commit}", work=work)


def test_what_is_not_there_is_told_in_gits_words(repository: Path, work: str, tmp_path: Path) -> None:
    with pytest.raises(NetworkFailed, match="couldn't find remote ref nothing"):
        open_context(f"file://{repository}#nothing", work=work)
    with pytest.raises(NetworkFailed, match="cannot be fetched"):
        open_context(f"file://{tmp_path}/none.git", work=work)
    with pytest.raises(NotFound, match="there is no commit"):
        open_context(f"file://{repository}#0123456789", work=work)


def test_without_git_it_is_said_what_to_install(repository: Path, work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", work)
    with pytest.raises(HostLacks) as error:
        open_context(f"file://{repository}", work=work)
    assert "install" in error.value.hint


def test_the_callers_repository_is_not_taken_for_it(
    repository: Path, work: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "source" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "source"))
    assert Path(open_context(f"file://{repository}#v1", work=work).root, "sub/f").read_text() == "one\n"
    assert (tmp_path / "source" / "sub" / "f").read_text() == "two\n"


def test_a_repository_over_http_is_a_source(
    repository: Path, served: tuple[Path, str], tmp_path: Path, work: str
) -> None:
    folder, address = served
    git(repository, "update-server-info")
    repository.rename(folder / "repo.git")
    commit = git(folder / "repo.git", "rev-parse", "v1")
    upper = copied(cloned(f"{address}/repo.git#{commit}", work), "/src", tmp_path)
    assert (upper / "src/sub/f").read_text() == "one\n"
    assert {path.lstat().st_mtime for path in upper.rglob("*")} == {1_500_000_000}
    assert not (upper / "src/.git").exists()
    upper = copied(cloned(f"{address}/repo.git", work, keep_git_dir=True, checksum=""), "/kept", tmp_path)
    assert (upper / "kept/.git/HEAD").is_file()
    with pytest.raises(DigestMismatch):
        _ = cloned(f"{address}/repo.git", work, checksum=commit).picks


def test_what_can_only_be_one_thing_is_fetched_once(
    repository: Path, served: tuple[Path, str], tmp_path: Path, work: str
) -> None:
    folder, address = served
    git(repository, "update-server-info")
    repository.rename(folder / "repo.git")
    (folder / "data").write_bytes(b"data")
    known = str(Digest.of(b"data"))

    def digests(name: str) -> tuple[Digest, Digest]:
        cache = str(tmp_path / "cache")
        return digest(downloaded(f"{address}/{name}", known, work), cache), digest(
            cloned(f"{address}/repo.git#v1", work), cache
        )

    first, fetched = digests("data"), sorted(os.listdir(work))
    (folder / "data").unlink()
    os.rename(folder / "repo.git" / "objects", folder / "objects")  # only its branches and tags are there
    assert digests("data") == first
    assert sorted(os.listdir(work)) == fetched
    with pytest.raises(NotFound):
        digests("other")
    git_ = cloned(f"{address}/repo.git#main", work)
    with pytest.raises(NetworkFailed):
        digest(git_, str(tmp_path / "cache"))


def test_a_recipe_names_no_repository_of_this_machine(repository: Path, work: str) -> None:
    for address in (f"file://{repository}", str(repository)):
        with pytest.raises(UsageError, match="that a recipe may name"):
            cloned(address, work)


def test_the_commit_of_a_directory_is_known(repository: Path, tmp_path: Path) -> None:
    assert commit_time(str(tmp_path / "source" / "sub")) == 1_600_000_100
    assert commit_time(str(tmp_path / "source" / "Dockerfile")) == 1_600_000_100
    git(tmp_path / "source", "gc", "--quiet")  # now it is in a pack
    assert commit_time(str(tmp_path / "source")) == 1_600_000_100
    git(tmp_path / "source", "worktree", "add", "--quiet", str(tmp_path / "tree"), "v1")
    assert commit_time(str(tmp_path / "tree" / "sub")) == 1_600_000_000
    (tmp_path / "plain").mkdir()
    assert commit_time(str(tmp_path / "plain")) is None
    (tmp_path / "plain" / ".git").mkdir()
    assert commit_time(str(tmp_path / "plain")) is None


# ---- URLs and heredocs ----------------------------------------------------------------------------------------------


def test_a_file_behind_a_url_has_its_servers_time_and_is_its_owners_only(
    served: tuple[Path, str], tmp_path: Path, work: str
) -> None:
    folder, address = served
    (folder / "data set.bin").write_bytes(b"data")
    os.utime(folder / "data set.bin", (1_400_000_000, 1_400_000_000))
    found = downloaded(f"{address}/data%20set.bin?x=1", str(Digest.of(b"data")), work)
    upper = copied(found, "/to/", tmp_path)
    status = (upper / "to/data set.bin").stat()
    assert (upper / "to/data set.bin").read_bytes() == b"data"
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o600, 1_400_000_000)
    with pytest.raises(DigestMismatch):
        _ = downloaded(f"{address}/data%20set.bin", str(Digest.of(b"other")), work).picks
    with pytest.raises(NotFound):
        downloaded(f"{address}/none", "", work)


def test_an_archive_behind_a_url_is_unpacked_if_wanted(served: tuple[Path, str], tmp_path: Path, work: str) -> None:
    folder, address = served
    (folder / "a.tgz").write_bytes(gzip.compress(tar_of(CONTENT)))
    assert (copied(downloaded(f"{address}/a.tgz", "", work), "/a/", tmp_path) / "a/a.tgz").is_file()
    upper = copied(downloaded(f"{address}/a.tgz", "", work, unpack=True), "/b/", tmp_path)
    assert (upper / "b/d/f").read_text() == "content"


def test_a_url_is_a_context_or_a_recipe(served: tuple[Path, str], work: str) -> None:
    folder, address = served
    (folder / "context.tar.gz").write_bytes(gzip.compress(tar_of(CONTENT)))
    (folder / "Dockerfile").write_text("FROM scratch\n")
    assert Path(open_context(f"{address}/context.tar.gz", work=work).root, "d/f").exists()
    assert open_context(f"{address}/Dockerfile", work=work).recipe == b"FROM scratch\n"


def test_plain_http_needs_a_checksum(work: str) -> None:
    with pytest.raises(UsageError) as error:
        downloaded("http://example.org/file", "", work)
    assert "--checksum" in error.value.hint


def test_a_heredoc_is_a_file(tmp_path: Path, work: str) -> None:
    upper = copied(inline("EOF*", b"text\n", work), "/etc/motd", tmp_path)
    assert (upper / "etc/motd").read_text() == "text\n"
    assert stat.S_IMODE((upper / "etc/motd").stat().st_mode) == 0o644
    upper = copied(inline("b[.txt", b"", work), "/etc/", tmp_path, mode="755")
    assert stat.S_IMODE((upper / "etc/b[.txt").stat().st_mode) == 0o755


def test_a_tar_of_pythons_own_making_is_a_context(tmp_path: Path, work: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ("n" * 200)).write_text("long")
    with tarfile.open(tmp_path / "c.tar", "w:xz") as archive:
        archive.add(tmp_path / "deep", "deep")
    found = open_context(str(tmp_path / "c.tar"), work=work)
    assert Path(found.root, "deep", "n" * 200).read_text() == "long"
