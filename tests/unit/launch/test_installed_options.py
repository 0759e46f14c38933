"""What ``--installed`` adds to the options of a start."""

from __future__ import annotations

import os

import msgspec
from launch_fakes import HOST, FakeConfig, FakeImage, FakeImageConfig, FakeTree, make_plan

from wherry.base.outside import Outside
from wherry.launch import RunOptions, as_installed
from wherry.launch.options import Bind
from wherry.launch.plan import CURRENT

OPTIONS = RunOptions(image="debian:12", installed=True)


def expanded(
    options: RunOptions = OPTIONS, tree: FakeTree | None = None, image: FakeImage | None = None, **environ: str
) -> RunOptions:
    return as_installed(options, image or FakeImage(), tree or FakeTree(), HOST, Outside(environ))


def targets(options: RunOptions) -> set[str]:
    return {bind.target for bind in options.binds}


def test_all_of_the_host_is_shown_but_what_programs_are_made_of() -> None:
    shown = targets(expanded())
    assert {"/tmp", "/home", "/dev"} <= shown
    assert not shown & {"/usr", "/bin", "/lib", "/etc", "/opt", "/proc", "/sys", "/var", "/run", "/root", "/boot"}


def test_what_the_image_has_of_its_own_is_not_hidden() -> None:
    [first, *_] = sorted(os.listdir("/home"))
    shown = targets(expanded(tree=FakeTree({"/home/jovyan/.bashrc": b""})))
    assert "/home" not in shown and f"/home/{first}" in shown
    assert f"/home/{first}" not in targets(expanded(tree=FakeTree({f"/home/{first}/x": b""})))


def test_a_place_that_the_user_chose_is_not_shadowed() -> None:
    mine = Bind("/data/set", "/home/set")
    shown = expanded(msgspec.structs.replace(OPTIONS, binds=(mine,)))
    assert mine in shown.binds and "/home" not in targets(shown)
    assert "/tmp" not in targets(expanded(msgspec.structs.replace(OPTIONS, tmpfs=(("/tmp", ""),))))


def test_it_starts_where_the_caller_is_unless_told() -> None:
    assert expanded().workdir == CURRENT
    assert expanded(msgspec.structs.replace(OPTIONS, workdir="/w")).workdir == "/w"


def test_variables_of_the_image_and_of_the_hosts_programs_stay_out() -> None:
    image = FakeImage(config=FakeImageConfig(FakeConfig(env=("PATH=/bin", "OMP_PLACES=cores"))))
    names = expanded(image=image).pass_env
    assert names[0] == "*"
    assert {"!PATH", "!LD_*", "!PYTHON*", "!OMP_PLACES"} <= set(names)


def test_the_users_session_is_shown_where_there_is_one() -> None:
    assert "/run/lock" in targets(expanded(XDG_RUNTIME_DIR="/run/lock"))
    assert "/etc" not in targets(expanded(XDG_RUNTIME_DIR="/etc"))


def test_a_new_directory_of_the_host_makes_the_plan_anew_but_a_file_in_tmp_does_not() -> None:
    outside = Outside({})
    as_installed(OPTIONS, FakeImage(), FakeTree(), HOST, outside)
    looked = {each.name for each in outside.inputs if each.kind == "file"}
    assert "/" in looked and "/tmp" not in looked


def test_what_arguments_name_is_shown_only_over_a_root_that_can_be_changed() -> None:
    options = msgspec.structs.replace(expanded(), home=False)
    assert [item.fields[0] for item in make_plan(options).find("NAMED")] == [options.named]
    flat = msgspec.structs.replace(HOST, overlay=False)
    from launch_fakes import PATHS

    paths = msgspec.structs.replace(PATHS, flat="/store/flat/x/tree")
    assert not make_plan(options, host=flat, paths=paths).find("NAMED")


def test_mount_points_that_the_image_lacks_stand_in_the_names_layer() -> None:
    """Making them at each start takes longer than the mounts."""
    options = msgspec.structs.replace(expanded(), home=False)
    made = {file.path.partition("/shown/")[2].partition("/")[2] for file in make_plan(options).files}
    lacking = {bind.target.lstrip("/") for bind in options.binds if not FakeTree().exists(bind.target)}
    assert lacking and lacking <= made


def test_the_home_directory_is_bound_once() -> None:
    binds = [item.fields[1] for item in make_plan(expanded()).find("BIND")]
    assert "/home" in binds and HOST.home not in binds


def test_an_empty_directory_is_not_shown_until_something_is_there() -> None:
    empty = [f"/{name}" for name in ("media", "mnt", "srv") if os.path.isdir(f"/{name}") and not os.listdir(f"/{name}")]
    outside = Outside({})
    shown = as_installed(OPTIONS, FakeImage(), FakeTree(), HOST, outside)
    assert not targets(shown) & set(empty)
    assert set(empty) <= {each.name for each in outside.inputs}
