"""Maps of ids: every id once, the caller's own where it belongs, and clear words where the range is too short."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from launch_fakes import HOST, FakeTree, make_plan

from wherry.base.errors import HostLacks
from wherry.host import Subordinate
from wherry.launch import RunOptions, Surroundings, inside_ids, outside_ids
from wherry.launch.idmap import id_map

RANGE = Subordinate(((100000, 65536),), ((200000, 65536),), "/usr/bin/newuidmap", "/usr/bin/newgidmap")
RANGED = Surroundings(subordinate=RANGE)


def test_the_caller_keeps_the_own_number() -> None:
    assert id_map(1001, 1001, [(100000, 65536)]) == ((0, 100000, 1001), (1001, 1001, 1), (1002, 101001, 64534))


def test_the_caller_as_root() -> None:
    assert id_map(1001, 0, [(100000, 65536)]) == ((0, 1001, 1), (1, 100000, 65535))


def test_a_number_beyond_the_usual_ones_is_added() -> None:
    assert id_map(700001, 700001, [(100000, 65536)]) == ((0, 100000, 65536), (700001, 700001, 1))


def test_a_short_range_goes_as_far_as_it_goes() -> None:
    assert id_map(5, 5, [(1000, 7)]) == ((0, 1000, 5), (5, 5, 1), (6, 1005, 2))


@given(
    st.integers(0, 3000),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 800)), max_size=5),
)
def test_no_id_is_mapped_twice(own: int, root: bool, ranges: list[tuple[int, int]]) -> None:
    lines = id_map(own, 0 if root else own, ranges)
    assert (0 if root else own, own, 1) in lines
    for column in (0, 1):
        at = 0
        for start, count in sorted((line[column], line[2]) for line in lines):
            assert start >= at
            assert count > 0
            at = start + count
    granted = {number for first, count in ranges for number in range(first, first + count)}
    assert all(granted.issuperset(range(first, first + count)) for _, first, count in lines if first != own)


def test_in_a_build_the_callers_files_are_roots_whoever_the_command_is() -> None:
    made = make_plan(RunOptions(user="jovyan", userns="range", as_built=True), surroundings=RANGED)
    assert made.find("IDMAP")[0].fields[2] == ("0", "1001", "1", "1", "100000", "65535")
    assert made.find("IDS")[0].fields[0] == 1000


def test_owners_are_counted_both_ways() -> None:
    made = make_plan(RunOptions(user="root", userns="range"), surroundings=RANGED)
    inside, outside = inside_ids(made), outside_ids(made)
    assert inside is not None and outside is not None
    assert [inside(1001, 1001), inside(100041, 200007), inside(7, 165536)] == [(0, 0), (42, 8), (0, 0)]
    assert [outside(0, 0), outside(42, 8), outside(65536, 70000)] == [(1001, 1001), (100041, 200007), (-1, -1)]
    assert inside_ids(make_plan(RunOptions(user="root"))) is None


def test_another_user_is_mapped_and_becomes_the_command() -> None:
    made = make_plan(RunOptions(user="jovyan", userns="range"), surroundings=RANGED)
    (mapped,), (ids,) = made.find("IDMAP"), made.find("IDS")
    assert mapped.fields[:2] == ("/usr/bin/newuidmap", "/usr/bin/newgidmap")
    assert mapped.fields[2] == ("0", "100000", "1001", "1001", "1001", "1", "1002", "101001", "64534")
    assert ids.fields == (1000, 100, ("100",))
    names = [operation.kind for operation in made.operations]
    assert names.index("IDS") < names.index("CAPS")


def test_the_images_groups_are_those_of_another_user_and_not_of_the_caller() -> None:
    tree = FakeTree({"/etc/group": b"root:x:0:\ndata:x:77:alice,jovyan\n"})
    assert ids_of(RunOptions(user="jovyan"), tree) == (1000, 100, ("100", "77"))
    assert ids_of(RunOptions(), tree) == (1001, 1001, ())
    assert ids_of(RunOptions(user="root"), tree) == (0, 0, ())
    assert ids_of(RunOptions(user="jovyan", group_add=("keep-groups",)), tree) == (1000, 100, ())
    assert ids_of(RunOptions(group_add=("data",)), tree) == (1001, 1001, ("1001", "77"))


def test_own_groups_and_others_exclude_each_other() -> None:
    with pytest.raises(HostLacks, match="cannot keep your own groups"):
        ids_of(RunOptions(group_add=("keep-groups", "daemon")), FakeTree())


def test_an_id_beyond_the_range_is_refused() -> None:
    with pytest.raises(HostLacks, match="cannot have the user 70000"):
        ids_of(RunOptions(user="70000"), FakeTree())


def test_the_home_that_is_made_belongs_to_its_user() -> None:
    made = make_plan(RunOptions(user="4711:4712"), surroundings=RANGED)
    assert [operation.fields for operation in made.find("OWNER")] == [("/home/alice", 4711, 4712)]
    assert make_plan(RunOptions(user="4711:4712")).find("OWNER") == ()


def test_fuse_overlayfs_cannot_serve_several_users() -> None:
    host = msgspec.structs.replace(HOST, overlay=False, fuse_overlayfs="/usr/bin/fuse-overlayfs")
    with pytest.raises(HostLacks, match="fuse-overlayfs"):
        make_plan(RunOptions(), surroundings=RANGED, host=host)


def ids_of(options: RunOptions, tree: FakeTree) -> tuple[object, ...]:
    (ids,) = make_plan(options, tree=tree, surroundings=RANGED).find("IDS")
    return ids.fields
