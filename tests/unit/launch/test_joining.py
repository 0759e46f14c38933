"""exec into a running container."""

from __future__ import annotations

import msgspec
import pytest
from launch_fakes import HOST, PATHS, make_plan

from wherry.base.errors import HostLacks, UsageError
from wherry.base.record import StartLine
from wherry.host import Control
from wherry.launch import ExecOptions, LaunchPlan, Membership, RunOptions, plan_exec
from wherry.launch.fragment import Bounds


def membership(options: RunOptions) -> Membership:
    """As a RUNNING file of such a container tells it."""
    fragment = make_plan(options).find("RUNNING")[0].fields[1]
    return msgspec.json.decode('{"id":"abc","cwd":"/data",' + str(fragment) + "}", type=Membership)


def planned(options: ExecOptions, started: RunOptions | None = None) -> LaunchPlan:
    return plan_exec(options, membership(started or RunOptions()), HOST, paths=PATHS, running="/run/w/running/abc")


def test_it_joins_with_the_containers_confinement() -> None:
    """The same namespaces, variables, capabilities and filter."""
    started = make_plan(RunOptions(env=("A=1",)))
    plan = planned(ExecOptions(container="box", command=("ls",)), RunOptions(env=("A=1",)))
    assert plan.find("JOIN")[0].fields == ("/run/w/running/abc", started.find("NAMESPACE")[0].fields[0], "box")
    for kind in ("ENV_PASS", "ENV_WHEN", "ENV_SET", "CAPS", "SECCOMP"):
        assert plan.find(kind) == started.find(kind)
    assert not plan.reusable


def test_e_wins_over_the_containers_variables() -> None:
    """It comes last."""
    plan = planned(ExecOptions(container="c", command=("ls",), env=("A=2", "B")), RunOptions(env=("A=1",)))
    assert plan.find("ENV_SET")[-1].fields == (("A=2",),)
    assert plan.find("ENV_TAKE")[-1].fields == (("B",),)


def test_it_starts_where_the_container_started() -> None:
    """Under --here that is the directory of the container's start, not the caller's; -w wins."""
    assert (
        planned(ExecOptions(container="c", command=("ls",)), RunOptions(here=True)).find("CWD")[0].fields[0] == "/data"
    )
    assert planned(ExecOptions(container="c", command=("ls",), workdir="/w")).find("CWD")[0].fields[0] == "/w"


def test_streams() -> None:
    """-i, -t and -d as in run."""
    plan = planned(ExecOptions(container="c", command=("sh",), interactive=True, terminal=True, detach=True))
    assert plan.find("STDIO")[0].fields == (7,)


def test_another_user_is_refused_with_the_reason() -> None:
    """One id is mapped, and stays the only one."""
    with pytest.raises(HostLacks, match="subordinate range"):
        planned(ExecOptions(container="c", command=("ls",), user="root"))
    planned(ExecOptions(container="c", command=("ls",), user="1001"))
    planned(ExecOptions(container="c", command=("ls",), user="alice:astro"))


def test_a_command_is_needed() -> None:
    """There is no default for exec."""
    with pytest.raises(UsageError):
        planned(ExecOptions(container="c", command=()))


def test_it_leaves_a_record_of_its_own() -> None:
    """That names the container."""
    fragment = str(planned(ExecOptions(container="c", command=("ls",))).find("RECORD")[0].fields[1])
    line = '{"kind":"start","id":"x","time":"t","pid":1,"cwd":"/","command":[],' + fragment + "}"
    start = msgspec.json.decode(line, type=StartLine)
    assert start.verb == "exec"
    assert '"container":"abc"' in fragment


def test_an_unconfined_container_stays_so() -> None:
    """The filter of an exec is the container's."""
    plan = planned(ExecOptions(container="c", command=("ls",)), RunOptions(seccomp="unconfined"))
    assert plan.find("NO_NEW_PRIVS")
    assert not plan.find("SECCOMP")


def test_the_limits_of_the_container_hold_for_it() -> None:
    """By its group, its processors, and how many processes its namespace may have."""
    joined = msgspec.structs.replace(membership(RunOptions()), bounds=Bounds(nproc=101, affinity=True))
    group = ("/sys/fs/cgroup", "/sys/fs/cgroup/job/wherry-abc")
    options = ExecOptions(container="c", command=("ls",))
    plan = plan_exec(options, joined, HOST, paths=PATHS, running="/run/w/running/abc", init=77, group=group)
    found = {item.kind: item.fields for item in plan.operations}
    assert (found["MEMBER"], found["AFFINITY"], found["RLIMIT"]) == (group, (0, 77), (6, 101, 101))
    assert plan.starter == ()


def test_into_a_group_of_systemds_it_is_started_by_that() -> None:
    """From outside of it nobody may enter."""
    control = Control("/sys/fs/cgroup", systemd_run="/usr/bin/systemd-run", manager=("memory",))
    options = ExecOptions(container="c", command=("ls",))
    joined = membership(RunOptions())
    plan = plan_exec(options, joined, HOST, paths=PATHS, running="/run/w/running/abc", control=control)
    assert plan.starter[:3] == ("/usr/bin/systemd-run", "--user", "--scope")
