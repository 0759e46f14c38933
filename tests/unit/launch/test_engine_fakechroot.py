"""The interposed engine: which programs it can run, when it is chosen, and what its plans hand to the starter."""

from __future__ import annotations

import struct

import msgspec
import pytest
from launch_fakes import PATHS, FakeImage, FakeTree, make_plan

from machines import GOOD, refused
from wherry.base.errors import CommandNotFound, HostLacks
from wherry.base.settings import Settings
from wherry.host.facts import Proot
from wherry.launch import Bind, Choice, LaunchPlan, RunOptions, choose
from wherry.launch.engines.program import kind_of_program

FLAT = msgspec.structs.replace(PATHS, flat="/store/flat/f/tree")


def elf(interpreter: str = "", machine: int = 62, bits: int = 2) -> bytes:
    """The head of a 64-bit program, with the loader that it asks for."""
    head = bytearray(b"\x7fELF" + bytes([bits, 1, 1]) + bytes(57))
    struct.pack_into("<HH", head, 16, 3, machine)
    struct.pack_into("<Q", head, 32, 64)
    struct.pack_into("<HH", head, 54, 56, 2)
    text = interpreter.encode() + b"\0"
    parts = struct.pack("<IIQQQQQQ", 6, 4, 64, 64, 64, 112, 112, 8)
    kind = 3 if interpreter else 1
    parts += struct.pack("<IIQQQQQQ", kind, 4, 176, 176, 176, len(text), len(text), 1)
    return bytes(head) + parts + text + bytes(64)


DYNAMIC, STATIC = elf("/lib64/ld-linux-x86-64.so.2"), elf()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (DYNAMIC, "dynamic"),
        (STATIC, "static"),
        (elf("/lib/ld-musl-x86_64.so.1"), "musl"),
        (elf("/lib/ld-linux-aarch64.so.1", machine=183), "other-arch"),
        (elf("/lib/ld-linux.so.2", bits=1), "other-arch"),
        (b"#!/usr/bin/fit\n", "dynamic"),
        (b"#! /usr/bin/static -x\n", "static"),
        (b"#!/usr/bin/missing\n", ""),
        (b"#!/usr/bin/program\n", ""),
        (b"#!\n", ""),
        (b"text", ""),
        (b"", ""),
        (STATIC[:70], "static"),
        (b"\x7fELF", ""),
    ],
)
def test_a_programs_kind_is_seen_in_its_first_bytes(content: bytes, kind: str) -> None:
    files = {"/usr/bin/program": content, "/usr/bin/fit": DYNAMIC, "/usr/bin/static": STATIC}
    tree = FakeTree(dict(files))
    assert kind_of_program(tree, "program", "/opt/bin:/usr/bin", "amd64") == kind
    assert kind_of_program(tree, "/bin/program", "", "amd64") == kind
    assert kind_of_program(tree, "./program", "", "amd64") == ""


def _chosen(program: bytes, *, proot: bool, engine: str | None = None) -> Choice:
    machine = refused("unshare: EPERM")
    if not proot:
        machine = msgspec.structs.replace(machine, proot=Proot("/usr/bin/proot", problem="ptrace: EPERM"))
    options = RunOptions(image="debian:12", command=("fit",), engine=engine)
    tree = FakeTree({"/usr/bin/fit": program})
    return choose(options, Settings({}), machine.host, FakeImage(), tree, lambda: machine)


def test_it_is_chosen_where_ptrace_is_forbidden_too() -> None:
    assert _chosen(DYNAMIC, proot=True).engine == "proot"
    assert _chosen(DYNAMIC, proot=False).engine == "fakechroot"


def test_a_program_that_it_cannot_run_is_told_before_it_starts() -> None:
    with pytest.raises(HostLacks) as caught:
        _chosen(STATIC, proot=False)
    assert "'fit' cannot be run by it: it is a static program" in caught.value.why
    with pytest.raises(HostLacks) as asked:
        _chosen(STATIC, proot=True, engine="fakechroot")
    assert "--engine proot" in asked.value.hint


def _planned(options: RunOptions | None = None, **files: bytes | str | None) -> LaunchPlan:
    tree = FakeTree({"/usr/bin/python3": DYNAMIC, **{f"/{name}": content for name, content in files.items()}})
    plan: LaunchPlan = make_plan(options, choice=Choice("fakechroot", machine=GOOD), paths=FLAT, tree=tree)
    return plan


def _wrap(plan: LaunchPlan) -> tuple[str, ...]:
    (operation,) = plan.find("WRAP")
    argv = operation.fields[0]
    assert isinstance(argv, tuple)
    return argv


def test_the_starter_is_told_what_to_show() -> None:
    options = RunOptions(image="x", binds=(Bind("/data", "/data", read_only=True), Bind("/work", "/w")))
    argv = " ".join(_wrap(_planned(options)))
    assert argv.startswith(f"{GOOD.interpose} --compose \x01/interpose --facts \x01/facts --root /store/flat/f/tree ")
    assert "--host /proc" in argv
    assert "--bind \x01/tmp /tmp" in argv
    assert "--read-only /data /data" in argv
    assert "--bind /work /w" in argv
    assert argv.endswith("-- --cwd \x06 --")


def test_a_target_is_named_as_the_image_resolves_it() -> None:
    argv = " ".join(_wrap(_planned(RunOptions(image="x", binds=(Bind("/data", "/bin/data"),)))))
    assert "--bind /data /usr/bin/data" in argv


def test_a_private_copy_may_be_written_and_read_only_closes_all() -> None:
    copy = _planned(RunOptions(image="x", copy=True))
    assert copy.find("COPY")[0].fields == ("/store/flat/f/tree", "\x01/root")
    assert "--writable-root \x01/root" in " ".join(_wrap(copy))
    closed = " ".join(_wrap(_planned(RunOptions(image="x", read_only=True))))
    assert "--read-only \x01/tmp /tmp" in closed


def test_a_missing_program_is_told_before_anything_goes_to_the_background() -> None:
    with pytest.raises(CommandNotFound, match="'nosuch'"):
        _planned(RunOptions(image="x", command=("nosuch",), detach=True))
    assert _planned(RunOptions(image="x", command=("python3",), detach=True)).find("PLAIN")
