"""``import wherry``: the same use cases for programs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import wherry
from wherry_command import Wherry


@pytest.fixture
def here(seeded: Wherry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wherry]:
    """This process looks at the seeded store."""
    for name, value in seeded.environment.items():
        if name not in ("PATH", "USER"):
            monkeypatch.setenv(name, value)
    yield seeded
    for summary in wherry.ps(all=True):
        wherry.container(summary.id).remove(force=True)


def test_importing_it_imports_nothing_else() -> None:
    script = (
        "import sys, wherry; print(sum(name.startswith('wherry.') for name in sys.modules), 'msgspec' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "0 False\n"


def test_every_public_name_is_there() -> None:
    for name in wherry.__all__:
        assert getattr(wherry, name) is not None
    assert sorted(wherry.__all__) == dir(wherry)
    with pytest.raises(AttributeError):
        _ = wherry.nosuchname  # type: ignore[attr-defined]


def test_run_gives_status_streams_and_record(here: Wherry) -> None:
    result = wherry.run("tiny", ["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (result.status, result.stdout, result.stderr) == (3, b"out\n", b"err\n")
    assert result.record is not None
    assert result.record.id == result.id
    assert result.record.start.command[0] == "sh"
    assert result.record.end is not None
    assert result.record.end.exit == 3
    assert result.record.end.usage.wall_ms >= 0


def test_run_takes_what_the_command_line_takes(here: Wherry, tmp_path: Path) -> None:
    script = "grep -c ' /m tmpfs' /proc/mounts; ulimit -Sn; ulimit -Hn; ulimit -c; id -u; chown 7:8 /m; stat -c %u /m"
    limits: dict[str, int | tuple[int, int]] = {"nofile": (99, 100), "core": 0}
    result = wherry.run("tiny", ["sh", "-c", script], tmpfs=["/m:size=1m"], ulimits=limits, fakeroot=True, check=True)
    assert result.text.split() == ["1", "99", "100", "0", "0", "7"]
    by_proot = wherry.run("tiny", ["true"], engine="proot", check=True)
    assert by_proot.record is not None and by_proot.record.start.engine == "proot"
    profile = tmp_path / "profile.json"
    profile.write_text(
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}'
    )
    assert wherry.run("tiny", ["mkdir", "/tmp/x"]).status == 0
    assert wherry.run("tiny", ["mkdir", "/tmp/x"], seccomp=profile).status == 1
    assert wherry.run("tiny", ["true"], group_add=["keep-groups"], seccomp="unconfined").status == 0
    for wrong in ({"userns": "some"}, {"engine": "porot"}, {"ulimits": {"nofiles": 1}}, {"tmpfs": ["/m", "/m"]}):
        with pytest.raises(wherry.WherryError):
            wherry.run("tiny", ["true"], **wrong)  # type: ignore[arg-type]


def test_run_takes_input_environment_binds_and_a_directory(here: Wherry, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("bound")
    result = wherry.run(
        "tiny",
        ["sh", "-c", "cat; echo $A; cat /data/x; pwd"],
        input="given ",
        env={"A": "value"},
        binds=[f"{tmp_path}:/data:ro"],
        here=True,
        cwd=tmp_path,
    )
    assert result.text == f"given value\nbound{tmp_path}\n"


def test_the_settings_add_their_binds(here: Wherry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_text("site")
    monkeypatch.setenv("WHERRY_RUN_BINDS", f"{tmp_path}:/site:ro,/nonexistent:/none")
    assert wherry.run("tiny", ["cat", "/site/x"], check=True).text == "site"


def test_check_raises_what_says_why(here: Wherry) -> None:
    with pytest.raises(wherry.CommandFailed) as caught:
        wherry.run("tiny", ["sh", "-c", "echo broken >&2; exit 4"], check=True)
    assert caught.value.status == 4
    assert "broken" in str(caught.value)


def test_a_timeout_ends_the_container(here: Wherry) -> None:
    with pytest.raises(TimeoutError):
        wherry.run("tiny", ["sleep", "600"], timeout=0.5)
    assert wherry.ps() == []


def test_limits_hold_and_are_in_the_record(here: Wherry) -> None:
    hog = "(head -c 64000000 /dev/zero; sleep 60) | tail -c 60000000"
    result = wherry.run("tiny", ["sh", "-c", hog], memory="32m", cpus=1, pids_limit=20)
    assert result.status == 137 and result.record is not None and result.record.end is not None
    limit = result.record.end.limit
    assert limit is not None and (limit.kind, limit.value) == ("memory", 32 << 20)
    assert result.record.start.resources == {"memory": 32 << 20, "cpus": 1.0, "processes": 20}
    with pytest.raises(wherry.WherryError, match="'memory lots' is not an amount"):
        wherry.run("tiny", ["true"], memory="lots")


def test_a_text_as_command_is_refused_with_the_remedy(here: Wherry) -> None:
    with pytest.raises(wherry.WherryError, match="sequence of words"):
        wherry.run("tiny", "echo hello")


def test_threads_run_side_by_side(here: Wherry) -> None:
    found: list[str] = []

    def one(number: int) -> None:
        found.append(wherry.run("tiny", ["echo", str(number)]).text.strip())

    threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=int) == [str(number) for number in range(12)]


def test_pull_and_images(here: Wherry, tiny: str) -> None:
    image = wherry.pull(tiny)
    assert image.digest in [summary.digest for summary in wherry.images()]
    assert any(tiny in summary.names for summary in wherry.images())


def test_pack_writes_a_file_that_runs(here: Wherry, tmp_path: Path) -> None:
    size = wherry.pack("tiny", tmp_path / "tiny.sif")
    assert size == (tmp_path / "tiny.sif").stat().st_size
    assert wherry.run(str(tmp_path / "tiny.sif"), ["echo", "packed"], check=True).text == "packed\n"
    with pytest.raises(wherry.WherryError, match="lots"):
        wherry.pack("tiny", tmp_path / "again.sif", block_size="lots")


def test_expose_makes_commands_that_run(here: Wherry, tmp_path: Path) -> None:
    (made,) = wherry.expose("tiny", ["uname"], folder=tmp_path / "bin", env={"A": "x y"})
    assert (made.name, made.path, made.image) == ("uname", f"{tmp_path}/bin/uname", "tiny")
    (said,) = wherry.expose(
        "tiny", {"say": ["sh", "-c", 'echo "$A" "$@"', "sh"]}, folder=tmp_path / "bin", env={"A": "x y"}
    )
    done = subprocess.run([said.path, "more"], capture_output=True, text=True, env=here.environment, check=True)
    assert done.stdout == "x y more\n"
    (module,) = wherry.expose("tiny", ["uname"], modules=tmp_path / "modules", module="small/1")
    assert Path(module.module).exists() and module.module.startswith(f"{tmp_path}/modules/small/1")
    with pytest.raises(wherry.WherryError, match="nosuch"):
        wherry.expose("tiny", ["nosuch"], folder=tmp_path / "bin")
    with pytest.raises(wherry.WherryError, match="sequence of words"):
        wherry.expose("tiny", "uname", folder=tmp_path / "bin")


def test_a_container_by_its_name(here: Wherry, tmp_path: Path) -> None:
    here.ok("run", "-d", "--name", "api", "tiny", "sh", "-c", "echo hello; sleep 600")
    container = wherry.container("api")
    assert container.summary.state == "running"
    assert container.exec(["cat"], input=b"in").stdout == b"in"
    assert container.exec(["sh", "-c", "exit 9"]).status == 9
    (tmp_path / "file").write_text("copied")
    container.copy_in(tmp_path / "file", "/tmp/")
    container.copy_out("/tmp/file", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "copied"
    assert [line.log for line in container.logs()] == ["hello\n"]
    container.stop(seconds=1)
    assert container.wait() in (137, 143)
    container.start()
    assert container.summary.state == "running"
    container.kill()
    container.wait()
    container.remove()
    with pytest.raises(wherry.WherryError):
        wherry.container("api")


def test_errors_are_wherrys_own(here: Wherry) -> None:
    with pytest.raises(wherry.WherryError) as caught:
        wherry.run("nosuchimage", ["true"], pull="never")
    assert caught.value.hint
    with pytest.raises(wherry.WherryError):
        wherry.run("tiny", ["true"], binds=["relative:also/relative"])


def test_nothing_is_left_open(here: Wherry) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        wherry.run("tiny", ["true"])
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"command": [1]},
        {"command": ["a\0"]},
        {"command": "true"},
        {"env": {"A=B": "c"}},
        {"env": {"": "c"}},
        {"env": {"A": 1}},
        {"env": {"A": "b\0"}},
    ],
)
def test_what_the_kernel_would_not_take_is_an_error_of_wherrys(here: Wherry, wrong: dict[str, object]) -> None:
    with pytest.raises(wherry.WherryError):
        wherry.run("tiny", **wrong)  # type: ignore[arg-type]


def test_an_image_is_built(here: Wherry, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM tiny AS made\nARG WORD\nRUN echo $WORD | tee /said\nFROM made\nRUN false\n"
    )
    lines: list[str] = []
    image = wherry.build_image(
        tmp_path, names="built:1", target="made", build_args={"WORD": "hello"}, labels={"a": "b"}, output=lines.append
    )
    assert lines == ["hello"]
    assert image.config.config.labels == {"a": "b"}
    assert wherry.run("built:1", ["cat", "/said"]).text == "hello\n"
    with pytest.raises(wherry.CommandFailed) as caught:
        wherry.build_image(tmp_path)
    assert caught.value.status == 1
