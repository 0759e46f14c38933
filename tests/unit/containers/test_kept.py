"""Kept containers: folders, names, and who owns a name."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from wherry.base.errors import Conflict, InvalidName
from wherry.containers import kept
from wherry.containers.kept import Container
from wherry.containers.names import check_name, claim_name, owner, release_name
from wherry.launch.options import Bind, RunOptions


def container(folder: Path, name: str = "", **more: object) -> Container:
    made = Container(
        id=kept.new_id(),
        name=name,
        created="2026-01-01T00:00:00.000Z",
        image="debian:12",
        image_digest="sha256:" + "0" * 64,
        options=RunOptions(image="debian:12", name=name or None, binds=(Bind("/a", "/b"),), env=("A=1",)),
    )
    kept.save(str(folder), made)
    return made


def test_what_is_saved_is_read_back_equal(tmp_path: Path) -> None:
    made = container(tmp_path, "lab")
    assert kept.read(str(tmp_path), made.id) == made
    assert (tmp_path / made.id).stat().st_mode & 0o777 == 0o700


def test_damaged_and_missing_ones_are_none(tmp_path: Path) -> None:
    made = container(tmp_path)
    (tmp_path / made.id / "container.json").write_text("{")
    assert kept.read(str(tmp_path), made.id) is None
    assert kept.read(str(tmp_path), "0" * 64) is None
    assert list(kept.kept_containers(str(tmp_path))) == []


def test_a_name_has_one_owner_who_is_named(tmp_path: Path) -> None:
    first, second = container(tmp_path, "lab"), container(tmp_path, "lab")
    claim_name(str(tmp_path), "lab", first.id)
    with pytest.raises(Conflict) as caught:
        claim_name(str(tmp_path), "lab", second.id)
    assert first.id[:12] in caught.value.why
    assert "wherry rm -f lab" in caught.value.hint


def test_of_twenty_threads_one_gets_the_name(tmp_path: Path) -> None:
    made = [container(tmp_path, "lab") for _ in range(20)]
    won: list[str] = []

    def claim(one: Container) -> None:
        try:
            claim_name(str(tmp_path), "lab", one.id)
        except Conflict:
            return
        won.append(one.id)

    threads = [threading.Thread(target=claim, args=(one,)) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    found = owner(str(tmp_path), "lab")
    assert found is not None
    assert found.id == won[0]


def test_a_name_that_a_crash_left_is_taken_over_after_a_minute(tmp_path: Path) -> None:
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "lab").write_text("f" * 64 + "\n")
    made = container(tmp_path, "lab")
    with pytest.raises(Conflict):
        claim_name(str(tmp_path), "lab", made.id)
    past = os.stat(tmp_path).st_mtime - 3600
    real = os.stat

    class Old:
        st_ctime = past

    def stat(path: object, **more: object) -> object:
        return Old() if str(path).endswith("/names/lab") else real(path, **more)  # type: ignore[arg-type, call-overload]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "stat", stat)
        claim_name(str(tmp_path), "lab", made.id)
    found = owner(str(tmp_path), "lab")
    assert found is not None
    assert found.id == made.id


def test_a_name_is_released_only_by_its_owner(tmp_path: Path) -> None:
    first, second = container(tmp_path, "lab"), container(tmp_path, "other")
    claim_name(str(tmp_path), "lab", first.id)
    release_name(str(tmp_path), "lab", second.id)
    assert owner(str(tmp_path), "lab") is not None
    release_name(str(tmp_path), "lab", first.id)
    assert owner(str(tmp_path), "lab") is None


@pytest.mark.parametrize("name", ["a", "-a", ".a", "a b", "a/b", "..", "a\n", "ä1", "x" * 129, ""])
def test_names_that_docker_refuses_are_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        check_name(name)


@pytest.mark.parametrize("name", ["ab", "a.b", "A_1-x", "9lives", "x" * 128])
def test_names_that_docker_takes_are_taken(name: str) -> None:
    check_name(name)


def test_containers_are_found_by_name_id_and_beginning(tmp_path: Path) -> None:
    made = container(tmp_path, "lab")
    claim_name(str(tmp_path), "lab", made.id)
    for text in ("lab", made.id, made.id[:8]):
        found = kept.find(str(tmp_path), text)
        assert found is not None
        assert found.id == made.id
    for text in ("", "la", "../names/lab", "names", made.id + "0"):
        assert kept.find(str(tmp_path), text) is None


def test_a_beginning_of_several_ids_is_refused(tmp_path: Path) -> None:
    for digit in "12":
        (tmp_path / ("ab" + digit * 62)).mkdir()
    with pytest.raises(Conflict, match="several"):
        kept.find(str(tmp_path), "ab")


def test_deleting_takes_folder_and_name(tmp_path: Path) -> None:
    made = container(tmp_path, "lab")
    claim_name(str(tmp_path), "lab", made.id)
    locked = tmp_path / made.id / "work" / "work"
    locked.mkdir(parents=True)
    (locked / "x").touch()
    locked.chmod(0)
    kept.delete(str(tmp_path), made)
    assert os.listdir(tmp_path) == ["names"]
    assert os.listdir(tmp_path / "names") == []
    kept.delete(str(tmp_path), made)


def test_the_exit_is_read_and_forgotten(tmp_path: Path) -> None:
    made = container(tmp_path)
    assert kept.read_exit(str(tmp_path), made.id) is None
    (tmp_path / made.id / "exit.json").write_text('{"exit":143,"signal":15,"time":"2026-01-01T00:00:00.000Z"}')
    found = kept.read_exit(str(tmp_path), made.id)
    assert found is not None
    assert (found.exit, found.signal) == (143, 15)
    kept.forget_exit(str(tmp_path), made.id)
    kept.forget_exit(str(tmp_path), made.id)
    assert kept.read_exit(str(tmp_path), made.id) is None
