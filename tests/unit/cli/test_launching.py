"""What the start verbs hand to the use cases: options, and the words under which a plan may be saved."""

from __future__ import annotations

from typing import Any

import pytest

from wherry import containers
from wherry.base.progress import Event
from wherry.cli import main
from wherry.launch.options import ExecOptions, RunOptions


class Prepared:
    def execute(self) -> int:
        return 0


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """The (options, prefix) of each start; nothing is started."""
    calls: list[tuple[Any, Any]] = []

    def prepare(options: RunOptions, *, world: object, prefix: object, progress: Any) -> Prepared:
        calls.append((options, prefix))
        progress(Event("abc", "exists"))
        return Prepared()

    def prepare_exec(options: ExecOptions, *, world: object) -> Prepared:
        calls.append((options, None))
        return Prepared()

    def create(options: RunOptions, *, world: object, progress: object) -> str:
        calls.append((options, None))
        return "f" * 64

    for name, function in (("prepare", prepare), ("prepare_exec", prepare_exec), ("create", create)):
        monkeypatch.setattr(containers, name, function)
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("WHERRY_SITE_SETTINGS", "/nonexistent")
    monkeypatch.delenv("WHERRY_FACE", raising=False)
    return calls


@pytest.mark.parametrize(
    ("line", "prefix"),
    [
        ("run i", ("wherry", "run", "i")),
        ("run -e A=1 i ls -l", ("wherry", "run", "-e", "A=1", "i")),
        ("run i -- ls", ("wherry", "run", "i")),
        ("shell --here i", ("wherry", "shell", "--here", "i")),
        ("run -- ls", ("wherry", "run", "--")),
        ("run", None),
        ("run --pull always i", None),
        ("run --pull=never i", ("wherry", "run", "--pull=never", "i")),
    ],
)
def test_a_plan_is_saved_under_the_words_up_to_the_image(
    asked: list[tuple[Any, Any]], line: str, prefix: object
) -> None:
    main.main(line.split())
    assert asked[0][1] == prefix


def test_the_setting_that_asks_the_registry_always_saves_no_plan(
    asked: list[tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHERRY_RUN_PULL", "always")
    main.main(["run", "i"])
    assert asked[0][1] is None


def test_another_face_has_plans_of_its_own(asked: list[tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERRY_FACE", "docker")
    main.main(["run", "i"])
    assert asked[0][1] == ("docker", "run", "i")


def test_dashes_in_place_of_the_image_leave_it_to_the_settings(asked: list[tuple[Any, Any]]) -> None:
    main.main(["run", "--", "make", "-j"])
    assert (asked[0][0].image, asked[0][0].command) == ("", ("make", "-j"))


def test_a_shell_says_that_it_is_one(asked: list[tuple[Any, Any]]) -> None:
    main.main(["shell", "i", "-c", "ls"])
    assert asked[0][0] == RunOptions(image="i", command=("-c", "ls"), shell=True)


def test_create_prints_the_id(asked: list[tuple[Any, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["create", "--name", "lab", "i"]) == 0
    assert capsys.readouterr().out == "f" * 64 + "\n"
    assert asked[0][0].name == "lab"


def test_exec_takes_its_own_options_and_drops_one_pair_of_dashes(asked: list[tuple[Any, Any]]) -> None:
    main.main(["exec", "-it", "-e", "A", "-u", "0", "lab", "--", "ls", "--", "-l"])
    expected = ExecOptions(
        container="lab", command=("ls", "--", "-l"), env=("A",), user="0", interactive=True, terminal=True
    )
    assert asked[0][0] == expected


@pytest.mark.parametrize("words", [["exec", "lab"], ["exec", "--", "lab"], ["exec", "", "ls"]])
def test_exec_without_container_or_command_is_refused(
    asked: list[tuple[Any, Any]], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == 125
    assert asked == []
    assert "'wherry exec' needs a" in capsys.readouterr().err
