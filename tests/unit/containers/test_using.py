"""What a container uses, by its control group and by its processes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.containers import using
from wherry.containers.running import Running


def running(pid: int) -> Running:
    return Running("ab" * 32, "/nonexistent", pid, 0, 0, 0, b"{}")


@pytest.fixture
def family() -> Iterator[int]:
    """A process that stands for process 1 of a container without namespaces, with a child and a grandchild."""
    script = "import os, sys; x = bytearray(30 << 20); os.fork() and os.wait() or os.fork() and os.wait() or input()"
    with subprocess.Popen(["python3", "-c", script], stdin=subprocess.PIPE) as process:
        while len(using._processes(process.pid)[2]) < 3:
            pass
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


def test_all_that_came_from_process_1_is_counted_and_shared_memory_once(family: int) -> None:
    found = using.usage_of(running(family))
    assert found is not None
    assert found.processes == 2  # it is the launcher's own
    assert 15 << 20 < found.memory < 50 << 20
    assert found.cpu > 0


def test_what_has_ended_uses_nothing() -> None:
    process = subprocess.run(["true"], check=True)
    assert process.returncode == 0
    assert using.usage_of(running(2**22 - 1)) is None


def test_a_group_tells_it_where_it_has_the_controllers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.current").write_text("5000000\n")
    (tmp_path / "pids.current").write_text("4\n")
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    (tmp_path / "io.stat").write_text("8:0 rbytes=100 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n")
    monkeypatch.setattr(using, "group_of", lambda _: (str(tmp_path), str(tmp_path)))
    found = using.usage_of(running(os.getpid()))
    assert found is not None
    assert (found.cpu, found.memory, found.processes, found.read, found.written) == (2.5, 5000000, 3, 101, 22)
    (tmp_path / "memory.current").unlink()
    other = using.usage_of(running(os.getpid()))
    assert other is not None and other.read != 101  # by its processes


def test_a_process_in_no_group_of_a_container_has_none() -> None:
    assert using.group_of(running(os.getpid())) == ("", "")
