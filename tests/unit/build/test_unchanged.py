"""What a build consults is noted before it is read; where that cannot be, the build is not answered the next time."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from wherry.base.outside import Outside, Stamp
from wherry.build import unchanged
from wherry.build.context import Context, commit_places, commit_time, select
from wherry.build.request import BuildOptions, Output
from wherry.build.unchanged import Consulted, may_repeat


def entries(outside: Outside, root: Path) -> dict[str, bool]:
    """The noted entries below ``root``, by path there: whether something was there."""
    found = {}
    for each in outside.inputs:
        if each.kind == "entry" and each.name.startswith(f"{root}/"):
            assert isinstance(each.value, Stamp)
            found[each.name[len(f"{root}/") :]] = each.value.exists
    return found


def a_context(folder: Path) -> Path:
    (folder / "data" / "deep").mkdir(parents=True)
    (folder / "data" / "a").write_text("a")
    (folder / "data" / "deep" / "c").write_text("c")
    (folder / "link").symlink_to("data")
    (folder / "one.py").write_text("1")
    (folder / "other.txt").write_text("2")
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return folder


def seen_of(folder: Path, *patterns: str, **more: Any) -> dict[str, bool]:
    outside = Outside({})
    selection = select(str(folder), patterns, seen=lambda path, stamp: bool(outside.entry(path, stamp)), **more)
    assert selection.picks is not None
    return entries(outside, folder)


def test_of_a_folder_all_in_it_is_noted_and_itself(tmp_path: Path) -> None:
    assert seen_of(a_context(tmp_path), "data") == {
        "data": True,
        "data/a": True,
        "data/deep": True,
        "data/deep/c": True,
    }


def test_a_link_on_the_way_is_noted_as_a_link(tmp_path: Path) -> None:
    outside = Outside({})
    seen = []
    _ = select(str(a_context(tmp_path)), ["link/a"], seen=lambda path, stamp: not seen.append((path, stamp))).picks
    found = dict(seen)
    assert found[f"{tmp_path}/link"] == Stamp.of(f"{tmp_path}/link", follow=False)
    assert found[f"{tmp_path}/data/a"] == Stamp.of(f"{tmp_path}/data/a")
    assert outside.inputs == ()


def test_of_a_pattern_the_folder_that_was_listed_counts_and_what_matched(tmp_path: Path) -> None:
    """A file that does not match may change as it likes."""
    found = seen_of(a_context(tmp_path), "*.py")
    assert found == {".": True, "one.py": True}


def test_a_place_where_nothing_is_is_noted(tmp_path: Path) -> None:
    """An excluded name decides nothing, one that was looked for and missed does."""
    seen: dict[str, Stamp] = {}
    from wherry.base.errors import NotFound

    with pytest.raises(NotFound):
        _ = select(str(a_context(tmp_path)), ["data/none"], seen=lambda *each: not seen.update([each])).picks
    assert seen[f"{tmp_path}/data/none"] == Stamp(False)


def test_only_a_build_that_names_an_image_may_be_answered(tmp_path: Path) -> None:
    plain = BuildOptions(context=str(tmp_path))
    assert may_repeat(plain)
    changes: list[dict[str, Any]] = [
        *({name: True} for name in ("no_cache", "pull", "push", "check", "debug")),
        *({name: ("x",)} for name in ("cache_to", "cache_from", "secrets", "ssh")),
        {"outputs": (Output("oci", "x"),)},
        *(
            {"iidfile": "x"},
            {"recipe": "-"},
            {"context": "-"},
            {"context": ""},
            {"context": "https://example.org/x.git"},
        ),
        {"contexts": (("base", "docker-image://x"),)},
    ]
    for change in changes:
        assert not may_repeat(BuildOptions(**{"context": str(tmp_path), **change})), change


def test_places_are_noted_before_anybody_reads_there(tmp_path: Path) -> None:
    """To the first that is there, in the order in which they are looked for."""
    outside = Outside({"HOME": "/home/x", "WHO": "me"})
    options = BuildOptions(context=str(a_context(tmp_path)), build_args=(("WHO", None), ("A", "1")))
    consulted = Consulted(outside, options)
    found = entries(outside, tmp_path)
    assert {name: there for name, there in found.items() if "/" not in name} == {
        **dict.fromkeys(("objects", "Dockerfile.dockerignore", "Dockerfile.containerignore", ".git"), False),
        **dict.fromkeys((".dockerignore", ".containerignore"), False),
        "Dockerfile": True,
    }
    names = {(each.kind, each.name): each.value for each in outside.inputs}
    assert names["env", "WHO"] == "me"
    assert ("env", "SOURCE_DATE_EPOCH") in names
    assert ("env", "A") not in names
    assert names["real", str(tmp_path)] == str(tmp_path)
    assert ("cwd", "") not in names  # no path is relative
    assert consulted.since <= time.time_ns()


def test_a_relative_path_ties_it_to_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(a_context(tmp_path))
    for options in (BuildOptions(), BuildOptions(context=str(tmp_path), recipe="Dockerfile")):
        outside = Outside({})
        assert Consulted(outside, options).repeats
        assert any(each.kind == "cwd" for each in outside.inputs)


def test_a_recipe_that_is_a_link_is_noted_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("FROM scratch\n")
    (tmp_path / "Dockerfile").symlink_to("real")
    outside = Outside({})
    assert Consulted(outside, BuildOptions(context=str(tmp_path))).repeats
    assert entries(outside, tmp_path)["real"]
    assert ("real", f"{tmp_path}/Dockerfile", f"{tmp_path}/real") in {
        (each.kind, each.name, each.value) for each in outside.inputs
    }


def test_a_link_that_leads_nowhere_may_lead_somewhere_later(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").symlink_to("nowhere")
    (tmp_path / "Containerfile").write_text("FROM scratch\n")
    assert not Consulted(Outside({}), BuildOptions(context=str(tmp_path))).repeats


def test_a_context_that_was_fetched_is_another_one_each_time(tmp_path: Path) -> None:
    consulted = Consulted(Outside({}), BuildOptions(context=str(tmp_path)))
    consulted.opened(Context("c", str(tmp_path)), str(tmp_path))
    assert consulted.repeats
    consulted.opened(Context("c", f"{tmp_path}/fetched"), str(tmp_path))
    assert not consulted.repeats


def test_too_many_entries_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unchanged, "MOST", 3)
    outside = Outside({})
    consulted = Consulted(outside, BuildOptions(context=str(tmp_path)))
    saw = consulted.opened(Context("c", str(tmp_path)), str(tmp_path))
    for number in (1, 2, 3, 3, 2, 1):
        assert saw(f"/nowhere/{number}", Stamp(False))
    assert consulted.repeats
    assert not saw("/nowhere/4", Stamp(False))
    assert not consulted.repeats


def test_who_wants_to_know_no_more_is_told_no_more(tmp_path: Path) -> None:
    """Of a context of many files the rest is not even named."""
    told: list[str] = []
    selection = select(str(a_context(tmp_path)), ["."], seen=lambda path, stamp: bool(told.append(path)))
    assert len(selection.picks[0].entries) > 4
    assert len(told) == 1


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "-q", "-b", "main", ".")
        self.git("commit", "-q", "--allow-empty", "-m", "x")

    def git(self, *words: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", *identity, *words], cwd=self.folder, check=True, capture_output=True)

    def below(self) -> Path:
        found = self.folder / "a" / "b"
        found.mkdir(parents=True, exist_ok=True)
        return found

    def places(self) -> tuple[set[str], bool] | None:
        found = commit_places(str(self.below()))
        return None if found is None else ({each.removeprefix(f"{self.folder}/") for each in found[0]}, found[1])


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_the_commit_of_a_repository_is_what_head_leads_to(repository: Repository) -> None:
    places = repository.places()
    assert places is not None
    [commit] = [each for each in places[0] if each.startswith(".git/objects/")]
    assert places == ({"a/b/.git", "a/.git", ".git/HEAD", ".git/refs/heads/main", commit}, False)
    assert commit_time(str(repository.below())) is not None


def test_of_a_packed_commit_git_is_asked_and_what_it_reads_is_named(repository: Repository) -> None:
    repository.git("gc", "-q")
    repository.git("pack-refs", "--all")
    places = repository.places()
    assert places is not None
    assert places[1]
    assert {
        ".git/HEAD",
        ".git/refs/heads/main",
        ".git/packed-refs",
        ".git/objects/pack",
        ".git/refs/replace",
    } <= places[0]
    assert commit_time(str(repository.below())) is not None


def test_where_a_commit_stands_for_another_nobody_says_what_it_depends_on(repository: Repository) -> None:
    repository.git("commit", "-q", "--allow-empty", "-m", "y")
    repository.git("replace", "HEAD", "HEAD~")
    repository.git("gc", "-q")
    repository.git("pack-refs", "--all")
    assert repository.places() is None


def test_a_tree_of_another_repository_is_not_plain(repository: Repository, tmp_path: Path) -> None:
    repository.git("worktree", "add", "-q", str(tmp_path / "tree"))
    assert commit_places(str(tmp_path / "tree")) is None


def test_outside_of_repositories_each_place_for_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    found = commit_places(str(tmp_path / "a"))
    assert found is not None
    assert found[0][:2] == (f"{tmp_path}/a/.git", f"{tmp_path}/.git")
    assert found[0][-1] == "/.git"
    assert not found[1]
    assert not any(os.path.lexists(each) for each in found[0])
