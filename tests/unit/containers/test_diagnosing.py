"""Which engine a machine's facts lead to, and how that is told."""

from __future__ import annotations

import msgspec
import pytest

from machines import GOOD, changed, refused
from wherry.base.errors import UsageError
from wherry.cli.doctoring import diagnosis_lines
from wherry.containers import Measured
from wherry.containers.diagnosing import judge
from wherry.host import Machine
from wherry.host.facts import Proot, Tracing

NOTHING = msgspec.structs.replace(
    refused("unshare: ENOSPC", limit=0),
    tracing=Tracing(2, False, "ptrace: EPERM"),
    proot=Proot(),
    interpose="",
    sites=(),
)


def text(machine: Machine, forced: str = "", *measured: Measured, width: int = 80) -> str:
    return "\n".join(diagnosis_lines(judge(machine, forced), measured, width))


def test_namespaces_are_preferred() -> None:
    assert judge(GOOD, "").engine == "namespace"


def test_proot_takes_over_where_namespaces_are_refused() -> None:
    found = judge(refused("unshare: EPERM"), "")
    assert found.engine == "proot"
    assert [engine.name for engine in found.engines][:2] == ["namespace", "proot"]


def test_a_machine_may_allow_nothing() -> None:
    found = judge(NOTHING, "")
    assert found.engine == ""
    assert "No container can be run here" in text(NOTHING)
    assert "sysctl -w user.max_user_namespaces=15000" in text(NOTHING)
    assert "sysctl -w kernel.yama.ptrace_scope=1" in text(NOTHING)


def test_the_engine_that_is_asked_for_is_the_one_that_is_judged() -> None:
    assert judge(GOOD, "proot").engine == "proot"
    assert judge(refused("unshare: EPERM"), "namespace").engine == ""
    with pytest.raises(UsageError, match="no engine"):
        judge(GOOD, "nosuch")


def test_only_obstacles_of_better_engines_are_told_in_full() -> None:
    machine = msgspec.structs.replace(GOOD, proot=Proot())
    assert "[proot-none]" in text(machine)
    assert "apt-get install proot" not in text(machine)
    assert "sysctl -w kernel.unprivileged_userns_clone=1" in text(refused("unshare: EPERM", clone=0))


@pytest.mark.parametrize("machine", [GOOD, NOTHING, changed("host", overlay=False), refused("unshare: EPERM")])
def test_all_but_lines_to_be_typed_fit_the_terminal(machine: Machine) -> None:
    asks = [obstacle.ask for engine in judge(machine, "").engines for obstacle in engine.obstacles]
    asks += [obstacle.ask for obstacle in judge(machine, "").shortcomings]
    plain = text(machine).replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[32m", "").replace("\x1b[31m", "")
    for line in plain.splitlines():
        assert len(line) <= 80 or any(line.endswith(ask) for ask in asks), line


def test_what_was_measured_is_a_line_an_engine() -> None:
    lines = text(GOOD, "", Measured("proot", 61.24, None, "the image has no python3 to import with")).splitlines()
    assert lines[-1].split()[:3] == ["proot", "61.2", "-"]
