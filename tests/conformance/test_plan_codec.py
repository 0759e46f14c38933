"""The plan file: what Python writes it reads back equal, and its table is the launcher's."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.base.errors import LaunchError
from wherry.launch.codec import decode, encode
from wherry.launch.plan import LaunchPlan, Operation
from wherry.launch.records import INPUTS, OPERATIONS

OPS = Path(__file__).parents[2] / "native/launcher/ops.def"

TEXT = st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=30)
VALUES = {
    "u": st.integers(0, (1 << 64) - 1),
    "s": TEXT,
    "b": st.binary(max_size=60),
    "l": st.lists(TEXT, max_size=5).map(tuple),
}


def records(table: dict[str, object]) -> st.SearchStrategy[Operation]:
    def fill(name: str) -> st.SearchStrategy[Operation]:
        fields = st.tuples(*(VALUES[letter] for letter in table[name].fields))  # type: ignore[attr-defined]
        return fields.map(lambda values: Operation(name, values))

    return st.sampled_from(sorted(set(table) - {"PREFIX"})).flatmap(fill)


PLANS = st.builds(
    LaunchPlan,
    st.lists(records(INPUTS), max_size=8).map(tuple),  # type: ignore[arg-type]
    st.lists(records(OPERATIONS), max_size=12).map(tuple),  # type: ignore[arg-type]
)


def test_the_table_is_that_of_the_launcher() -> None:
    """Every record of ops.def stands in Python's table with the same number, phase and fields, and no other."""
    pattern = re.compile(r'^(INPUT|OP)\((\w+),\s*(\d+),\s*(?:(\w+),\s*)?"(\w*)"\)', re.M)
    found = {
        (kind, name): (int(number), phase or "INPUT", fields)
        for kind, name, number, phase, fields in pattern.findall(OPS.read_text())
    }
    ours = {("INPUT", name): (kind.number, kind.phase, kind.fields) for name, kind in INPUTS.items()}
    ours |= {("OP", name): (kind.number, kind.phase, kind.fields) for name, kind in OPERATIONS.items()}
    assert found == ours


def test_every_field_has_a_name() -> None:
    """The JSON of a dry run can name each field of each record."""
    for kind in (*INPUTS.values(), *OPERATIONS.values()):
        assert len(kind.fields) == len(kind.names)


@given(PLANS, st.integers(0, (1 << 32) - 1))
def test_a_plan_reads_back_equal(plan: LaunchPlan, uid: int) -> None:
    """Whatever can be in a plan survives the file."""
    assert decode(encode(plan, uid)) == plan


def test_bytes_that_are_not_utf8_survive() -> None:
    """A path of any bytes goes through the file unchanged."""
    path = b"/data/\xff\xfe".decode("utf-8", "surrogateescape")
    plan = LaunchPlan((), (Operation("CWD", (path, 1)),))
    assert decode(encode(plan, 1)) == plan
    assert b"/data/\xff\xfe\0" in encode(plan, 1)


@given(PLANS, st.data())
def test_a_damaged_plan_is_read_differently_or_refused(plan: LaunchPlan, data: st.DataObject) -> None:
    """No change of a byte ends in anything but another plan or the one error."""
    content = bytearray(encode(plan, 7))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(LaunchError):
        assert decode(bytes(content)) != plan or position in range(12, 16)


@given(PLANS, st.data())
def test_a_cut_plan_is_refused(plan: LaunchPlan, data: st.DataObject) -> None:
    """A file that ends early is never taken for a shorter plan."""
    content = encode(plan, 7)
    with pytest.raises(LaunchError):
        decode(content[: data.draw(st.integers(0, len(content) - 1))])


@pytest.mark.parametrize(
    "item",
    [
        Operation("ID", ("a\0b",)),
        Operation("ID", ()),
        Operation("NOSUCH", ()),
        Operation("CWD", ("/", -1)),
        Operation("CWD", ("/", 1 << 64)),
        Operation("CAPS", ("text",)),
    ],
)
def test_what_does_not_fit_is_not_written(item: Operation) -> None:
    """A NUL, a number out of range, a wrong field: the writer refuses what the reader would."""
    with pytest.raises(LaunchError):
        encode(LaunchPlan((), (item,)), 1)


def test_a_plan_of_another_format_says_so() -> None:
    """The version is named, so that a user of two Wherrys understands."""
    content = bytearray(encode(LaunchPlan((), ()), 1))
    content[4] = 9
    with pytest.raises(LaunchError, match="format 9"):
        decode(bytes(content))


def test_an_input_after_an_operation_is_refused() -> None:
    """Inputs come first: the front stops comparing at the first operation."""
    one = encode(LaunchPlan((), (Operation("LOOPBACK"),)), 1)
    two = encode(LaunchPlan((Operation("NODE", ("n",)),), ()), 1)
    content = bytearray(one + two[16:])
    content[8:12] = len(content).to_bytes(4, "little")
    with pytest.raises(LaunchError, match="after an operation"):
        decode(bytes(content))
