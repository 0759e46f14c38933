"""Containers as ``ps`` lists them: which fit, and what each column says."""

from __future__ import annotations

from typing import Any

import pytest

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli import catalogue
from wherry.cli.containerrows import _filter, container_rows
from wherry.cli.main import read
from wherry.containers import ContainerSummary

PS = catalogue.load("ps")


def summary(number: int, **more: Any) -> ContainerSummary:
    fields: dict[str, Any] = {
        "id": f"{number:064x}",
        "names": (f"lab{number}",),
        "image": "docker.io/library/debian:12",
        "image_digest": "sha256:" + "ab" * 32,
        "command": ("sh", "-c", "a rather long command line"),
        "created": "2024-01-01T00:00:00.000Z",
        "state": "running",
        "status": "Up 2 hours",
    }
    return ContainerSummary(**{**fields, **more})


ALL = [
    summary(3, labels={"study": "7"}),
    summary(2, state="exited", status="Exited (1) 3 hours ago", exit_code=1, names=()),
    summary(1, state="exited", status="Exited (0) 3 days ago", exit_code=0, image="/data/image.tar"),
]


@pytest.fixture(autouse=True)
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    def ps(*, all: bool = False) -> list[ContainerSummary]:  # noqa: A002
        return ALL if all else [found for found in ALL if found.state == "running"]

    monkeypatch.setattr(containers, "ps", ps)


def ids(line: str) -> list[int]:
    given = read(PS, line.split())
    assert given is not None
    return [int(row["ID"], 16) for row in container_rows(given)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [3]),
        ("-a", [3, 2, 1]),
        ("-l", [3]),
        ("-n 2", [3, 2]),
        ("-n -1", [3, 2, 1]),
        ("-f status=exited", [2, 1]),
        ("-f exited=0", [1]),
        ("-a -f name=lab", [3, 1]),
        ("-a -f label=study", [3]),
        ("-a -f label=study=8", []),
        ("-a -f ancestor=debian:12", [3, 2]),
        ("-a -f ancestor=abababab", [3, 2, 1]),
        ("-a -f status=exited -f name=lab", [1]),
    ],
)
def test_which_containers_are_listed(line: str, expected: list[int]) -> None:
    assert ids(line + " --no-trunc") == expected


def test_columns_say_what_dockers_say() -> None:
    given = read(PS, ["-a"])
    assert given is not None
    row = container_rows(given)[0]
    assert row["ID"] == "0" * 12
    assert (row["Image"], row["Names"], row["Labels"]) == ("debian:12", "lab3", "study=7")
    assert row["Command"] == '"sh -c \'a rather lon…"'


def test_an_unknown_filter_names_those_that_exist() -> None:
    with pytest.raises(UsageError, match="colour=red") as caught:
        ids("-f colour=red")
    assert "ancestor" in caught.value.hint


def test_a_misspelt_state_is_told() -> None:
    with pytest.raises(UsageError, match="there is no state 'runing'"):
        _filter("status=runing")
    assert _filter("status=exited") == ("status", "exited")
    assert _filter("status=paused") == ("status", "paused")  # Docker's scripts ask for it
