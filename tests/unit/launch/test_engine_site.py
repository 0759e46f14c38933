"""Command lines for the container programs of sites."""

from __future__ import annotations

import msgspec
import pytest
from launch_fakes import ALLOWED, HOST, PATHS, FakeImage, FakeTree

from machines import GOOD
from wherry.base.errors import HostLacks, UsageError
from wherry.base.settings import Settings
from wherry.host import against, usable_sites
from wherry.host.facts import Namespaces, Program
from wherry.launch import Bind, Choice, LaunchPlan, RunOptions, Surroundings, plan_run
from wherry.launch.engines.siteline import PROGRAMS

NAMES = sorted(PROGRAMS)


def _plan(name: str, options: RunOptions | None = None) -> LaunchPlan:
    machine = msgspec.structs.replace(GOOD, sites=(Program(name, f"/opt/site/{name}"),))
    return plan_run(
        options or RunOptions(image="debian:12"),
        FakeImage(),
        FakeTree(),
        HOST,
        Settings({}),
        ALLOWED,
        paths=msgspec.structs.replace(PATHS, flat="/store/flat/x-plain/tree"),
        surroundings=Surroundings(),
        choice=Choice("site", machine=machine),
    )


def _argv(plan: LaunchPlan) -> tuple[str, ...]:
    argv = plan.find("WRAP")[0].fields[0]
    assert isinstance(argv, tuple)
    return argv


@pytest.mark.parametrize("name", NAMES)
def test_each_is_given_root_binds_and_our_launcher_inside(name: str) -> None:
    argv = _argv(_plan(name, RunOptions(image="x", binds=(Bind("/data", "/in"),))))
    assert argv[0] == f"/opt/site/{name}"
    assert argv[-2:] == ("/.wherry/wherry-inside", "/.wherry/\x04")
    assert "\x01/root" in argv
    shown = [
        word
        for word in argv
        if word.startswith(("/store/flat/x-plain/tree/usr:/usr", "/data:/in", "\x01/own/tmp:/tmp"))
    ]
    assert len(shown) == 3
    assert all(":" in argv[argv.index(word)] for word in shown)


@pytest.mark.parametrize("name", NAMES)
def test_the_caller_s_variables_go_to_the_program_and_the_containers_by_file(name: str) -> None:
    plan = _plan(name, RunOptions(image="x", env=("LD_LIBRARY_PATH=/image/lib",)))
    assert not any("LD_LIBRARY_PATH" in word for word in _argv(plan))
    assert plan.find("HANDOVER")[0].fields == ("\x01/handed/\x04",)
    assert plan.find("SECCOMP")


@pytest.mark.parametrize("name", NAMES)
def test_root_writes_to_a_copy(name: str) -> None:
    plan = _plan(name, RunOptions(image="x", user="root"))
    assert plan.find("COPY")
    assert not any("/store/flat" in word for word in _argv(plan))


def test_the_words_of_each() -> None:
    assert _argv(_plan("ch-run"))[1:3] == ("--no-passwd", "--unset-env=*")
    assert "--uid=0" in _argv(_plan("ch-run", RunOptions(image="x", user="root")))
    for name in ("apptainer", "singularity"):
        assert _argv(_plan(name))[1:4] == ("--silent", "exec", "--containall")
        assert "--fakeroot" in _argv(_plan(name, RunOptions(image="x", user="root")))
    podman = _argv(_plan("podman"))
    assert podman[podman.index("--userns") + 1] == "keep-id"
    assert podman[podman.index("--name") + 1] == "wherry-\x04"
    assert "--read-only" in podman


def test_read_only_is_said_where_it_can_be() -> None:
    source = "/store/flat/x-plain/tree/usr:/usr"
    assert f"{source}:ro" in _argv(_plan("apptainer"))
    assert f"{source}:rbind,ro" in _argv(_plan("podman"))


@pytest.mark.parametrize(("name", "path"), [("ch-run", "/a:b"), ("podman", "/a:b"), ("apptainer", "/a,b")])
def test_a_path_that_it_cannot_be_told_is_refused(name: str, path: str) -> None:
    with pytest.raises(UsageError, match="cannot bind"):
        _plan(name, RunOptions(image="x", binds=(Bind(path, "/in"),)))


@pytest.mark.parametrize("options", [{"hostname": "x"}, {"network": "none"}, {"tmpfs": (("/x", ""),)}])
def test_what_it_cannot_do_names_the_engine_that_can(options: dict[str, object]) -> None:
    with pytest.raises(HostLacks, match="the engine 'site'") as caught:
        _plan("ch-run", RunOptions(image="x", **options))  # type: ignore[arg-type]
    assert "namespace" in caught.value.hint


def test_without_namespaces_only_a_program_that_is_root_is_used() -> None:
    host = msgspec.structs.replace(GOOD.host, userns=False, problem="unshare: EPERM")
    sites = (Program("ch-run", "/bin/ch-run"), Program("apptainer", "/bin/apptainer", setuid=True))
    machine = msgspec.structs.replace(GOOD, host=host, sites=sites)
    assert [program.name for program in usable_sites(machine)] == ["apptainer"]
    assert against(machine, "site") == ()
    none = msgspec.structs.replace(machine, sites=sites[:1])
    assert against(none, "site") == against(none, "namespace")
    known = msgspec.structs.replace(none, namespaces=Namespaces(apparmor=1))
    assert [program.name for program in usable_sites(known)] == ["ch-run"]
