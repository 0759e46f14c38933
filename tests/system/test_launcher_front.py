"""The front: which saved plan is used, when it is not, and how Python is handed the command line."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path

import pytest

from launcher_plans import Box, Operation, beside_python

FNV_START, FNV_PRIME, MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


def plan_hash(*words: str) -> str:
    value = FNV_START
    for word in words:
        data = os.fsencode(word)
        for byte in len(data).to_bytes(4, "little") + data:
            value = ((value ^ byte) * FNV_PRIME) & MASK
    return f"{value:016x}"


class Front:
    """A launcher with a stand-in for Python beside it, which prints what it was given."""

    def __init__(self, folder: Path) -> None:
        self.box = Box(folder / "box")
        self.program = beside_python(folder / "bin", '#!/bin/sh\necho "python ${WHERRY_FACE-} $*"\n')

    def save(self, *prefix: str, inputs: tuple[Operation, ...] = (), uid: int | None = None, **changes: object) -> Path:
        path = self.box.runtime / "plans" / f"{plan_hash(*prefix)}.plan"
        operations = self.box.operations(**changes)  # type: ignore[arg-type]
        self.box.write(operations, prefix=prefix, inputs=inputs, path=path, uid=uid)
        return path

    def run(self, *argv: str, variables: dict[str, str] | None = None, cwd: Path | None = None) -> tuple[str, str]:
        environment = self.box.environment(WHERRY_EXPLAIN="plan", **(variables or {}))
        done = subprocess.run(
            argv, executable=self.program, env=environment, cwd=cwd, capture_output=True, text=True, check=False
        )
        return done.stdout, done.stderr


@pytest.fixture
def front(tmp_path: Path) -> Front:
    return Front(tmp_path)


def test_the_longest_saved_prefix_is_used_and_the_rest_is_the_command(front: Front) -> None:
    front.save("wherry", "run", entry=("echo", "short"))
    front.save("wherry", "run", "image", entry=("echo", "long"))
    assert front.run("/any/where/wherry", "run", "image", "a", "b")[0] == "long a b\n"
    assert front.run("wherry", "run", "other")[0] == "short other\n"


def test_without_a_plan_python_gets_the_same_arguments(front: Front) -> None:
    out, err = front.run("wherry", "run", "image", "a b")
    assert out == "python  run image a b\n"
    assert "no plan is saved for this command line" in err


def test_what_is_set_for_another_python_goes_aside(front: Front, tmp_path: Path) -> None:
    python = front.program.parent / "wherry-python"
    python.write_text("#!/bin/sh\nenv | grep -a PYTHON | sort\n")
    given = {"PYTHONPATH": "/of/a/module", "PYTHONHOME": "/of/another", "PYTHONUTF8": "1"}
    aside = "PYTHONUTF8=1\nWHERRY_ASIDE_PYTHONHOME=/of/another\nWHERRY_ASIDE_PYTHONPATH=/of/a/module\n"
    assert front.run("wherry", "images", variables=given)[0] == aside
    (tmp_path / "site" / "wherry").mkdir(parents=True)
    (tmp_path / "site" / "wherry" / "__init__.py").touch()
    where = f"/other:{tmp_path}/site"
    assert front.run("wherry", "images", variables={"PYTHONPATH": where})[0] == f"PYTHONPATH={where}\n"


def test_a_removed_current_directory_makes_no_plan_stale(front: Front, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    front.save("wherry", "run", inputs=(Operation("NEAREST", ("wherry.toml", "")),), entry=("echo", "runs"))
    gone.mkdir()
    environment = front.box.environment(WHERRY_EXPLAIN="plan")
    script = 'cd "$0" && rmdir "$0" && exec "$1" run'
    done = subprocess.run(
        ["sh", "-c", script, gone, front.program], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("runs\n", "")


def test_another_face_is_another_plan_and_is_told_to_python(front: Front) -> None:
    front.save("wherry", "run", "image", entry=("echo", "wherry"))
    assert front.run("docker", "run", "image")[0] == "python docker run image\n"


def test_without_python_the_message_says_what_to_do(front: Front) -> None:
    (front.program.parent / "wherry-python").unlink()
    done = subprocess.run([str(front.program), "ps"], capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert "Wherry's Python part is missing" in done.stderr and "pip install" in done.stderr


def stamp(path: Path) -> Operation:
    found = path.stat()
    numbers = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode)
    return Operation("FILE", (str(path), 1, *numbers))


def test_every_kind_of_input_is_compared(front: Front, tmp_path: Path) -> None:
    """Each holds as recorded, and does not when the world or the record differs."""
    here = tmp_path / "here" / "below"
    here.mkdir(parents=True)
    (tmp_path / "f").write_text("content")
    (tmp_path / "here" / "wherry.toml").write_text("")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    groups = tuple(str(group) for group in sorted(os.getgroups()))
    locked = (tmp_path / "locked").open("w")
    fcntl.flock(locked, fcntl.LOCK_EX)
    gone = Operation("FILE", (str(tmp_path / "gone"), 0, 0, 0, 0, 0, 0, 0))
    cases = [
        (
            stamp(tmp_path / "f"),
            Operation("FILE", (*stamp(tmp_path / "f").fields[:5], 1, 1, 1)),
            "the file has changed",
        ),
        (gone, Operation("FILE", (str(tmp_path / "f"), 0, 0, 0, 0, 0, 0, 0)), "the file has changed"),
        (
            Operation("CONTENT", (str(tmp_path / "f"), b"content")),
            Operation("CONTENT", (str(tmp_path / "f"), b"conten")),
            "the content has changed",
        ),
        (Operation("ENV", ("A", 1, "1")), Operation("ENV", ("A", 1, "2")), "the variable has changed: 'A'"),
        (Operation("ENV", ("NONE", 0, "")), Operation("ENV", ("A", 0, "")), "the variable has changed: 'A'"),
        (Operation("ENVS", ("SL", ("SLA=1", "SLB=2"))), Operation("ENVS", ("SL", ("SLA=1",))), "begin with 'SL'"),
        (
            Operation("IDENTITY", (os.geteuid(), os.getegid(), groups)),
            Operation("IDENTITY", (os.geteuid(), os.getegid(), (*groups, "4242424"))),
            "ids have changed",
        ),
        (Operation("NODE", (os.uname().nodename,)), Operation("NODE", ("elsewhere",)), "on the node 'elsewhere'"),
        (Operation("BOOT", (boot,)), Operation("BOOT", ("other",)), "started again"),
        (Operation("CWD", (str(here),)), Operation("CWD", ("/",)), "in the directory '/'"),
        (
            Operation("NEAREST", ("wherry.toml", str(tmp_path / "here" / "wherry.toml"))),
            Operation("NEAREST", ("wherry.toml", "")),
            "another file is nearest",
        ),
        (Operation("NEAREST", ("nowhere.toml", "")), Operation("NEAREST", ("nowhere.toml", "/x")), "another file"),
        (Operation("LOCAL", ("image", 0)), Operation("LOCAL", ("image", 1)), "came or went"),
        (Operation("APART", (("/", "/usr"),)), Operation("APART", ((str(tmp_path),),)), "belongs to the image"),
        (Operation("FREE", (str(tmp_path / "free"),)), Operation("FREE", (locked.name,)), "somebody else holds"),
    ]
    variables = {"A": "1", "SLB": "2", "SLA": "1"}
    for holds, differs, reason in cases:
        front.save("wherry", "run", "image", inputs=(holds,), entry=("echo", "reused"))
        assert front.run("wherry", "run", "image", variables=variables, cwd=here) == ("reused\n", ""), holds
        front.save("wherry", "run", "image", inputs=(differs,), entry=("echo", "reused"))
        out, err = front.run("wherry", "run", "image", variables=variables, cwd=here)
        assert out.startswith("python"), differs
        assert reason in err
    locked.close()


def test_a_plan_that_others_could_have_made_or_read_is_not_used(front: Front) -> None:
    path = front.save("wherry", "run", "image", entry=("echo", "reused"))
    path.chmod(0o640)
    assert "others may read" in front.run("wherry", "run", "image")[1]
    front.save("wherry", "run", "image", uid=os.getuid() + 1)
    path.chmod(0o600)
    assert "another user" in front.run("wherry", "run", "image")[1]
    target = path.rename(path.with_name("real"))
    path.symlink_to(target)
    assert front.run("wherry", "run", "image")[0].startswith("python")


def test_a_plan_under_a_wrong_name_is_not_used(front: Front) -> None:
    front.save("wherry", "run", "image").rename(
        front.box.runtime / "plans" / f"{plan_hash('wherry', 'run', 'other')}.plan"
    )
    assert "its prefix differs" in front.run("wherry", "run", "other")[1]


def test_a_runtime_folder_that_others_may_enter_is_not_used(front: Front) -> None:
    front.save("wherry", "run", "image", entry=("echo", "reused"))
    front.box.runtime.chmod(0o755)
    assert front.run("wherry", "run", "image")[0].startswith("python")


def test_a_damaged_plan_is_made_anew(front: Front) -> None:
    path = front.save("wherry", "run", "image", entry=("echo", "reused"))
    whole = path.read_bytes()
    for damaged in (
        whole[:-1],
        whole + b"\0",
        b"",
        b"WHRX" + whole[4:],
        whole[:4] + b"\2" + whole[5:],
        whole[:40] + b"\xff" * 8 + whole[48:],
    ):
        path.write_bytes(damaged)
        assert front.run("wherry", "run", "image")[0].startswith("python")


def test_a_lease_that_is_fresh_enough_is_used_and_renewed_after_an_hour(front: Front, tmp_path: Path) -> None:
    lease = tmp_path / "lease"
    lease.write_text("")
    now = time.time()
    for age, used, renewed in ((60, True, False), (2 * 3600, True, True), (25 * 3600, False, False)):
        front.save("wherry", "run", "image", entry=("echo", "reused"), host=[Operation("LEASE", (str(lease),))])
        os.utime(lease, (now - age, now - age))
        out, err = front.run("wherry", "run", "image")
        assert out.startswith("reused" if used else "python")
        assert ("the image's lease has ended" in err) is not used
        assert (lease.stat().st_mtime > now - 60) is renewed
        assert front.box.left() == []


def test_a_stale_plan_leaves_everything_to_python_as_it_came(front: Front, tmp_path: Path) -> None:
    """The id file is not in the way, umask, signals and descriptors are the caller's."""
    python = front.program.parent / "wherry-python"
    python.write_text("#!/bin/sh\numask; cat <&9; grep SigBlk /proc/self/status\n")
    (tmp_path / "given").write_text("given\n")
    host = [Operation("CIDFILE", (str(tmp_path / "cid"),)), Operation("LEASE", (str(tmp_path / "gone"),))]
    front.save("wherry", "run", "image", host=host)
    script = f"umask 027; exec {front.program} run image true 9< {tmp_path}/given"
    done = subprocess.run(
        ["sh", "-c", script], env=front.box.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0027\ngiven\nSigBlk:\t0000000000000000\n"
    assert not (tmp_path / "cid").exists()


def test_a_named_plan_that_does_not_hold_is_an_error(front: Front) -> None:
    box = front.box
    plan = box.write(box.operations(), inputs=[Operation("NODE", ("elsewhere",))])
    done = subprocess.run([str(front.program), "run", "--plan", plan], capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert "the plan is out of date: it was made on the node 'elsewhere'" in done.stderr
    done = subprocess.run(
        [str(front.program), "run", "--plan", "/nonexistent"], capture_output=True, text=True, check=False
    )
    assert "cannot use the plan '/nonexistent': there is no such file" in done.stderr


def test_the_current_directory_is_a_slot(front: Front, tmp_path: Path) -> None:
    """One plan serves every directory, as with --here."""
    front.save(
        "wherry",
        "run",
        "image",
        late=[Operation("BIND", ("\x02", "\x02", 0))],
        cwd=("\x02", 0),
        entry=("sh", "-c", "pwd; ls"),
    )
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"in-{name}").write_text("")
        assert front.run("wherry", "run", "image", cwd=tmp_path / name)[0] == f"{tmp_path / name}\nin-{name}\n"
