"""What only a peer's command line asks of a start: capabilities, dashes, few variables, names, directories."""

from __future__ import annotations

import json

import pytest
from launch_fakes import make_plan

from wherry.base.errors import UsageError
from wherry.launch import LaunchPlan, RunOptions, Surroundings
from wherry.launch.confine import DOCKER_CAPABILITIES


def bits(plan: LaunchPlan) -> int:
    return int(str(plan.find("CAPS")[0].fields[0]))


def written(plan: LaunchPlan, path: str) -> bytes | None:
    return next((file.content for file in plan.files if file.path.endswith(path)), None)


def test_capabilities_are_added_and_dropped() -> None:
    """To root's in its own namespaces; nobody else has any."""
    assert bits(make_plan(RunOptions(user="root", cap_add=("SYS_PTRACE",)))) == DOCKER_CAPABILITIES | 1 << 19
    assert bits(make_plan(RunOptions(user="root", cap_drop=("CAP_CHOWN",)))) == DOCKER_CAPABILITIES & ~1
    assert bits(make_plan(RunOptions(user="root", cap_drop=("all",)))) == 0
    assert bits(make_plan(RunOptions(user="root", cap_drop=("ALL",), cap_add=("chown",)))) == 1
    assert bits(make_plan(RunOptions(user="root", cap_add=("ALL",)))) == (1 << 41) - 1
    assert bits(make_plan(RunOptions(cap_add=("ALL",)))) == 0


def test_a_capability_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no capability 'SYS_ADMN'") as caught:
        make_plan(RunOptions(user="root", cap_add=("SYS_ADMN",)))
    assert "SYS_ADMIN" in caught.value.hint


def test_who_enters_later_has_the_same_capabilities() -> None:
    line = str(make_plan(RunOptions(user="root", cap_drop=("ALL",))).find("RUNNING")[0].fields[1])
    assert json.loads("{" + line + "}")["join"]["capabilities"] == 0
    line = str(make_plan(RunOptions(user="root")).find("RUNNING")[0].fields[1])
    assert json.loads("{" + line + "}")["join"]["capabilities"] is None


def test_dashes_after_the_image_are_kept_where_asked() -> None:
    assert make_plan().find("EXEC")[0].fields[2] == 1
    assert make_plan(RunOptions(keep_dashes=True)).find("EXEC")[0].fields[2] == 0


def test_a_lean_environment_has_only_proxies_of_the_callers() -> None:
    plan = make_plan(RunOptions(lean_env=True))
    passed = {str(name) for item in plan.find("ENV_PASS") for name in item.fields[0]}  # type: ignore[union-attr]
    assert "https_proxy" in passed
    assert "TERM" not in passed
    assert not plan.find("ENV_WHEN")
    with_terminal = make_plan(RunOptions(lean_env=True, terminal=True)).find("ENV_PASS")[0].fields[0]
    assert "TERM" in with_terminal  # type: ignore[operator]


def test_hosts_and_resolver_are_written() -> None:
    around = Surroundings(hosts=b"127.0.0.1 localhost\n", resolver=b"nameserver 1.1.1.1\n")
    plan = make_plan(RunOptions(hosts=("10.0.0.1\tdb",), resolver=("nameserver 9.9.9.9",)), surroundings=around)
    assert written(plan, "/etc/hosts") == b"127.0.0.1 localhost\n10.0.0.1\tdb\n"
    assert written(plan, "/etc/resolv.conf") == b"nameserver 9.9.9.9\n"


def test_places_are_directories_of_the_container() -> None:
    made = make_plan(RunOptions(places=("/cache",)))
    assert any(file.path.endswith("/cache") and file.content is None for file in made.files)
