"""Which directories a read-only container sees as they lie in the store."""

from __future__ import annotations

import msgspec
import pytest
from launch_fakes import PATHS, FakeImage, FakeLayer, FakeTree, Meta, make_plan

from wherry.launch import Bind, Kept, LaunchPlan, RunOptions
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
    ],
)
def test_nothing_is_bound_where_something_may_come_into_the_image(options: RunOptions) -> None:
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


def test_an_image_that_is_mounted_is_named_by_its_slot() -> None:
    image = FakeImage(layers=(FakeLayer(f"{MOUNT}/tree"),))
    paths = msgspec.structs.replace(PATHS, mounted=Mounted("/run/user/1001/wherry/mounts/abc"))
    folders = {"/usr": ((0, "/run/user/1001/wherry/mounts/abc/tree/usr"),)}
    plan = make_plan(READ_ONLY, image=image, tree=FakeTree(FILES, folders), paths=paths)
    assert plain(plan) == {"/usr": f"{MOUNT}/tree/usr"}
