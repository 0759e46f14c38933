"""Which directories a read-only container sees as they lie in the store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from launch_fakes import HOST, PATHS, FakeImage, FakeLayer, FakeTree, Meta, make_plan

from wherry.base.outside import Outside
from wherry.base.settings import Settings
from wherry.launch import Bind, Kept, LaunchPlan, RunOptions, Surroundings, survey
from wherry.launch.binds import BIND_PLAIN, BIND_READ_ONLY
from wherry.launch.mounts import OVERLAY_UNWRITTEN
from wherry.launch.plan import MOUNT, Mounted

LOW, HIGH = "/store/layers/aa/tree", "/store/layers/bb/tree"
FOLDERS = {
    "/usr": ((0, f"{LOW}/usr"),),
    "/opt": ((1, f"{HIGH}/opt"), (0, f"{LOW}/opt")),
    "/opt/conda": ((1, f"{HIGH}/opt/conda"),),
    "/opt/conda/lib": ((1, f"{HIGH}/opt/conda/lib"),),
    "/opt/both": ((1, f"{HIGH}/opt/both"), (0, f"{LOW}/opt/both")),
    "/opt/both/deep": ((0, f"{LOW}/opt/both/deep"),),
    "/etc": ((0, f"{LOW}/etc"),),
}
FILES: dict[str, bytes | str | None] = {"/opt/conda/lib/x": b"", "/opt/both/deep/x": b"", "/lib": "-> /usr/lib"}
READ_ONLY = RunOptions(read_only=True)


def plain(plan: LaunchPlan) -> dict[str, str]:
    """Paths inside and on the host."""
    binds = [item.fields for item in plan.find("BIND")]
    return {str(fields[1]): str(fields[0]) for fields in binds if int(fields[2]) & BIND_PLAIN}  # type: ignore[arg-type]


def tree() -> FakeTree:
    return FakeTree(FILES, FOLDERS)


def overlay_bits(plan: LaunchPlan) -> int:
    (overlay,) = plan.find("OVERLAY")
    return int(overlay.fields[4])  # type: ignore[arg-type]


def test_a_directory_of_one_layer_is_bound_and_no_link_and_none_that_several_make_up() -> None:
    """``/etc`` has passwd, which the names layer shows; what lies three levels deep is not looked for."""
    plan = make_plan(READ_ONLY, tree=tree())
    assert plain(plan) == {"/usr": f"{LOW}/usr", "/opt/conda": f"{HIGH}/opt/conda"}
    assert all(int(item.fields[2]) & BIND_READ_ONLY for item in plan.find("BIND")[:2])  # type: ignore[arg-type]
    assert overlay_bits(plan) & OVERLAY_UNWRITTEN


def test_what_is_bound_by_the_user_comes_later() -> None:
    options = RunOptions(read_only=True, binds=(Bind("/data", "/usr/lib"),))
    targets = [item.fields[1] for item in make_plan(options, tree=tree()).find("BIND")]
    assert targets.index("/usr") < targets.index("/usr/lib")


def test_around_a_mount_point_that_the_image_lacks_its_neighbours_are_bound() -> None:
    folders = {**FOLDERS, "/usr/lib": ((0, f"{LOW}/usr/lib"),), "/usr/share": ((0, f"{LOW}/usr/share"),)}
    image_tree = FakeTree({**FILES, "/usr/share/x": b""}, folders)
    options = RunOptions(read_only=True, binds=(Bind("/data", "/usr/lib/data"),))
    assert plain(make_plan(options, tree=image_tree)) == {
        "/opt/conda": f"{HIGH}/opt/conda",
        "/usr/share": f"{LOW}/usr/share",
    }


def test_a_directory_for_memory_that_the_image_lacks_counts_too() -> None:
    options = RunOptions(read_only=True, tmpfs=(("/opt/conda/scratch", ""),))
    assert "/opt/conda" not in plain(make_plan(options, tree=tree()))


@pytest.mark.parametrize(
    "options",
    [
        RunOptions(),
        RunOptions(read_only=True, upper="/changes"),
        RunOptions(read_only=True, extra_layers=("/more",)),
        RunOptions(read_only=True, named=("/opt",)),
        RunOptions(read_only=True, cap_add=("SYS_ADMIN",)),
        RunOptions(read_only=True, cap_add=("ALL",)),
    ],
)
def test_nothing_is_bound_where_something_may_come_into_the_image_or_it_could_be_made_writable(
    options: RunOptions,
) -> None:
    plan = make_plan(options, tree=tree())
    assert plain(plan) == {}
    assert not overlay_bits(plan) & OVERLAY_UNWRITTEN


def test_a_container_that_stays_keeps_its_writable_layer_for_cp() -> None:
    assert plain(make_plan(READ_ONLY, tree=tree(), kept=Kept("ab" * 32))) == {}


def test_a_layer_with_whiteouts_is_left_to_the_overlay() -> None:
    image = FakeImage(layers=(FakeLayer(LOW), FakeLayer(HIGH, Meta(whiteouts=1))))
    plan = make_plan(READ_ONLY, image=image, tree=tree())
    assert plain(plan) == {"/usr": f"{LOW}/usr"}
    assert not overlay_bits(plan) & OVERLAY_UNWRITTEN


def test_a_layer_of_a_like_name_is_not_meant() -> None:
    folders = {"/usr": ((1, "/store/layers/aa/tree-of-another/usr"),)}
    assert plain(make_plan(READ_ONLY, tree=FakeTree(FILES, folders))) == {}


def test_a_mounted_image_is_read_through_the_overlay() -> None:
    """FUSE serves who mounted it alone, and does not look at modes."""
    image = FakeImage(layers=(FakeLayer(f"{MOUNT}/tree"),))
    paths = msgspec.structs.replace(PATHS, mounted=Mounted("/run/user/1001/wherry/mounts/abc"))
    folders = {"/usr": ((0, "/run/user/1001/wherry/mounts/abc/tree/usr"),)}
    plan = make_plan(READ_ONLY, image=image, tree=FakeTree(FILES, folders), paths=paths)
    assert plain(plan) == {}
    assert overlay_bits(plan) & OVERLAY_UNWRITTEN


def test_where_the_store_lets_nothing_be_executed_the_overlay_does(tmp_path: Path) -> None:
    script = (
        "import os, sys; from wherry.launch.surroundings import is_noexec; from launch_fakes import *; "
        "print(is_noexec(FakeImage(layers=(FakeLayer('/'), FakeLayer(sys.argv[1])))))"
    )
    mounting = f"mount -t tmpfs -o noexec tmpfs {tmp_path}; "
    for before, seen in ((mounting, "True\n"), ("", "False\n")):
        inside = ["unshare", "-Urm", "sh", "-c", f'{before}exec "$0" "$@"', sys.executable, "-c", script, str(tmp_path)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        assert subprocess.run(inside, env=environment, capture_output=True, text=True, check=True).stdout == seen
    assert plain(make_plan(READ_ONLY, tree=tree(), surroundings=Surroundings(noexec=True))) == {}


def test_a_plan_for_an_unpacked_image_looks_at_the_directories_that_it_depends_on(tmp_path: Path) -> None:
    (tmp_path / "opt/some").mkdir(parents=True)
    image = FakeImage(reference=f"{tmp_path}/", layers=(FakeLayer(str(tmp_path)),))
    options = RunOptions(read_only=True, binds=(Bind("/data", "/opt/some/data"),))
    outside = Outside()
    survey(outside, options, Settings({}), image, HOST)
    seen = {item.name for item in outside.inputs if item.kind == "file"}
    assert {f"{tmp_path}/opt", f"{tmp_path}/opt/some"} <= seen
