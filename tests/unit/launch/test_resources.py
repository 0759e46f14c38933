"""How limits are kept with what a machine offers, and what a detached container ends with."""

from __future__ import annotations

import json
import signal
from typing import Any

import msgspec
import pytest
from launch_fakes import make_plan

from wherry.host import Control, Survival
from wherry.launch import LaunchPlan, RunOptions, Surroundings
from wherry.launch.fragment import Bounds, Membership
from wherry.launch.resources import bounded

ROOT = "/sys/fs/cgroup"
ALL = ("cpu", "io", "memory", "pids")
OWN = Control(ROOT, "/sys/fs/cgroup/mine", ALL)
HANDED = Control(ROOT, "/sys/fs/cgroup/job", ALL, handed=True)
SYSTEMD = Control(ROOT, systemd_run="/usr/bin/systemd-run", manager=("memory", "pids"))
NONE = Control(ROOT, problem="this machine has no control groups of version 2")
COUNTS = msgspec.structs.replace(NONE, counts=True)
LIMITS = RunOptions(memory=1 << 30, cpus=1.5, pids_limit=100)
SCOPE = ("/usr/bin/systemd-run", "--user", "--scope", "--quiet", "--collect", "--property=Delegate=yes", "--")


def planned(options: RunOptions, control: Control | None = None, lifetime: Survival | None = None) -> LaunchPlan:
    return make_plan(options, surroundings=Surroundings(control=control, lifetime=lifetime))


def fields(plan: LaunchPlan, kind: str) -> Any:
    found = [item.fields for item in plan.find(kind)]
    return found[0] if found else None


@pytest.mark.parametrize("control", [OWN, HANDED])
def test_a_control_group_keeps_all_limits_and_nothing_need_be_said(control: Control) -> None:
    plan = planned(LIMITS, control)
    files = (f"memory.max={1 << 30}", "cpu.max=150000 100000", "pids.max=101")
    optional = ("memory.oom.group=1", f"memory.swap.max={1 << 30}")
    assert fields(plan, "CGROUP") == (ROOT, control.parent, 0, files, optional)
    assert not plan.find("WATCH") and not plan.find("AFFINITY") and not plan.find("RLIMIT")
    assert plan.notes == () and plan.starter == ()
    assert plan.reusable is control.handed


@pytest.mark.parametrize(
    ("total", "swap"), [(None, str(1 << 30)), (-1, "max"), (1 << 30, "0"), (3 << 29, str(1 << 29))]
)
def test_swap_space_is_what_goes_beyond_memory(total: int | None, swap: str) -> None:
    plan = planned(RunOptions(memory=1 << 30, memory_swap=total), OWN)
    assert fields(plan, "CGROUP")[4] == ("memory.oom.group=1", f"memory.swap.max={swap}")


def test_systemd_is_asked_for_a_group_where_it_answers() -> None:
    plan = planned(RunOptions(memory=1 << 30, pids_limit=7), SYSTEMD)
    assert fields(plan, "CGROUP")[:4] == (ROOT, "", 1, (f"memory.max={1 << 30}", "pids.max=8"))
    assert plan.starter == SCOPE
    assert not plan.reusable and plan.notes == ()


def test_what_the_group_lacks_is_kept_otherwise_and_said() -> None:
    plan = planned(LIMITS, SYSTEMD)
    assert fields(plan, "CGROUP")[3] == (f"memory.max={1 << 30}", "pids.max=101")
    assert fields(plan, "AFFINITY") == (2, 0)
    assert plan.notes == (
        "limits are not fully enforced (the control group here cannot keep all of them): "
        "it keeps to 2 processors instead of 1.5, which others use too",
    )


def test_without_a_group_all_is_watched_and_one_line_says_so() -> None:
    plan = planned(msgspec.structs.replace(LIMITS, memory_swap=2 << 30), NONE)
    assert not plan.find("CGROUP")
    assert fields(plan, "WATCH") == (1 << 30, 100)
    assert fields(plan, "AFFINITY") == (2, 0)
    assert plan.notes == (
        "limits are not fully enforced (this machine has no control groups of version 2): memory is only looked at, "
        "four times a second, and more than 1 GiB end the container; swap space is not limited; it keeps to 2 "
        "processors instead of 1.5, which others use too; "
        "more than 100 processes are not refused, but end the container",
    )
    assert plan.reusable


def test_processes_are_counted_by_the_kernel_where_it_counts_a_namespaces_own() -> None:
    plan = planned(RunOptions(pids_limit=100), COUNTS)
    assert fields(plan, "RLIMIT") == (6, 101, 101)
    assert not plan.find("WATCH") and plan.notes == ()


def test_a_container_without_namespaces_is_watched_even_there() -> None:
    plan = LaunchPlan((), tuple(item for item in make_plan().operations if item.kind != "NAMESPACE"))
    bound = bounded(plan, RunOptions(pids_limit=100), COUNTS, None)
    assert fields(bound, "WATCH") == (0, 100) and not bound.find("RLIMIT")


def test_whoever_joins_the_container_learns_its_limits() -> None:
    fragment = fields(planned(LIMITS, COUNTS), "RUNNING")[1]
    line = json.loads(f'{{"id":"a","cwd":"/",{fragment}}}')
    assert line["resources"] == {"memory": 1 << 30, "cpus": 1.5, "processes": 100}
    membership = msgspec.json.decode(json.dumps(line), type=Membership)
    assert membership.bounds == Bounds(nproc=101, affinity=True)
    line = json.loads(f'{{"id":"a","cwd":"/",{fields(planned(LIMITS, HANDED), "RUNNING")[1]}}}')
    assert line["bounds"] == {"group": HANDED.parent}


def test_no_limits_leave_the_plan_as_it_is() -> None:
    assert planned(RunOptions(memory=0, cpus=0.0, pids_limit=0)) == make_plan(RunOptions())


def ended(ending: str, lifetime: Survival, control: Control | None = None, **options: Any) -> LaunchPlan:
    plan = make_plan(RunOptions(detach=True))
    return bounded(plan, RunOptions(detach=True, **options), control, lifetime, ending=ending, stop_signal="INT")


JOB = Survival("job", "this is inside the slurm job 7, which ends its processes")
LOGOUT = Survival("logout", "systemd-logind ends what a session leaves")
LINGERS = Survival("logout", "systemd-logind ends what a session leaves", linger=True)
STOP = Survival("stop")


@pytest.mark.parametrize(
    ("ending", "lifetime", "until"),
    [
        ("auto", STOP, False),
        ("auto", JOB, False),
        ("job", JOB, True),
        ("job", STOP, False),
        ("logout", STOP, True),
        ("logout", JOB, True),
        ("stay", STOP, False),
    ],
)
def test_what_it_ends_with_is_watched_where_the_site_wants_it(ending: str, lifetime: Survival, until: bool) -> None:
    plan = ended(ending, lifetime)
    assert fields(plan, "UNTIL") == ((int(signal.SIGINT), 10) if until else None)
    assert plan.notes == () and plan.starter == ()


def test_the_end_at_logout_is_foretold_with_what_to_do() -> None:
    assert ended("auto", LOGOUT).notes == (
        "the container will be ended at logout (systemd-logind ends what a session leaves); "
        "'loginctl enable-linger' once lets it stay, with run.detached = stay",
    )
    assert "setting run.detached to stay keeps it" in ended("auto", LINGERS).notes[0]


def test_a_container_that_is_to_stay_is_started_by_a_systemd_that_lingers() -> None:
    plan = ended("stay", LINGERS, SYSTEMD)
    assert plan.starter == SCOPE and plan.notes == () and not plan.reusable
    assert "will be ended at logout" in ended("stay", LOGOUT, SYSTEMD).notes[0]
    assert ended("stay", JOB, SYSTEMD).notes == (f"the container cannot stay: {JOB.why}",)


def test_limits_by_a_systemd_that_ends_at_logout_are_foretold() -> None:
    note = "the container will end at logout, with your systemd; 'loginctl enable-linger' once lets it stay"
    assert ended("auto", STOP, SYSTEMD, memory=1 << 30).notes == (note,)
    assert ended("auto", Survival("stop", linger=True), SYSTEMD, memory=1 << 30).notes == ()
