"""``--fakeroot`` in a plan: root for the kernel, anybody for the supervisor."""

from __future__ import annotations

import msgspec
import pytest
from launch_fakes import HOST, PATHS, make_plan

from wherry.base.errors import HostLacks, UsageError
from wherry.launch import Choice, LaunchPlan, RunOptions
from wherry.launch.confine import DOCKER_CAPABILITIES


def planned(**asked: object) -> LaunchPlan:
    options = msgspec.convert({"image": "lab", "fakeroot": True, **asked}, RunOptions)
    return make_plan(options, paths=msgspec.structs.replace(PATHS, owners="/run/owners/list"))


def supervised(plan: LaunchPlan) -> tuple[object, ...]:
    (found,) = plan.find("SUPERVISE")
    assert str(found.fields[0]).endswith("/wherry-supervisor")
    return found.fields[1:]


def test_it_is_root_unless_somebody_is_named() -> None:
    plan = planned()
    assert supervised(plan) == ("/run/owners/list", "\x01/upper", 0, 0, ("0",))
    assert plan.find("CAPS")[0].fields == (DOCKER_CAPABILITIES,)


def test_to_the_kernel_everybody_is_root() -> None:
    plan = planned(user="1234:77")
    assert plan.find("NAMESPACE")[0].fields[1:] == (0, 0)
    assert supervised(plan)[2:] == (1234, 77, ("77",))
    assert plan.find("CAPS")[0].fields == (0,)


def test_changes_in_a_folder_of_the_callers_are_remembered_there() -> None:
    assert supervised(planned(upper="/work/step"))[1] == "/work/step/upper"


def test_files_keep_their_numbers_when_they_are_copied_up() -> None:
    assert int(str(planned().find("OVERLAY")[0].fields[4])) & 4
    assert not int(str(make_plan(RunOptions(image="lab")).find("OVERLAY")[0].fields[4])) & 4


def test_without_it_nothing_of_it_is_in_the_plan() -> None:
    assert make_plan(RunOptions(image="lab", user="root")).find("SUPERVISE") == ()


def test_a_range_makes_it_needless() -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        planned(userns="range")


def test_why_it_cannot_be_had_is_said() -> None:
    host = msgspec.structs.replace(HOST, supervised="system calls cannot be answered here (seccomp: EBUSY)")
    with pytest.raises(HostLacks, match="not possible here") as raised:
        make_plan(RunOptions(image="lab", fakeroot=True), host=host)
    assert "EBUSY" in raised.value.why
    with pytest.raises(HostLacks, match="engine 'proot'"):
        make_plan(RunOptions(image="lab", fakeroot=True), choice=Choice("proot"))
