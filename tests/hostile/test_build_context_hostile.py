"""Contexts, archives and repositories that mean harm: nothing outside is read or written, nothing hangs or fills."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from layers import Item, directory, file, hardlink, symlink, tar_of
from wherry.base.errors import BrokenArchive, HostileArchive, NetworkFailed, NotFound, StoreFull, WherryError
from wherry.build.context import Context, copy_into, digest, open_context, parse_ignore, read_ignore, select
from wherry.build.dockerfile.instructions import Position
from wherry.build.graph import CopyStep, Origin
from wherry.image import Tree

SECRET = "secret of somebody else"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "f").write_text(SECRET)
    return folder


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    return folder


@pytest.fixture
def work(tmp_path: Path) -> str:
    (tmp_path / "work").mkdir()
    return str(tmp_path / "work")


def copied(root: str, sources: list[str], tmp_path: Path, **options: bool) -> Path:
    upper = tmp_path / "made" / "upper"
    upper.mkdir(parents=True, exist_ok=True)
    step = CopyStep(origin=Origin(Position(1), "COPY", "0"), parent=0, sources=(), target="/to/")
    selection = select(root, sources, **options)
    digest(selection)
    copy_into(str(upper), Tree([]), selection, step)
    return upper / "to"


def held(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.mark.parametrize(
    "source",
    [
        "../outside/f",
        "../../../../etc/passwd",
        "/etc/passwd",
        "up/outside/f",
        "far/f",
        "up",
        "far",
        "etc*/passwd",
        "far/*",
    ],
)
def test_no_source_leads_out_of_the_context(source: str, context: Path, outside: Path, tmp_path: Path) -> None:
    (context / "up").symlink_to("..")
    (context / "far").symlink_to(outside)
    (context / "etc").symlink_to("/etc")
    (context / "own").write_text("own")
    with suppress(NotFound):
        assert SECRET not in held(copied(str(context), [source], tmp_path))
        assert not list(tmp_path.glob("made/upper/**/passwd"))


@contextmanager
def swapped(folder: Path, other: Path) -> Iterator[None]:
    """``folder`` is by turns a directory and a link to ``other``."""
    aside, link = folder.with_name("aside"), folder.with_name("link")
    link.symlink_to(other)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            os.rename(folder, aside)
            os.rename(link, folder)
            os.rename(folder, link)
            os.rename(aside, folder)

    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_directory_that_is_swapped_for_a_link_leads_nowhere(context: Path, outside: Path, tmp_path: Path) -> None:
    (context / "d" / "sub").mkdir(parents=True)
    (context / "d" / "f").write_text("own")
    (context / "d" / "sub" / "f").write_text("own")
    (outside / "sub").mkdir()
    (outside / "sub" / "f").write_text(SECRET)
    with swapped(context / "d", outside):
        for _ in range(150):
            with suppress(WherryError):
                copied(str(context), ["d/sub/f", "d/f", "d"], tmp_path)
    assert SECRET not in held(tmp_path / "made")


@pytest.mark.timeout(60)
def test_pipes_hold_nothing_up(context: Path, tmp_path: Path) -> None:
    os.mkfifo(context / "pipe")
    os.mkfifo(context / ".dockerignore")
    (context / "f").write_text("f")
    read_ignore(Context("x", str(context)))
    with pytest.raises(WherryError, match="a pipe"):
        copied(str(context), ["pipe"], tmp_path)
    assert sorted(os.listdir(copied(str(context), ["."], tmp_path))) == ["f"]
    with pytest.raises(WherryError):
        open_context(str(context / "pipe"), work=str(tmp_path))


def test_a_file_that_becomes_a_pipe_or_link_is_not_opened(context: Path, outside: Path, tmp_path: Path) -> None:
    for number in range(2):
        (context / "f").write_text("own")
        selection = select(str(context), ["f"])
        (context / "f").unlink()
        if number:
            os.mkfifo(context / "f")
        else:
            (context / "f").symlink_to(outside / "f")
        with pytest.raises(WherryError, match="was changed while it was read"):
            digest(selection)
        (context / "f").unlink()


def test_a_file_that_is_written_while_it_is_copied_is_told(context: Path, tmp_path: Path) -> None:
    (context / "f").write_bytes(bytes(1 << 20))
    selection = select(str(context), ["f"])
    with open(context / "f", "r+b") as changed:
        changed.write(b"x")
    upper = tmp_path / "upper"
    upper.mkdir()
    step = CopyStep(origin=Origin(Position(1), "COPY", "0"), parent=0, sources=(), target="/to/")
    with pytest.raises(WherryError, match="'f' of the context was changed while it was read"):
        copy_into(str(upper), Tree([]), selection, step)


def test_a_context_deeper_than_calls_nest_is_copied(context: Path, tmp_path: Path) -> None:
    here = os.open(context, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=here))
    os.close(here)
    to = copied(str(context), ["."], tmp_path)
    assert os.path.exists(f"{to}/{'d/' * 1500}f")
    ignore = parse_ignore(b"**/f\n")
    assert len(select(str(context), ["."], ignore=ignore).picks[0].entries) == 1501
    subprocess.run(["rm", "-rf", str(context), str(to)], check=True)


def test_names_may_be_anything(context: Path, tmp_path: Path) -> None:
    names = [b"new\nline", b"\xff\xfe", b"-rf", b"a\\b", b"[x", b"*", b" ", "\u00e9".encode(), b"n" * 255]
    for name in names:
        with open(os.path.join(os.fsencode(context), name), "wb") as written:
            written.write(name)
    to = copied(str(context), ["."], tmp_path)
    assert sorted(os.listdir(os.fsencode(to))) == sorted(names)
    assert (copied(str(context), ["\\*", "[[]x"], tmp_path) / "*").read_bytes() == b"*"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ([file("../out", b"x")], HostileArchive),
        ([file("d/../../out", b"x")], HostileArchive),
        ([symlink("l", "/tmp"), file("l/out", b"x")], HostileArchive),
        ([symlink("l", ".."), directory("l/out")], HostileArchive),
        ([hardlink("h", "../../outside/f")], HostileArchive),
        ([hardlink("h", "/outside/f")], BrokenArchive),
    ],
    ids=["dots", "dots-inside", "through-link", "directory-through-link", "hard-link-out", "hard-link-absolute"],
)
def test_a_tar_that_leads_out_is_refused(
    content: list[Item], error: type[WherryError], context: Path, outside: Path, tmp_path: Path, work: str
) -> None:
    data = tar_of(content)
    try:
        found = open_context("-", work=work, stdin=io.BytesIO(data))
        assert SECRET not in held(Path(found.root))  # a link that it makes inside harms nobody
    except WherryError as refused:
        assert isinstance(refused, (HostileArchive, BrokenArchive)), refused
    (context / "a.tar").write_bytes(data)
    with suppress(HostileArchive, BrokenArchive):
        assert SECRET not in held(copied(str(context), ["a.tar"], tmp_path, unpack=True))
    assert not list(tmp_path.glob("out")) + list(tmp_path.glob("work/out"))
    assert not os.path.lexists("/tmp/out")
    assert (outside / "f").read_text() == SECRET


def test_links_in_a_tar_context_lead_nowhere(outside: Path, tmp_path: Path, work: str) -> None:
    data = tar_of([symlink("l", str(outside)), symlink("f", f"{outside}/f"), directory("d")])
    root = open_context("-", work=work, stdin=io.BytesIO(data)).root
    for source in ("l/f", "f"):
        with pytest.raises(NotFound):
            copied(root, [source], tmp_path)


def test_ten_gigabytes_from_ten_kilobytes_are_refused(context: Path, tmp_path: Path, work: str) -> None:
    info = bytearray(tar_of([file("zeros", b"")])[:512])
    info[124:136] = b"%011o\0" % (5 << 30)
    info[148:156] = b" " * 8
    info[148:156] = b"%06o\0 " % sum(info)
    zeros = bz2.compress(bytes(64 << 20))
    bomb = (bz2.compress(bytes(info)) + zeros * 80) * 2
    assert len(bomb) < 16 << 10
    with pytest.raises((HostileArchive, StoreFull)):
        open_context("-", work=work, stdin=io.BytesIO(bomb))
    (context / "bomb.tar.bz2").write_bytes(bomb)
    with pytest.raises((HostileArchive, StoreFull)):
        copied(str(context), ["bomb.tar.bz2"], tmp_path, unpack=True)
    assert sum(path.stat().st_blocks * 512 for path in tmp_path.rglob("*") if path.is_file()) < 256 << 20


def test_a_cut_archive_is_told(work: str) -> None:
    data = gzip.compress(tar_of([file("f", os.urandom(1 << 20))]))
    with pytest.raises(BrokenArchive):
        open_context("-", work=work, stdin=io.BytesIO(data[: len(data) // 2]))


# ---- git ------------------------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> None:
    settings = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *settings, "-C", str(folder), *arguments], check=True, capture_output=True, env=environment)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "f").write_text("own")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    return folder


@pytest.mark.parametrize("spec", ["ext::sh -c touch% MARK .git", "--upload-pack=touch MARK;.git", "-uMARK.git"])
def test_an_address_is_no_command(spec: str, tmp_path: Path, work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WherryError):
        open_context(spec.replace("MARK", str(tmp_path / "mark")), work=work)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("ref", ["--upload-pack=touch MARK", "-x", "main --upload-pack=x", "$(touch MARK)"])
def test_a_branch_is_no_option(ref: str, repository: Path, tmp_path: Path, work: str) -> None:
    with pytest.raises(WherryError):
        open_context(f"file://{repository}#{ref.replace('MARK', str(tmp_path / 'mark'))}", work=work)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "address", ["ext::sh -c touch% {mark}", "file://{outside}", "{outside}", "--upload-pack=touch {mark}"]
)
def test_a_submodule_takes_nothing_of_this_machine(
    address: str, repository: Path, outside: Path, tmp_path: Path, work: str
) -> None:
    git(outside, "init", "--quiet", "--initial-branch=main")
    git(outside, "add", ".")
    git(outside, "commit", "--quiet", "-m", "secret")
    git(repository, "submodule", "--quiet", "add", str(outside), "sub")
    shown = address.format(mark=tmp_path / "mark", outside=outside)
    git(repository, "config", "-f", ".gitmodules", "submodule.sub.url", shown)
    git(repository, "commit", "--quiet", "-am", "two")
    with pytest.raises(NetworkFailed):
        open_context(f"file://{repository}", work=work)
    assert not (tmp_path / "mark").exists()
    assert not [path for path in Path(work).rglob("f") if path.is_file() and SECRET in path.read_text()]


def test_nothing_of_a_repository_is_run(repository: Path, tmp_path: Path, work: str) -> None:
    mark = tmp_path / "mark"
    hooks = repository / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "post-merge", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / name).chmod(0o755)
    (repository / ".gitattributes").write_text("* filter=evil\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "two")
    git(repository, "config", "core.hooksPath", str(hooks))
    git(repository, "config", "filter.evil.smudge", f"touch {mark}")
    git(repository, "config", "uploadpack.packObjectsHook", f"touch {mark}")
    found = open_context(f"file://{repository}", work=work)
    assert Path(found.root, "f").read_text() == "own"
    assert not mark.exists()
