"""Starts in Apptainer's manner, as plans: what they execute, set, show and where they begin."""

from __future__ import annotations

import msgspec
import pytest
from launch_fakes import FakeConfig, FakeImage, FakeImageConfig, FakeTree, make_plan

from wherry.base.errors import HostLacks, NotFound, UsageError
from wherry.launch import Bind, Choice, RunOptions, Scripts

SCRIPTED = FakeTree({"/.singularity.d/env/90-environment.sh": b"", "/scif/apps/foo/scif/runscript": b""})


def options(verb: str = "exec", *command: str, **more: object) -> RunOptions:
    prefixes = ("SINGULARITYENV_", "APPTAINERENV_")
    scripts = Scripts(verb, app=str(more.pop("app", "")), prefixes=prefixes)
    return msgspec.structs.replace(RunOptions(image="x", command=command, scripts=scripts), **more)


def executed(verb: str, tree: FakeTree | None = None, *command: str, **more: object) -> tuple[object, ...]:
    config = FakeConfig(entrypoint=("/entry",), cmd=("arg",))
    plan = make_plan(options(verb, *command, **more), tree=tree, image=FakeImage(config=FakeImageConfig(config)))
    return plan.find("EXEC")[0].fields[:2]


def test_an_image_without_scripts_needs_no_shell() -> None:
    """It is started as its configuration says, or with what was asked for."""
    assert executed("exec", None, "true") == ((), ())
    assert executed("run") == (("/entry",), ("arg",))
    assert executed("shell") == (("/bin/bash", "--norc"), ())


def test_the_scripts_of_an_image_are_read_by_its_own_shell() -> None:
    """Whatever the verb is."""
    for verb in ("exec", "run", "shell", "test", "start"):
        entry, default = executed(verb, SCRIPTED, "true")
        assert isinstance(entry, tuple) and entry[:2] == ("/bin/sh", "-c") and default == ()
        assert "/.singularity.d/env/*.sh" in entry[2]
    assert "/scif/apps/foo/scif/runscript" in str(executed("run", SCRIPTED, app="foo"))


def test_what_there_is_not_is_told() -> None:
    """A command, an app."""
    with pytest.raises(UsageError, match="no command"):
        make_plan(options("exec"))
    with pytest.raises(NotFound, match="no app 'bar'") as caught:
        make_plan(options("run", app="bar"), tree=SCRIPTED)
    assert "foo" in caught.value.why


def test_prefixed_variables_need_no_new_plan() -> None:
    """They are taken at each start: bare for an image without scripts, by their names for one with."""
    plain, scripted = make_plan(options("exec", "true")), make_plan(options("exec", "true"), tree=SCRIPTED)
    assert plain.find("ENV_BARE")[0].fields[0][:2] == ("SINGULARITYENV_", "APPTAINERENV_")  # type: ignore[index]
    assert scripted.find("ENV_NAMES")[0].fields == (("__given",), ("SINGULARITYENV_", "APPTAINERENV_"))


def test_what_a_peer_shows_comes_before_what_the_user_binds() -> None:
    """And the current directory between them; of two at one place the user's counts."""
    first = (Bind("/tmp", "/tmp"), Bind("/srv/home", "/home/alice"))
    plan = make_plan(
        options(
            "exec", "true", first_binds=first, first_tmpfs=(("/var/tmp", ""),), here=True, binds=(Bind("/x", "/tmp"),)
        )
    )
    shown = [item for item in plan.operations if item.kind in ("BIND", "MOUNT")]
    places = [str(item.fields[1 if item.kind == "BIND" else 4]) for item in shown]
    assert [place for place in places if place not in ("/proc", "/sys")][-4:] == [
        "/home/alice",
        "/var/tmp",
        "\x02",
        "/tmp",
    ]


def test_it_starts_where_it_can() -> None:
    """In the current directory, else at home, else in the root; and says the peer's status when it does not."""
    plan = make_plan(options("exec", "true", home_or_root=True, home_path="/srv", failed_status=255, umask=0o27))
    assert [item.fields for item in plan.find("CWD")] == [("/", 0), ("/srv", 2), ("\x02", 2)]
    assert plan.find("FAILED")[0].fields == (255,) and plan.find("UMASK")[0].fields == (0o27,)
    assert not make_plan().find("FAILED")


def test_changes_can_stay_in_a_directory() -> None:
    """Over the image, or in the image's own directory; only where there are mounts."""
    plan = make_plan(options("exec", "true", upper="/data/over", extra_layers=("/data/one", "/data/two")))
    layers, upper, work, _, _ = plan.find("OVERLAY")[0].fields
    assert isinstance(layers, tuple) and layers[1:3] == ("/data/two", "/data/one")
    assert (upper, work) == ("/data/over/upper", "/data/over/work")
    with pytest.raises(UsageError, match="cannot write to"):
        make_plan(options("exec", "true", in_place=True))
    own = make_plan(options("exec", "true", in_place=True), image=FakeImage(reference="/data/box/"))
    assert not own.find("OVERLAY") and own.find("TREE")[0].fields[0] == "/store/layers/aa/tree"
    with pytest.raises(HostLacks, match="proot"):
        make_plan(options("exec", "true", upper="/data/over"), choice=Choice("proot"))


def test_ipc_is_shared_only_when_asked() -> None:
    """Then there is no view of message queues, which the kernel would refuse."""
    shared, own = make_plan(options("exec", "true", shared_ipc=True)), make_plan()
    bit = 0x08000000
    assert (
        not int(str(shared.find("NAMESPACE")[0].fields[0])) & bit and int(str(own.find("NAMESPACE")[0].fields[0])) & bit
    )
    assert "mqueue" not in str(shared.find("MOUNT")) and "mqueue" in str(own.find("MOUNT"))
