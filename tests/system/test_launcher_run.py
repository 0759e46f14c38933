"""A start by the launcher alone: what the command gets, how it ends, what is left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from launcher_plans import Box, Operation, launcher


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


def test_exit_status_is_the_commands_own(box: Box) -> None:
    assert box.run("sh", "-c", "exit 42").returncode == 42
    assert box.run("true").returncode == 0


def test_a_signal_that_ends_the_command_shows_as_128_more(box: Box) -> None:
    assert box.run("sh", "-c", "kill -TERM $$").returncode == 143
    assert box.run("sh", "-c", "kill -SEGV $$").returncode == 139


def test_nothing_is_left_of_the_scratch_folder_whatever_the_command_did_to_it(box: Box) -> None:
    box.shell("mkdir -p /a/b/c; touch /a/b/c/d; chmod 0 /a/b/c /a/b /a; mkdir /r; touch /r/f; chmod 500 /r; rm /bin/ls")
    assert box.left() == []
    assert (box.tree / "bin" / "ls").is_symlink()


def test_the_command_is_not_process_1_and_orphans_are_reaped(box: Box) -> None:
    assert box.shell("echo $$").strip() == "2"
    assert "Z" not in box.shell("(sh -c 'sleep 0.05 &' ); sleep 0.3; ps -o stat").splitlines()[1:]


def test_processes_left_by_the_command_end_with_it(box: Box) -> None:
    box.shell("setsid sleep 987654 > /dev/null 2>&1 < /dev/null &")
    assert not _processes("sleep 987654")


def test_bytes_pass_through_pipes_unchanged_and_end(box: Box) -> None:
    data = os.urandom(300_000)
    argv = box.argv(["cat"])
    assert subprocess.run(argv, input=data, capture_output=True, check=True).stdout == data


def test_the_command_closing_its_output_shows_at_once(box: Box) -> None:
    argv = box.argv(["sh", "-c", "echo x; exec >&- 2>&-; sleep 30"])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        began = time.monotonic()
        assert process.stdout is not None
        assert process.stdout.read() == b"x\n"
        assert time.monotonic() - began < 15
        process.kill()


def test_standard_input_is_empty_unless_asked_for(box: Box) -> None:
    assert box.run("cat", stdin=b"secret", stdio=0).stdout == ""


def test_descriptors_above_two_are_closed_but_for_those_named(box: Box, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("given")
    fd, pmi = os.open(tmp_path / "f", os.O_RDONLY), os.open("/dev/null", os.O_RDONLY)
    read, write = os.pipe()
    fds = Operation("FDS", ((str(fd),), ("PMI_FD", "MAKEFLAGS")))
    environment = box.environment(PMI_FD=str(pmi), MAKEFLAGS=f" -j4 --jobserver-auth={read},{write}")
    argv = box.argv(["sh", "-c", f"ls /proc/self/fd; cat <&{fd}"], host=[fds])
    hidden = os.open("/dev/null", os.O_RDONLY)
    done = subprocess.run(
        argv, capture_output=True, check=True, env=environment, pass_fds=(fd, pmi, read, write, hidden), text=True
    )
    *open_ones, content = done.stdout.split()
    assert content == "given"
    # `ls` itself opens one: the lowest that is free
    assert {str(fd), str(pmi), str(read), str(write)} <= set(open_ones)
    assert len(set(open_ones) - {"0", "1", "2"}) == 5
    for descriptor in (fd, pmi, read, write, hidden):
        os.close(descriptor)


def test_a_named_descriptor_that_is_not_open_is_an_error(box: Box) -> None:
    done = box.run("true", host=[Operation("FDS", (("77",), ()))])
    assert done.returncode == 125
    assert "cannot pass on descriptor 77: it is not open" in done.stderr


def test_environment_is_the_plans(box: Box) -> None:
    command = [
        Operation("ENV_PASS", (("KEEP", "LC_*"),)),
        Operation("ENV_SET", (("A=1", "LC_X=over", "ID=\x03", "SHORT=\x04"),)),
        Operation("ENV_TAKE", (("A", "B"),)),
        Operation("ENV_WHEN", (("JOB_ID",), ("SLURM_*",))),
        Operation("ENV_WHEN", (("NOT_SET*",), ("HIDDEN",))),
    ]
    variables = {
        "KEEP": "k",
        "LC_X": "x",
        "LC_Y": "y",
        "A": "2",
        "SECRET": "s",
        "HIDDEN": "h",
        "JOB_ID": "7",
        "SLURM_N": "3",
    }
    done = box.run("env", variables=variables, command=command)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    identity = found.pop("ID")
    assert len(identity) == 64 and found.pop("SHORT") == identity[:12]
    expected = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/",
        "KEEP": "k",
        "LC_X": "over",
        "LC_Y": "y",
        "A": "2",
        "SLURM_N": "3",
    }
    assert found == expected


def test_arguments_follow_the_entry_point_and_replace_the_default(box: Box) -> None:
    changes = {"entry": ("echo", "e"), "default": ("d",)}
    assert box.run(**changes).stdout == "e d\n"  # type: ignore[arg-type]
    assert box.run("x", "y", **changes).stdout == "e x y\n"  # type: ignore[arg-type]
    assert box.run("--", "x", **changes, bits=1).stdout == "e x\n"  # type: ignore[arg-type]
    assert box.run("--", "x", **changes).stdout == "e -- x\n"  # type: ignore[arg-type]


def test_no_command_at_all_is_said(box: Box) -> None:
    done = box.run()
    assert done.returncode == 125
    assert "no command was given" in done.stderr


def test_limits_and_umask_pass_through(box: Box) -> None:
    script = "ulimit -S -n 123; umask 027; exec " + " ".join(box.argv(["sh", "-c", "ulimit", "-n"])[:4])
    done = subprocess.run(
        ["sh", "-c", f"{script} -- sh -c 'ulimit -n; umask'"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["123", "0027"]


def test_a_limit_of_the_plan_holds(box: Box) -> None:
    assert box.shell("ulimit -c; ulimit -n", command=[Operation("RLIMIT", (7, 99, 100))]).split()[-1] == "99"
    done = box.run("true", command=[Operation("RLIMIT", (7, 99, 2**63))])
    assert done.returncode == 125
    assert "it is above your hard limit" in done.stderr


def test_start_directory_is_made_only_when_asked(box: Box) -> None:
    assert box.shell("pwd", cwd=("/not/there", 1)).strip() == "/not/there"
    done = box.run("pwd", cwd=("/not/there", 0))
    assert done.returncode == 127
    assert "cannot start in the directory '/not/there': the container has no such directory" in done.stderr


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("nothing-such", 127, "cannot find 'nothing-such' in the container's PATH"),
        ("nothing-such", 127, "next: check the spelling"),
        ("--rm", 127, "next: options stand before the image's name"),
        ("ls -l", 127, "next: give the words of the command one by one"),
        ("/nothing/such", 127, "the container has no such file"),
        ("/etc", 126, "it is a directory"),
        ("/etc/plain", 126, "it is not an executable file"),
        ("/etc/text", 126, "neither a program nor a script"),
        ("/etc/script", 127, "its interpreter '/usr/bin/perl5' is missing"),
        ("/etc/dynamic", 127, "its interpreter '/lib64/ld-linux-x86-64.so.2' is missing"),
        ("/etc/foreign", 126, "it is a program for aarch64"),
    ],
)
def test_a_command_that_cannot_run_is_explained(box: Box, command: str, status: int, words: str) -> None:
    etc = box.tree / "etc"
    (etc / "plain").write_text("x")
    for name, content in {"text": b"hello\n", "script": b"#!/usr/bin/perl5 -w\n"}.items():
        (etc / name).write_bytes(content)
        (etc / name).chmod(0o755)
    shutil.copy("/bin/ls", etc / "dynamic")
    program = bytearray(Path("/bin/busybox").read_bytes()[:4096])
    program[18:20] = (183).to_bytes(2, "little")
    (etc / "foreign").write_bytes(program)
    (etc / "foreign").chmod(0o755)
    done = box.run(command)
    assert done.returncode == status
    assert words in done.stderr


def test_a_directory_in_the_path_does_not_hide_the_program_behind_it(box: Box) -> None:
    (box.tree / "usr/bin/echo").mkdir(parents=True, exist_ok=True)
    assert box.run("echo", "x").stdout == "x\n"


def test_uid_and_gid_inside_are_the_plans(box: Box) -> None:
    assert box.shell("id -u; id -g", ids=(0, 0)).split() == ["0", "0"]
    assert box.shell("id -u; id -g").split() == [str(os.getuid()), str(os.getgid())]


def test_files_made_by_a_mapped_user_belong_to_the_caller(box: Box, tmp_path: Path) -> None:
    box.shell("touch /mnt/f", ids=(0, 0), late=[Operation("BIND", (str(tmp_path), "/mnt", 0))])
    assert (tmp_path / "f").stat().st_uid == os.getuid()


def test_records_say_what_ran_and_how_it_ended(box: Box, tmp_path: Path) -> None:
    folder = tmp_path / "records" / "node"
    operation = Operation("RECORD", (str(folder), '"image":"a:b","uid":7'))
    done = box.run("sh", "-c", 'exit 3 # "quoted" \x07 \udcff', host=[operation])
    assert done.returncode == 3
    (file,) = folder.iterdir()
    start, end = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert start["kind"] == "start" and start["image"] == "a:b" and start["uid"] == 7
    assert start["command"] == ["sh", "-c", 'exit 3 # "quoted" \x07 �']
    assert start["cwd"] == os.getcwd() and start["limits"]["nofile"] > 0
    assert end["kind"] == "end" and end["id"] == start["id"] and end["exit"] == 3 and end["signal"] == 0
    assert end["usage"]["max_rss_kb"] > 0
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_record_that_cannot_be_written_does_not_stop_the_command(box: Box) -> None:
    done = box.run("echo", "x", host=[Operation("RECORD", ("/proc/nothing", ""))])
    assert (done.returncode, done.stdout) == (0, "x\n")
    assert "cannot write the record" in done.stderr


def test_the_running_file_names_process_1_and_goes(box: Box, tmp_path: Path) -> None:
    operation = Operation("RUNNING", (str(tmp_path / "running"), '"image":"a"'))
    with subprocess.Popen(box.argv(["sh", "-c", "echo up; read x"], host=[operation]), stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (file,) = (tmp_path / "running").iterdir()
        first, second = file.read_text().splitlines()
        init, started, parent, _ = map(int, first.split())
        assert parent == process.pid
        assert int(Path(f"/proc/{init}/stat").read_text().rsplit(")", 1)[1].split()[19]) == started
        assert json.loads(second)["id"] == file.name
        assert subprocess.run(["flock", "-n", str(file), "true"], check=False).returncode == 1
        process.communicate(b"\n")
    assert list((tmp_path / "running").iterdir()) == []


def test_cidfile_has_the_id_and_must_be_new(box: Box, tmp_path: Path) -> None:
    operation = Operation("CIDFILE", (str(tmp_path / "cid"),))
    assert box.run("true", host=[operation]).returncode == 0
    assert len((tmp_path / "cid").read_text()) == 64
    done = box.run("true", host=[operation])
    assert done.returncode == 125 and "the file exists already" in done.stderr
    assert box.left() == []


def test_scratch_goes_to_the_first_parent_that_works(box: Box, tmp_path: Path) -> None:
    operations = box.operations()
    operations[1] = Operation("SCRATCH", (("/nonexistent", "/proc", str(tmp_path)), 1))
    done = subprocess.run([launcher(), "run", "--plan", box.write(operations), "--", "touch", "/x"], check=False)
    assert done.returncode == 0
    assert [path.name for path in tmp_path.glob("*/upper/*")] == ["x"]


def test_no_scratch_folder_at_all_names_the_last_one(box: Box) -> None:
    operations = box.operations()
    operations[1] = Operation("SCRATCH", (("/nonexistent",), 0))
    argv = [launcher(), "run", "--plan", box.write(operations), "--", "true"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert "cannot make a scratch folder in '/nonexistent': there is no such file or directory" in done.stderr


def test_a_container_starts_within_a_container(box: Box, tmp_path: Path) -> None:
    inner = Box(tmp_path / "inner")
    shutil.copy(launcher(), inner.folder / "wherry")
    plan = inner.plan()
    bind = Operation("BIND", (str(inner.folder), str(inner.folder), 0))
    script = f"{inner.folder}/wherry run --plan {plan} -- sh -c 'echo $$; id -u; exit 9'"
    done = box.run("sh", "-c", script, late=[bind])
    assert (done.returncode, done.stdout.split()) == (9, ["2", str(os.getuid())]), done.stderr


def test_hundreds_of_starts_at_once_all_work(box: Box) -> None:
    argv = box.argv(["sh", "-c", "exit 5"])
    processes = [subprocess.Popen(argv) for _ in range(100)]
    assert {process.wait() for process in processes} == {5}
    assert box.left() == []


def _processes(words: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if entry.name.isdigit() and line == words:
            found.append(int(entry.name))
    return found
