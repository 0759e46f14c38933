"""The plan file: what Python writes is read back equal by Python and by C, and there is one table for both."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wherry.base.errors import LaunchError
from wherry.launch.codec import decode, encode
from wherry.launch.plan import LaunchPlan, Operation
from wherry.launch.records import BY_NUMBER, INPUTS, OPERATIONS

LAUNCHER = Path(__file__).parents[2] / "native/launcher"
OPS = LAUNCHER / "ops.def"

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


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader in C, which prints what it understands."""
    program = tmp_path_factory.mktemp("dump") / "dump_plan"
    sources = [LAUNCHER / "plan.c", LAUNCHER / "tests/dump_plan.c"]
    flags = ["-std=c11", "-O1", "-D_GNU_SOURCE", "-static"]
    subprocess.run(["cc", *flags, f"-I{LAUNCHER}", *sources, "-o", program], check=True)
    return program


def read_by_c(dump: Path, content: bytes) -> list[list[object]] | None:
    """The records as C reads them, None when it refuses the file."""
    file = dump.parent / "plan"
    file.write_bytes(content)
    done = subprocess.run([dump, file], capture_output=True)
    assert done.returncode in (0, 1), done.stderr.decode()
    return None if done.returncode else [json.loads(line) for line in done.stdout.splitlines()]


def as_c_prints(plan: LaunchPlan) -> list[list[object]]:
    def plain(value: object) -> object:
        if isinstance(value, bytes):
            return {"hex": value.hex()}
        if isinstance(value, tuple):
            return [plain(part) for part in value]
        return value.encode("utf-8", "surrogateescape").decode("latin-1") if isinstance(value, str) else value

    return [[item.kind, *map(plain, item.fields)] for item in (*plan.inputs, *plan.operations)]


PREFIXES = st.lists(TEXT, min_size=1, max_size=5).map(lambda words: Operation("PREFIX", (tuple(words),)))
EXECS = st.builds(lambda *fields: Operation("EXEC", fields), VALUES["l"], VALUES["l"], VALUES["u"])
ANSWERS = st.builds(lambda *fields: Operation("ANSWER", fields), VALUES["b"], VALUES["b"])


def finish(prefix: Operation, plan: LaunchPlan, last: Operation) -> LaunchPlan:
    """As the launcher wants it: its prefix first, and one EXEC, or one ANSWER with nothing but USED beside it."""
    kinds = {"USED"} if last.kind == "ANSWER" else set(OPERATIONS) - {"EXEC", "ANSWER"}
    others = tuple(item for item in plan.operations if item.kind in kinds)
    return LaunchPlan((prefix, *plan.inputs), (*others, last))


WHOLE = st.builds(finish, PREFIXES, PLANS, st.one_of(EXECS, ANSWERS))


def is_whole(plan: LaunchPlan) -> bool:
    """Whether the launcher accepts a plan that reads well: the codec leaves this to it."""
    kinds = [item.kind for item in plan.inputs]
    if plan.find("ANSWER"):
        is_one = sorted({item.kind for item in plan.operations} | {"USED"}) == ["ANSWER", "USED"]
        is_one = is_one and len(plan.find("ANSWER")) == 1
    else:
        is_one = len(plan.find("EXEC")) == 1
    return kinds[:1] == ["PREFIX"] and plan.inputs[0].fields != ((),) and is_one


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WHOLE)
def test_c_reads_what_python_writes(dump: Path, plan: LaunchPlan) -> None:
    """Every record and every field, byte by byte."""
    assert read_by_c(dump, encode(plan, 1001)) == as_c_prints(plan)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WHOLE, st.data())
def test_both_readers_agree_on_damaged_plans(dump: Path, plan: LaunchPlan, data: st.DataObject) -> None:
    """What one refuses the other refuses, and what both take they read alike."""
    content = bytearray(encode(plan, 7))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    by_c = read_by_c(dump, bytes(content))
    try:
        by_python = decode(bytes(content))
    except LaunchError:
        assert by_c is None
    else:
        assert by_c == (as_c_prints(by_python) if is_whole(by_python) else None)


def test_numbers_are_given_once() -> None:
    """No two records share a number."""
    assert len(BY_NUMBER) == len(INPUTS) + len(OPERATIONS)
