"""``wherry doctor`` and ``wherry host`` as users see them, on this machine and on ones that lack something."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from hard_hosts import around
from wherry_command import Result, Wherry, installed


@pytest.fixture
def wherry(tmp_path: Path) -> Wherry:
    return Wherry(tmp_path)


def lacking(wherry: Wherry, lacks: tuple[str, ...], *arguments: str) -> Result:
    command = [*around(*lacks), str(installed()), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=wherry.environment, timeout=100)
    return Result(tuple(command), done.returncode, done.stdout, done.stderr)


def test_here_containers_run_and_each_engine_is_told_in_order(wherry: Wherry) -> None:
    lines = wherry.ok("doctor").splitlines()
    assert lines[0] == "Containers run here, by the engine 'namespace'."
    engines = [line.split()[0] for line in lines if line[2:12].strip() in ("namespace", "proot")]
    assert engines == ["namespace", "proot"]
    assert "Storage" in lines
    assert "\x1b" not in "".join(lines)


def test_programs_get_one_object(wherry: Wherry) -> None:
    found = json.loads(wherry.ok("doctor", "--format", "json"))
    assert (found["Runs"], found["Engine"], found["Problems"]) == (True, "namespace", [])
    assert found["Engines"][0] == {
        "Name": "namespace",
        "Usable": True,
        "Used": True,
        "Program": "",
        "Obstacles": [],
    }
    assert {"Id", "What", "Ask", "Cost", "Yours"} == set(found["Shortcomings"][0])
    assert found["Machine"]["Host"]["Userns"]
    assert wherry.ok("doctor", "--format", "{{.Engine}}") == "namespace\n"


def test_without_namespaces_the_next_engine_is_told_and_the_line_to_ask_for(wherry: Wherry) -> None:
    found = lacking(wherry, ("namespace-limit",), "doctor")
    assert found.status == 0, str(found)
    assert found.stdout.splitlines()[0] == "Containers run here, by the engine 'proot'."
    assert "administrator: sysctl -w user.max_user_namespaces=15000\n" in found.stdout


def test_the_doctor_looks_anew_where_nothing_shows_that_the_machine_changed(wherry: Wherry) -> None:
    assert lacking(wherry, ("no-namespaces",), "doctor", "--format", "{{.Engine}}").stdout == "proot\n"
    found = lacking(wherry, ("no-namespaces", "no-ptrace"), "doctor", "--format", "{{.Engine}}")
    assert found.stdout == "fakechroot\n", str(found)


def test_an_engine_that_is_asked_for_and_cannot_be_used_ends_with_1(wherry: Wherry) -> None:
    wherry = Wherry(wherry.folder, {"WHERRY_RUN_ENGINE": "namespace"})
    found = lacking(wherry, ("no-namespaces",), "doctor", "--format", "json")
    assert found.status == 1, str(found)
    answer = json.loads(found.stdout)
    assert not answer["Runs"]
    assert answer["Engines"][0]["Obstacles"][0]["Id"] == "userns-filter"


def test_a_start_that_cannot_be_names_the_obstacle_and_the_doctor(wherry: Wherry, tiny: str) -> None:
    wherry.ok("pull", tiny)
    found = lacking(wherry, ("no-namespaces",), "run", "--engine", "namespace", tiny, "true")
    assert found.status == 125
    assert "[userns-filter]" in found.stderr
    assert "wherry doctor" in found.stderr


def test_a_broken_store_is_told_and_the_rest_as_well(wherry: Wherry) -> None:
    (wherry.folder / "store/stranger").touch()
    found = wherry("doctor")
    assert found.status == 0, str(found)
    assert "Storage" in found.stdout
    assert "store" in found.stdout


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_are_for_terminals_alone_and_for_who_wants_them(
    wherry: Wherry, tiny: str, variables: dict[str, str], coloured: bool
) -> None:
    for words in (["doctor"], ["pull", tiny]):
        shown = on_terminal(wherry, words, {"TERM": "xterm", **variables})
        assert bool(re.search(rb"\x1b\[[0-9;]*[1-9]m", shown)) is coloured, shown


def on_terminal(wherry: Wherry, words: list[str], variables: dict[str, str]) -> bytes:
    ours, theirs = pty.openpty()
    environment = {**wherry.environment, **variables}
    process = subprocess.Popen([str(installed()), *words], stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert process.wait(100) == 0, shown
    return shown


def test_measuring_starts_containers_by_each_engine(wherry: Wherry, tiny: str) -> None:
    wherry.ok("pull", tiny)
    found = json.loads(wherry.ok("doctor", "--measure", "--format", "json"))
    times = {line["Engine"]: line for line in found["Measured"]}
    assert times["namespace"]["Start"], times
    assert times["proot"]["Start"], times
    assert times["namespace"]["Problem"] == "the image has no python3 to import with"


def test_measuring_without_an_image_says_what_to_pull(wherry: Wherry) -> None:
    found = wherry("doctor", "--measure")
    assert found.status == 125
    assert "wherry pull" in found.stderr
    assert "only to measure" in wherry("doctor", "debian:12").stderr


def test_facts_are_shown_alone_in_groups_and_whole(wherry: Wherry) -> None:
    assert wherry.ok("host", "host.node").strip() == os.uname().nodename
    assert wherry.ok("host", "tracing").splitlines()[0].split() == ["FACT", "VALUE"]
    assert json.loads(wherry.ok("host", "--format", "json"))["Host"]["Uid"] == os.geteuid()
    assert wherry.ok("host", "--format", "{{.Cgroup.Version}}").strip() in ("v1", "v2", "hybrid", "")
    assert "did you mean 'processor'?" in wherry("host", "procesor").stderr
