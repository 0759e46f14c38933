"""What a command may not do, seen from inside; and that the launcher proves it."""

from __future__ import annotations

import platform
import struct
from pathlib import Path

import pytest

from launcher_plans import Box, Operation

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
PROVE = 1 << 63
IOCTL = {"x86_64": 16, "aarch64": 29}[platform.machine()]
MKDIR = {"x86_64": 83, "aarch64": 34}[platform.machine()]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


def instruction(code: int, k: int, jt: int = 0, jf: int = 0) -> bytes:
    return struct.pack("<HBBI", code, jt, jf, k)


def refuse_tiocsti() -> bytes:
    """ioctl with TIOCSTI (0x5412) gets EPERM, all else passes."""
    return b"".join(
        [
            instruction(0x20, 0),
            instruction(0x15, IOCTL, 0, 3),
            instruction(0x20, 24),
            instruction(0x15, 0x5412, 0, 1),
            instruction(0x06, ERRNO | 1),
            instruction(0x06, ALLOW),
        ]
    )


def test_no_capabilities_and_no_new_privileges(box: Box) -> None:
    status = dict(line.split(":\t", 1) for line in box.shell("cat /proc/self/status").splitlines() if ":\t" in line)
    assert {status[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


def test_capabilities_of_the_plan_are_kept_for_a_mapped_root_and_no_others(box: Box) -> None:
    keep = 1 << 0 | 1 << 1 | 1 << 18  # chown, dac_override, sys_chroot
    shown = box.shell("grep Cap /proc/self/status", ids=(0, 0), caps=keep)
    values = dict(line.split(":\t", 1) for line in shown.splitlines())
    assert int(values["CapEff"], 16) == int(values["CapBnd"], 16) == keep
    assert int(values["CapInh"], 16) == int(values["CapAmb"], 16) == 0


def test_a_filter_is_installed_and_proved(box: Box) -> None:
    filters = [Operation("SECCOMP", (refuse_tiocsti(), 4 | PROVE))]
    shown = box.shell("grep -E 'Seccomp|Speculation_Store' /proc/self/status", command=filters)
    assert "Seccomp:\t2" in shown
    assert "force mitigated" not in shown


def test_a_filter_that_does_not_hold_its_promise_stops_the_start(box: Box) -> None:
    allow_all = instruction(0x06, ALLOW)
    done = box.run("true", command=[Operation("SECCOMP", (allow_all, PROVE))])
    assert done.returncode == 125
    assert "it was installed, yet does not hold what it promises" in done.stderr


def test_the_command_runs_under_the_filter(box: Box) -> None:
    no_mkdir = b"".join(
        [instruction(0x20, 0), instruction(0x15, MKDIR, 0, 1), instruction(0x06, ERRNO | 13), instruction(0x06, ALLOW)]
    )
    done = box.run("mkdir", "/x", command=[Operation("SECCOMP", (no_mkdir, 0))])
    assert done.returncode == 1
    assert "Permission denied" in done.stderr


def test_a_broken_filter_is_refused(box: Box) -> None:
    for broken in (b"", b"1234567", instruction(0x15, 1, 200, 200)):
        done = box.run("true", command=[Operation("SECCOMP", (broken, 0))])
        assert done.returncode == 125
        assert "cannot install the system call filter" in done.stderr


def test_an_unknown_filter_flag_is_done_without(box: Box) -> None:
    assert box.run("true", command=[Operation("SECCOMP", (refuse_tiocsti(), 1 << 20 | PROVE))]).returncode == 0


def test_the_first_process_cannot_be_traced_or_signalled_away_by_the_command(box: Box) -> None:
    done = box.run("sh", "-c", "kill -9 1; kill -TERM 1; readlink /proc/1/root || echo hidden; exit 8")
    assert done.returncode == 8
    assert "hidden" in done.stdout
