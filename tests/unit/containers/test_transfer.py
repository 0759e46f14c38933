"""Trees on their way: framed and back equal, and never written outside their destination."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.base.errors import Conflict, NotFound, WherryError
from wherry.containers.transfer import Item, read_tree, receive, send, write_tree
from wherry.containers.trees import remove_tree

names = st.binary(min_size=1, max_size=12).map(os.fsdecode).filter(lambda name: name not in (".", ".."))


def entry(item: Item, content: bytes = b"") -> tuple[Item, Iterator[bytes]]:
    return item, iter([content] if content else [])


@given(st.lists(st.tuples(st.lists(names, max_size=3), st.binary(max_size=300), names), max_size=8))
def test_what_is_sent_is_received_equal(things: list[tuple[list[str], bytes, str]]) -> None:
    entries = [
        (Item(tuple(path), "file", 0o644, 17, len(content), target, target), content)
        for path, content, target in things
    ]
    pipe = io.BytesIO()
    send([(item, iter([content])) for item, content in entries], pipe)
    pipe.seek(0)
    assert [(item, b"".join(content)) for item, content in receive(pipe)] == entries


def test_a_stream_that_is_cut_is_an_error() -> None:
    pipe = io.BytesIO()
    send([entry(Item((), "file", 0o644, 0, 100), b"x" * 100)], pipe)
    for length in (0, 4, 12, pipe.tell() - 30):
        with pytest.raises(WherryError, match="cut"):
            for _, content in receive(io.BytesIO(pipe.getvalue()[:length])):
                list(content)


def test_a_file_that_shrinks_or_grows_meanwhile_keeps_the_frame() -> None:
    pipe = io.BytesIO()
    send([entry(Item(("a",), "file", 0, 0, 10), b"short"), entry(Item(("b",), "file", 0, 0, 3), b"longer")], pipe)
    pipe.seek(0)
    found = [(item.path, b"".join(content)) for item, content in receive(pipe)]
    assert found == [(("a",), b"short" + bytes(5)), (("b",), b"lon")]


@pytest.mark.parametrize("path", [("..", "x"), ("a", "..", "b"), ("/etc",), ("",), ("a/b",), ("a\0b",)])
def test_paths_that_would_lead_out_are_refused(tmp_path: Path, path: tuple[str, ...]) -> None:
    (tmp_path / "to").mkdir()
    entries = iter([entry(Item((), "dir", 0o755, 0, 0, "", "d")), entry(Item(path, "file", 0o644, 0, 1), b"x")])
    with pytest.raises(WherryError):
        write_tree(entries, str(tmp_path / "to"))
    assert sorted(os.listdir(tmp_path)) == ["to"]


def test_a_link_that_arrives_is_not_followed_by_what_comes_after_it(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "victim").mkdir()
    items = [
        entry(Item((), "dir", 0o755, 0, 0, "", "d")),
        entry(Item(("a",), "link", 0o777, 0, 0, str(tmp_path / "victim"))),
        entry(Item(("a", "x"), "file", 0o644, 0, 1), b"x"),
    ]
    with pytest.raises(WherryError):
        write_tree(iter(items), str(tmp_path / "to"))
    assert os.listdir(tmp_path / "victim") == []


def test_a_link_that_is_there_is_not_followed_below_the_destination(tmp_path: Path) -> None:
    (tmp_path / "to" / "d").mkdir(parents=True)
    (tmp_path / "victim").write_text("safe")
    (tmp_path / "to" / "d" / "f").symlink_to(tmp_path / "victim")
    items = [entry(Item((), "dir", 0o755, 0, 0, "", "d")), entry(Item(("f",), "file", 0o644, 0, 4), b"evil")]
    write_tree(iter(items), str(tmp_path / "to"))
    assert (tmp_path / "victim").read_text() == "safe"
    assert (tmp_path / "to" / "d" / "f").read_text() == "evil"


def test_a_tree_is_copied_with_modes_times_and_links(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "file").write_bytes(b"content")
    (source / "sub" / "file").chmod(0o4751)
    (source / "link").symlink_to("sub/file")
    os.mkfifo(source / "pipe")
    (source / "sub").chmod(0o550)
    os.utime(source / "sub", ns=(5, 1_600_000_000_123_456_789))
    write_tree(read_tree(str(source)), str(tmp_path / "copy"))
    copy = tmp_path / "copy"
    assert (copy / "sub" / "file").stat().st_mode & 0o7777 == 0o751  # set-id bits are nobody's wish
    assert (copy / "sub").stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert (copy / "sub").stat().st_mode & 0o777 == 0o550
    assert os.readlink(copy / "link") == "sub/file"
    assert not os.path.lexists(copy / "pipe")


def test_where_it_goes_follows_dockers_rules(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "inner").write_text("y")
    (tmp_path / "there").mkdir()
    write_tree(read_tree(f"{tmp_path}/file"), f"{tmp_path}/there")
    write_tree(read_tree(f"{tmp_path}/dir"), f"{tmp_path}/there")
    write_tree(read_tree(f"{tmp_path}/dir/."), f"{tmp_path}/there")
    write_tree(read_tree(f"{tmp_path}/dir"), f"{tmp_path}/new")
    assert sorted(os.listdir(tmp_path / "there")) == ["dir", "file", "inner"]
    assert os.listdir(tmp_path / "new") == ["inner"]
    with pytest.raises(NotFound):
        write_tree(read_tree(f"{tmp_path}/file"), f"{tmp_path}/none/")
    with pytest.raises(NotFound):
        write_tree(read_tree(f"{tmp_path}/file"), f"{tmp_path}/none/x")
    with pytest.raises(Conflict):
        write_tree(read_tree(f"{tmp_path}/dir"), f"{tmp_path}/file")
    with pytest.raises(NotFound):
        list(read_tree(f"{tmp_path}/none"))


def test_removing_does_not_follow_links_and_opens_locked_folders(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "x").touch()
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "victim")
    (tmp_path / "tree" / "a" / "b").chmod(0)
    (tmp_path / "tree" / "a").chmod(0o111)
    remove_tree(str(tmp_path / "tree"))
    assert not (tmp_path / "tree").exists()
    assert (tmp_path / "victim" / "x").exists()
    with pytest.raises(FileNotFoundError):
        remove_tree(str(tmp_path / "tree"))


def test_a_very_deep_tree_is_removed(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    remove_tree(str(tmp_path / "d"))
    assert os.listdir(tmp_path) == []


def test_a_pipe_alone_is_refused_with_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WherryError) as caught:
        list(read_tree(str(tmp_path / "pipe")))
    assert "it is a pipe" in caught.value.why


def test_nothing_stays_of_a_new_tree_that_came_in_part(tmp_path: Path) -> None:
    def entries() -> Iterator[tuple[Item, Iterator[bytes]]]:
        yield entry(Item((), "dir", 0o755, 0, 0, "", "d"))
        yield entry(Item(("f",), "file", 0o644, 0, 1), b"x")
        raise WherryError("cannot read the next one")

    with pytest.raises(WherryError, match="the next one") as caught:
        write_tree(entries(), str(tmp_path / "new"))
    assert not os.listdir(tmp_path)
    assert "stays" not in caught.value.hint


def test_what_came_into_a_directory_that_was_there_is_said_to_stay(tmp_path: Path) -> None:
    def entries() -> Iterator[tuple[Item, Iterator[bytes]]]:
        yield entry(Item((), "dir", 0o755, 0, 0, "", "d"))
        raise WherryError("cannot read the next one")

    (tmp_path / "d").mkdir()
    with pytest.raises(WherryError, match="the next one") as caught:
        write_tree(entries(), str(tmp_path))
    assert "stays" in caught.value.hint
