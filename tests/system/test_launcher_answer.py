"""Answers: a saved plan that says what Python would say; when it is given, and where it cannot be written."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from launcher_plans import Box, Operation, beside_python
from wherry.base.outside import confined_to
from wherry.launch.saved import plan_hash

WORDS = ("wherry", "build", ".")


class Front:
    """A launcher that has an answer, with a stand-in for Python beside it."""

    def __init__(self, folder: Path) -> None:
        self.box = Box(folder / "box")
        self.program = beside_python(folder / "bin", '#!/bin/sh\necho "python $*"; grep SigIgn /proc/self/status\n')
        self.environment = self.box.environment(WHERRY_EXPLAIN="plan", A="1")

    def save(
        self,
        *more: Operation,
        words: tuple[str, ...] = WORDS,
        error: bytes = b"#0 cached\n",
        output: bytes = b"sha256:x\n",
        operations: tuple[Operation, ...] = (),
    ) -> Path:
        path = self.box.runtime / "plans" / f"{plan_hash(words)}.plan"
        own = [*operations, Operation("ANSWER", (error, output))]
        self.box.write(own, prefix=words, inputs=more, path=path)
        return path

    def run(self, *words: str, **more: object) -> subprocess.CompletedProcess[bytes]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 20, **more}
        return subprocess.run(words or WORDS, executable=self.program, env=self.environment, check=False, **streams)  # type: ignore[call-overload,no-any-return]

    def shell(self, script: str) -> subprocess.CompletedProcess[bytes]:
        command = ["bash", "-c", script, "bash", str(self.program), *WORDS[1:]]
        return subprocess.run(command, env=self.environment, capture_output=True, timeout=20, check=False)


@pytest.fixture
def front(tmp_path: Path) -> Front:
    return Front(tmp_path)


def test_an_answer_is_written_and_nothing_is_started(front: Front) -> None:
    front.save()
    done = front.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"sha256:x\n", b"#0 cached\n")
    assert front.box.left() == []


def test_standard_error_comes_first_where_both_are_one(front: Front) -> None:
    front.save()
    assert front.run(stderr=subprocess.STDOUT).stdout == b"#0 cached\nsha256:x\n"


def test_an_answer_is_for_the_whole_command_line(front: Front) -> None:
    front.save()
    done = front.run("wherry", "build", ".", "--no-cache")
    assert done.stdout.startswith(b"python build . --no-cache\n")
    assert b"it answers a command line without the last words" in done.stderr
    assert front.run("wherry", "build").stdout.startswith(b"python build\n")


def test_an_answer_is_no_plan_to_start(front: Front) -> None:
    done = front.run("wherry", "run", "--plan", str(front.save()))
    assert done.returncode == 125
    assert b"it starts nothing" in done.stderr


def test_each_kind_of_input_that_builds_have(front: Front, tmp_path: Path) -> None:
    """It holds as recorded, and does not when the world or the record differs."""
    (tmp_path / "link").symlink_to("f")
    found = (tmp_path / "link").lstat()
    numbers = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode)
    link = str(tmp_path / "link")
    cases = [
        (Operation("ENTRY", (link, 1, *numbers)), Operation("ENTRY", (link, 0, *[0] * 6)), "the file has changed"),
        (
            Operation("ENTRY", (link, 1, *numbers)),
            Operation("ENTRY", (link, 1, *numbers[:5], numbers[5] ^ 1)),
            "the file has changed",
        ),
        (Operation("REAL", ("/proc/self/..", "/proc")), Operation("REAL", (link, link)), "it leads elsewhere now"),
        (Operation("TERMINAL", (2, 0)), Operation("TERMINAL", (2, 1)), "it was made for other streams"),
        (Operation("MACHINE", (os.uname().machine,)), Operation("MACHINE", ("vax",)), "for the machine 'vax'"),
        (Operation("PROCESSORS", (1,)), Operation("PROCESSORS", (1 << 40,)), "you may use fewer processors now"),
        (Operation("AROUND", (confined_to(),)), Operation("AROUND", ("1 Seccomp:\t2",)), "in the surroundings"),
    ]
    for holds, differs, reason in cases:
        front.save(holds)
        done = front.run()
        assert (done.stdout, done.stderr) == (b"sha256:x\n", b"#0 cached\n"), holds
        front.save(differs)
        done = front.run()
        assert done.stdout.startswith(b"python"), differs
        assert reason in done.stderr.decode()


def test_what_it_stands_on_is_marked_as_used_after_an_hour(front: Front, tmp_path: Path) -> None:
    now = time.time()
    ages = {"young": 60.0, "old": 7200.0, "of tomorrow": -86400.0}
    for name, age in ages.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (now - age, now - age))
    front.save(operations=(Operation("USED", (tuple(str(tmp_path / name) for name in (*ages, "gone")),)),))
    assert front.run().returncode == 0
    renewed = {name: abs((tmp_path / name).stat().st_mtime - now) < 30 for name in ages}
    assert renewed == {"young": False, "old": True, "of tomorrow": True}
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_nowhere(front: Front, closed: str) -> None:
    """As Python has it: what cannot be seen is no error; and no file of ours comes into their places."""
    path = front.save()
    before = path.read_bytes()
    done = front.shell(f'"$@" {closed}; echo "status $?"')
    said = b"sha256:x\n" if closed == "2>&-" else b""
    assert done.stdout == said + b"status 0\n"
    assert path.read_bytes() == before


def test_where_nothing_can_be_written_python_tells_why(front: Front) -> None:
    """It gets all as it came, the signals too."""
    front.save()
    done = front.shell('"$@" 2> /dev/full')
    assert done.stdout.splitlines()[0] == b"python build ."
    assert int(done.stdout.splitlines()[1].split()[1], 16) & (1 << 12) == 0  # SIGPIPE is not ignored
    front.save(error=b"")
    assert front.shell('"$@" 2> /dev/full').stdout == b"sha256:x\n"  # there is nothing to say on it
    done = front.shell('trap "" PIPE; "$@" 2> /dev/full 1< /dev/null')
    assert b"sha256" not in done.stdout + done.stderr  # it is open, and not for writing


def test_an_answer_that_is_cut_is_an_error(front: Front) -> None:
    """Some of it was said: nobody says it again, and the status tells."""
    front.save()
    done = front.shell('"$@" > /dev/full; echo "status $?"')
    assert done.stdout == b"status 125\n"
    assert (
        done.stderr
        == b"#0 cached\nwherry: cannot write standard output: the file system is full\n  next: free some space\n"
    )


def test_a_reader_that_has_gone_ends_it_as_a_signal_would(front: Front) -> None:
    front.save(output=b"x" * 100_000)
    done = front.shell('"$@" | true; echo "status ${PIPESTATUS[0]}"')
    assert done.stdout == b"status 141\n"
    assert done.stderr == b"#0 cached\n"


def test_a_full_pipe_is_waited_for(front: Front) -> None:
    """Also one that does not block, as some programs hand theirs on."""
    output = b"".join(b"%07d\n" % number for number in range(100_000))
    front.save(output=output)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with subprocess.Popen(
        WORDS, executable=front.program, env=front.environment, stdout=writing, stderr=subprocess.DEVNULL
    ) as process:
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            assert stream.read() == output
    assert process.returncode == 0


def test_a_broken_answer_is_never_given(front: Front) -> None:
    """Each cut of it, each other operation beside it, each byte that is another: Python does the work, or the same is
    said; never something else, and no crash."""
    path = front.save(Operation("ENV", ("A", 1, "1")), operations=(Operation("USED", (("/nonexistent",),)),))
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        assert front.run().stdout.startswith(b"python")
    for at in range(0, len(whole) - 20, 5):  # its last bytes are what it says
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x15]) + whole[at + 1 :])
        done = front.run()
        assert done.returncode == 0
        assert done.stdout.startswith(b"python") or b"sha256:x\n" in done.stdout or at > len(whole) - 40
    for other in (Operation("LOOPBACK"), Operation("ANSWER", (b"", b"twice")), Operation("EXEC", ((), ("true",), 0))):
        front.save(operations=(other,))
        assert front.run().stdout.startswith(b"python")
