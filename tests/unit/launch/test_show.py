"""What --dry-run prints."""

from __future__ import annotations

import json

from launch_fakes import make_plan

from wherry.base.outside import Outside
from wherry.launch import Bind, ExecOptions, RunOptions, Ulimit, plan_exec, show, show_json, with_inputs


def test_a_person_reads_what_the_container_sees() -> None:
    """Command, user, mounts, variables, confinement, inputs."""
    outside = Outside({})
    outside.env("TMPDIR")
    plan = with_inputs(make_plan(RunOptions(here=True, binds=(Bind("/x", "/data", read_only=True),))), outside)
    text = show(plan, ("fit.py", "a b"))
    assert "  python3\n" not in text
    for line in (
        "fit.py 'a b'",
        "in <current directory>",
        "uid 1001, gid 1001",
        "/data  the host's /x (read-only)",
        "<current directory>  the host's <current directory>",
        "HOME=/home/alice",
        "no capabilities",
        "the variable TMPDIR",
    ):
        assert f"  {line}\n" in text
    assert not any(ord(letter) < 32 and letter != "\n" for letter in text)


def test_what_would_change_the_plan_is_told_in_few_lines() -> None:
    """Not each setting's variable, and no file below one that is named: programs read all of them (--format json)."""
    outside = Outside({})
    for name in ("A", "B", "C", "D", "E"):
        outside.env(f"WHERRY_{name}")
    for path in ("/nonexistent/x", "/nonexistent/x/y", "/nonexistent/x/y/z", "/nonexistent/xy"):
        outside.stat(path)
    plan = with_inputs(make_plan(), outside)
    told = show(plan).partition("when one of these changes\n")[2].splitlines()
    assert told[:3] == [
        "  5 variables WHERRY_* ('wherry settings' names them)",
        "  the file /nonexistent/x and 2 below it",
        "  the file /nonexistent/xy",
    ]
    assert show_json(plan).count(b'"WHERRY_') == 5


def test_limits_have_the_names_of_the_option() -> None:
    text = show(make_plan(RunOptions(ulimits=(Ulimit("nofile", 1, 2), Ulimit("rttime", 3, 4)))))
    assert "  limit nofile: 1 2\n" in text and "  limit rttime: 3 4\n" in text


def test_a_program_reads_all_records() -> None:
    """With named fields; nothing is left out."""
    plan = make_plan()
    document = json.loads(show_json(plan))
    assert [item["kind"] for item in document["operations"]] == [item.kind for item in plan.operations]
    start = next(item for item in document["operations"] if item["kind"] == "CWD")
    assert start == {"kind": "CWD", "phase": "COMMAND", "directory": "/", "make": 1}
    assert bytes.fromhex(next(item["filter"] for item in document["operations"] if item["kind"] == "SECCOMP"))


def test_an_exec_is_shown_too() -> None:
    """As a member of its container."""
    import msgspec
    from launch_fakes import HOST, PATHS

    from wherry.launch import Membership

    fragment = str(make_plan().find("RUNNING")[0].fields[1])
    membership = msgspec.json.decode('{"id":"abc","cwd":"/",' + fragment + "}", type=Membership)
    options = ExecOptions(container="box", command=("ls",))
    text = show(plan_exec(options, membership, HOST, paths=PATHS, running="/r"), ("ls",))
    assert "a member of the running container 'box'" in text
