"""``wherry run --installed``: the image's programs find what they would find had they been installed here."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import until
from wherry_command import Wherry, installed

RUN = ("run", "--installed", "tiny")


def test_the_current_directory_and_all_files_of_the_user_are_there(seeded: Wherry, tmp_path: Path) -> None:
    work = tmp_path / "a folder/deeper"
    work.mkdir(parents=True)
    (work / "in.txt").write_text("content\n")
    (tmp_path / "above.txt").write_text("above\n")
    shown = seeded.ok(
        *RUN, "sh", "-c", f"pwd; cat in.txt ../../above.txt '{tmp_path}/above.txt'; echo new > out.txt", cwd=work
    )
    assert shown.splitlines() == [str(work), "content", "above", "above"]
    assert (work / "out.txt").read_text() == "new\n"


def test_home_is_the_users_own(seeded: Wherry) -> None:
    (seeded.folder / "home/.toolrc").write_text("setting\n")
    assert seeded.ok(*RUN, "sh", "-c", "echo $HOME; cat $HOME/.toolrc").split() == [
        f"{seeded.folder}/home", "setting"
    ]  # fmt: skip


def test_standard_input_and_the_umask_pass(seeded: Wherry, tmp_path: Path) -> None:
    assert seeded.ok(*RUN, "cat", stdin="through\n") == "through\n"
    line = f"umask 027; exec {installed()} run --installed tiny touch made"
    subprocess.run(["sh", "-c", line], env=seeded.environment, cwd=tmp_path, check=True)
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o640


def test_variables_pass_but_not_those_that_name_the_hosts_programs(seeded: Wherry) -> None:
    variables = {
        "ANALYSIS_MODE": "fast", "PYTHONPATH": "/host/lib", "LD_LIBRARY_PATH": "/host/lib", "PERL5LIB": "/x",
        "TMPDIR": "/tmp", "SHELL": "/bin/zsh",
    }  # fmt: skip
    shown = seeded.ok(*RUN, "env", env=variables).splitlines()
    assert {"ANALYSIS_MODE=fast", "TMPDIR=/tmp"} <= set(shown)
    names = {line.partition("=")[0] for line in shown}
    assert not names & {"PYTHONPATH", "LD_LIBRARY_PATH", "PERL5LIB", "SHELL", "WHERRY_STORE"}
    assert not [line for line in shown if line.startswith("PATH=") and str(installed().parent) in line]
    assert "PERL5LIB=/y" in seeded.ok("run", "--installed", "-e", "PERL5LIB=/y", "tiny", "env").splitlines()


def test_other_variables_need_no_new_plan(seeded: Wherry) -> None:
    seeded.ok(*RUN, "true")
    seeded.ok(*RUN, "true", env={"SOMETHING": "new"})
    again = seeded(*RUN, "sh", "-c", "echo $SOMETHING", env={"SOMETHING": "else", "WHERRY_EXPLAIN": "plan"})
    assert (again.stdout, again.stderr) == ("else\n", "")


def test_exit_status_and_signals_are_the_commands(seeded: Wherry, tmp_path: Path) -> None:
    assert seeded(*RUN, "sh", "-c", "exit 42").status == 42
    assert seeded(*RUN, "no-such-command").status == 127
    process = seeded.start(*RUN, "sh", "-c", f"trap 'exit 7' TERM; touch {tmp_path}/ready; sleep 60 & wait")
    until(lambda: (tmp_path / "ready").exists())
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 7


def test_the_terminal_is_the_callers_own(seeded: Wherry) -> None:
    """No second terminal in between: its name, its size and what is typed are the same."""
    parent, child = pty.openpty()
    script = "tty; stty size; read line; echo got-$line"
    process = subprocess.Popen(
        [installed(), *RUN, "sh", "-c", script],
        stdin=child, stdout=child, stderr=child, env=seeded.environment, start_new_session=True,
    )  # fmt: skip
    name = os.ttyname(child)
    subprocess.run(["stty", "rows", "33", "cols", "77"], stdin=child, check=True)
    os.close(child)
    os.write(parent, b"word\n")
    shown = b"".join(read_all(parent, 20))
    assert process.wait(10) == 0
    lines = shown.decode().split()
    assert name in lines and "got-word" in lines and {"33", "77"} <= set(lines)


def read_all(descriptor: int, seconds: float) -> Iterator[bytes]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ready, _, _ = select.select([descriptor], [], [], 0.2)
        if not ready:
            continue
        try:
            data = os.read(descriptor, 4096)
        except OSError:  # the other end is closed
            return
        if not data:
            return
        yield data


def test_a_file_named_in_a_directory_of_the_system_is_shown(seeded: Wherry) -> None:
    """The image has no /usr/share/doc, which Debian has: it is shown because an argument lies in it."""
    path = "/usr/share/doc/libc6/copyright"
    assert os.path.exists(path)
    assert seeded.ok(*RUN, "head", "-n1", path) == Path(path).read_text().splitlines(keepends=True)[0]
    assert seeded.ok(*RUN, "ls", "--color=never", path).strip() == path
    assert seeded.ok(*RUN, "sh", "-c", "ls /usr/share/doc 2>&1 || true").strip().endswith("No such file or directory")


def test_the_images_own_files_are_never_hidden(seeded: Wherry) -> None:
    own = seeded.ok("run", "tiny", "cat", "/etc/os-release")
    assert "ID=tiny" in own
    script = "cat $1; readlink $2"
    assert seeded.ok(*RUN, "sh", "-c", script, "-", "/etc/os-release", "/bin/ls") == own + "busybox\n"


def test_what_symbolic_links_lead_to_is_shown(seeded: Wherry, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/usr/share/doc/libc6")
    (tmp_path / "second").symlink_to("link")
    for name in ("link/copyright", "second/copyright", str(tmp_path / "second/copyright")):
        assert seeded.ok(*RUN, "head", "-n1", name, cwd=tmp_path)
    assert seeded.ok(*RUN, "sh", "-c", "cat ${1#--input=} | wc -c", "-", "--input=second/copyright", cwd=tmp_path)


def test_it_can_start_in_a_directory_of_the_system(seeded: Wherry) -> None:
    assert seeded.ok(*RUN, "sh", "-c", "pwd; ls", cwd=Path("/usr/share/doc/libc6")).split()[:1] == [
        "/usr/share/doc/libc6"
    ]
    assert "copyright" in seeded.ok(*RUN, "ls", cwd=Path("/usr/share/doc/libc6"))


def test_thousands_of_arguments_start_all_the_same(seeded: Wherry) -> None:
    names = [f"/usr/share/doc/nothing-{n}/file" for n in range(3000)]
    assert seeded.ok(*RUN, "sh", "-c", "echo $#", "-", *names) == "3000\n"


def test_an_option_says_more_than_the_word(seeded: Wherry, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    shown = seeded.ok("run", "--installed", "-w", "/", "-v", f"{work}:/mnt/work", "tiny", "sh", "-c", "pwd; ls /mnt")
    assert shown.split()[0] == "/" and "work" in shown.split()


@pytest.mark.parametrize("engine", ["proot", "site"])
def test_other_engines_show_the_same_files(seeded: Wherry, tmp_path: Path, engine: str) -> None:
    """All but what arguments name in the system's directories: that needs a root that can be changed."""
    (tmp_path / "in.txt").write_text("content\n")
    script = "pwd; cat in.txt; echo $HOME $MODE; cat; touch made"
    words = ("run", "--installed", "--engine", engine, "tiny", "sh", "-c", script)
    shown = seeded(*words, cwd=tmp_path, env={"MODE": "fast"}, stdin="through\n")
    assert shown.stdout.splitlines() == [str(tmp_path), "content", f"{seeded.folder}/home fast", "through"]
    assert (tmp_path / "made").exists()


def test_a_dry_run_says_what_is_shown(seeded: Wherry, tmp_path: Path) -> None:
    shown = seeded.ok("run", "--installed", "--dry-run", "tiny", "true", cwd=tmp_path)
    assert "/tmp  the host's /tmp" in shown and "what the command's words name in the host's /bin /etc" in shown
