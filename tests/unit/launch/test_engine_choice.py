"""Which engine is chosen on which machine, and what the plans of engines without namespaces hold."""

from __future__ import annotations

import msgspec
import pytest
from launch_fakes import HOST, PATHS, FakeImage, FakeTree, make_plan

from machines import GOOD, refused
from wherry.base.errors import HostLacks, UsageError
from wherry.base.outside import Outside
from wherry.base.settings import Settings
from wherry.host import Host, Machine
from wherry.host.facts import Proot
from wherry.launch import (
    Bind,
    Choice,
    ExecOptions,
    LaunchPlan,
    Membership,
    RunOptions,
    Surroundings,
    choose,
    plan_exec,
    show,
    show_json,
    tree_kind,
    with_inputs,
    wrapped_of,
)

WITH_PROOT = Choice("proot", machine=GOOD)
FLAT = msgspec.structs.replace(PATHS, flat="/store/flat/f/tree")


def chosen(host: Host, machine: Machine, **options: object) -> Choice:
    wanted = RunOptions(image="debian:12", **options)  # type: ignore[arg-type]
    return choose(wanted, Settings({}), host, FakeImage(), FakeTree(), lambda: machine)


def planned(options: RunOptions | None = None, **more: object) -> LaunchPlan:
    more.setdefault("paths", FLAT)
    return make_plan(options, choice=WITH_PROOT, **more)  # type: ignore[arg-type]


def wrap(plan: LaunchPlan) -> tuple[str, ...]:
    (operation,) = plan.find("WRAP")
    argv = operation.fields[0]
    assert isinstance(argv, tuple)
    return argv


def shown(plan: LaunchPlan) -> list[str]:
    argv = wrap(plan)
    return [argv[at + 1] for at, word in enumerate(argv) if word == "-b"]


def without_namespaces(**changes: object) -> Machine:
    machine = refused("unshare: EPERM")
    return msgspec.structs.replace(machine, **changes)


def test_where_namespaces_are_to_be_had_nothing_else_is_looked_at() -> None:
    def look() -> Machine:
        raise AssertionError("a probe")

    assert choose(RunOptions(), Settings({}), HOST, FakeImage(), FakeTree(), look) == Choice("namespace")


def test_without_namespaces_proot_is_chosen_and_says_why() -> None:
    machine = without_namespaces()
    choice = chosen(machine.host, machine)
    assert choice.engine == "proot"
    assert choice.machine is machine
    assert "the engine 'proot' is used" in choice.notes[0]


def test_where_nothing_works_every_reason_is_told() -> None:
    machine = without_namespaces(proot=Proot("/usr/bin/proot", problem="EPERM"), interpose="")
    with pytest.raises(HostLacks) as caught:
        chosen(machine.host, machine)
    assert "[userns-" in caught.value.why and "EPERM [proot-broken]; " in caught.value.why
    assert "wherry doctor" in caught.value.hint


def test_an_engine_that_is_asked_for_and_cannot_be_had_is_an_error() -> None:
    machine = msgspec.structs.replace(GOOD, proot=Proot())
    with pytest.raises(HostLacks, match=r"the engine 'proot' cannot be used: .*\[proot-none\]"):
        chosen(HOST, machine, engine="proot")


def test_a_mistyped_engine_leads_to_the_near_one() -> None:
    with pytest.raises(UsageError) as caught:
        chosen(HOST, GOOD, engine="porot")
    assert caught.value.hint == "did you mean 'proot'?"


def test_proot_shows_kernel_views_own_folders_and_names() -> None:
    found = shown(planned(surroundings=Surroundings(hosts=b"127.0.0.1 localhost\n")))
    assert found[:4] == ["/dev:/dev", "/proc:/proc", "/sys:/sys", "\x01/tmp:/tmp"]
    assert "\x01/home:/home/alice" in found
    assert any(text.endswith("/etc/hosts:/etc/hosts") for text in found)
    assert found[-1] == "\x05:/proc/wherry-inside"
    assert wrap(planned())[-1] == "/proc/wherry-inside"


def test_user_binds_come_after_ours_and_here_is_a_slot() -> None:
    plan = planned(RunOptions(image="x", binds=(Bind("/data", "/tmp/data"),), here=True))
    found = shown(plan)
    assert found.index("\x02:\x02") < found.index("/data:/tmp/data") < len(found) - 1
    assert "/data" in plan.find("SOURCES")[0].fields[0]  # type: ignore[operator]


def test_a_bind_of_dev_replaces_ours() -> None:
    found = shown(planned(RunOptions(image="x", binds=(Bind("/other", "/dev"),))))
    assert "/dev:/dev" not in found
    assert "/other:/dev" in found


def test_an_optional_source_that_is_absent_is_left_out() -> None:
    options = RunOptions(image="x", binds=(Bind("/a", "/a", optional=True), Bind("/b", "/b", optional=True)))
    found = shown(planned(options, surroundings=Surroundings(absent=frozenset({"/a"}))))
    assert "/a:/a" not in found
    assert "/b:/b" in found


def test_a_colon_in_a_path_is_refused_for_proot() -> None:
    with pytest.raises(UsageError, match="'/a:b'"):
        planned(RunOptions(image="x", binds=(Bind("/a:b", "/c"),)))


def test_nothing_of_the_namespace_engine_is_in_the_plan() -> None:
    kinds = {operation.kind for operation in planned().operations}
    assert {"PLAIN", "WRAP", "INSIDE", "SECCOMP", "RUNNING", "RECORD"} <= kinds
    assert not kinds & {"NAMESPACE", "OVERLAY", "ROOT", "BIND", "MOUNT", "CAPS", "COPY"}


@pytest.mark.parametrize(("choice", "turns"), [(None, True), ("unconfined", True), ("/own.json", False)])
def test_a_start_takes_turns_unless_a_filter_of_the_users_own_could_keep_it_there(
    choice: str | None, turns: bool
) -> None:
    profile = Surroundings(profile=b'{"defaultAction": "SCMP_ACT_ALLOW"}')
    plan = planned(RunOptions(image="x", seccomp=choice), surroundings=profile)
    assert bool(plan.find("TURNS")) == turns


def test_its_acceleration_is_used_where_it_was_seen_to_work() -> None:
    plain = msgspec.structs.replace(GOOD, proot=Proot("/usr/bin/proot", works=True, seccomp=False))
    assert planned().find("WRAP")[0].fields[1] == ("PROOT_TMP_DIR=\x01",)
    slow = make_plan(choice=Choice("proot", machine=plain), paths=FLAT)
    assert "PROOT_NO_SECCOMP=1" in slow.find("WRAP")[0].fields[1]  # type: ignore[operator]


def test_its_loader_is_the_one_that_is_kept() -> None:
    kept = msgspec.structs.replace(GOOD, proot=Proot("/usr/bin/proot", True, True, loader="/run/l"))
    plan = make_plan(choice=Choice("proot", machine=kept), paths=FLAT)
    assert plan.find("WRAP")[0].fields[1] == ("PROOT_TMP_DIR=\x01", "PROOT_LOADER=/run/l")


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (RunOptions(), "plain"),
        (RunOptions(copy=True), "flat"),
        (RunOptions(user="root"), "flat"),
        (RunOptions(user="0:5"), "flat"),
        (RunOptions(user="jovyan"), "plain"),
    ],
)
def test_who_may_write_anywhere_gets_a_private_copy(options: RunOptions, kind: str) -> None:
    assert tree_kind(WITH_PROOT, options, FakeImage(), FakeTree(), HOST, Surroundings()) == kind
    copies = [operation.fields for operation in planned(options).find("COPY")]
    assert copies == ([] if kind == "plain" else [("/store/flat/f/tree", "\x01/root")])
    assert wrap(planned(options))[4] == ("/store/flat/f/tree" if kind == "plain" else "\x01/root")


def test_a_directory_that_one_may_write_is_not_shown_unprotected() -> None:
    with pytest.raises(HostLacks, match="cannot keep"):
        planned(surroundings=Surroundings(open_tree=True))
    planned(RunOptions(image="x", copy=True), surroundings=Surroundings(open_tree=True))


def test_a_directory_that_is_changed_in_place_is_itself_the_root_under_proot() -> None:
    """With what its programs write below /tmp too; an image of the store is never written."""
    image, paths = FakeImage(reference="/data/box/"), msgspec.structs.replace(PATHS, flat="/data/box")
    options = RunOptions(image="/data/box/", in_place=True, user="root")
    plan = planned(options, image=image, paths=paths, surroundings=Surroundings(open_tree=True))
    argv = wrap(plan)
    assert argv[argv.index("-r") + 1] == "/data/box"
    assert not plan.find("COPY") and not any(text.endswith(":/tmp") for text in shown(plan))
    with pytest.raises(UsageError, match="only an image that was unpacked into a directory"):
        planned(options)


def test_a_build_s_step_has_names_and_folders_in_its_own_tree() -> None:
    image, paths = FakeImage(reference="/draft/root/"), msgspec.structs.replace(PATHS, flat="/draft/root")
    options = RunOptions(image="x", in_place=True, as_built=True, user="root")
    found = shown(planned(options, image=image, paths=paths, surroundings=Surroundings(hosts=b"127.0.0.1 x\n")))
    assert found == ["/dev:/dev", "/proc:/proc", "/sys:/sys", "\x01/shm:/dev/shm", "\x05:/proc/wherry-inside"]


def test_other_ids_are_shown_by_proot() -> None:
    argv = wrap(planned(RunOptions(image="x", user="7:8")))
    assert argv[argv.index("-i") + 1] == "7:8"
    assert "-i" not in wrap(planned())


@pytest.mark.parametrize(
    "options",
    [
        RunOptions(image="x", tmpfs=(("/t", ""),)),
        RunOptions(image="x", network="none"),
        RunOptions(image="x", hostname="n"),
        RunOptions(image="x", read_only=True),
        RunOptions(image="x", binds=(Bind("/a", "/b", read_only=True),)),
    ],
)
def test_what_it_cannot_honour_names_who_can(options: RunOptions) -> None:
    with pytest.raises(HostLacks) as caught:
        planned(options)
    assert caught.value.hint.startswith("--engine namespace ")


def test_exec_enters_as_the_command_did_and_ends_with_it() -> None:
    plan = planned(RunOptions(image="x", here=True))
    fragment = str(plan.find("RUNNING")[0].fields[1])
    line = "{" + f'"id":"abc","cwd":"/work",{fragment}' + "}"
    membership = msgspec.json.decode(line, type=Membership)
    assert membership.engine == "proot"
    options = ExecOptions(container="c", command=("ls",))
    entering = plan_exec(options, membership, HOST, paths=PATHS, running="/run/c", scratch="/store/scratch/abc")
    argv = wrap(entering)
    assert "/store/scratch/abc/tmp:/tmp" in argv
    assert "/work:/work" in argv
    assert not any("\x01" in word or "\x02" in word for word in argv)
    assert entering.find("FOLLOW")[0].fields == ("/run/c",)
    assert not entering.find("JOIN")
    assert not entering.find("CAPS")


def test_a_plan_tells_how_its_container_is_entered() -> None:
    wrapped = wrapped_of(planned())
    assert wrapped is not None
    assert wrapped.root == "/store/flat/f/tree"
    assert ("\x01/tmp", "/tmp") in wrapped.shown
    assert wrapped_of(make_plan()) is None


def test_a_person_reads_what_proot_shows() -> None:
    text = show(planned(RunOptions(image="x", here=True, copy=True)))
    for line in (
        "what /usr/bin/proot makes of it: no namespaces of its own",
        "/  a private copy of /store/flat/f/tree",
        "/tmp  the host's <scratch>/tmp",
        "<current directory>  the host's <current directory>",
    ):
        assert f"  {line}\n" in text
    assert "\x05" not in show_json(planned()).decode()


def test_a_plan_without_namespaces_watches_the_switches() -> None:
    def watched(plan: LaunchPlan) -> set[object]:
        return {item.fields[0] for item in with_inputs(plan, Outside({})).inputs if item.kind == "CONTENT"}

    assert "/proc/sys/user/max_user_namespaces" in watched(planned())
    assert not watched(make_plan())
