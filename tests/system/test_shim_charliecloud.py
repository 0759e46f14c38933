"""``ch-run`` by Wherry beside Charliecloud's own, on the same directory; and Nextflow's line."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from waiting import until
from wherry_command import Wherry

APPLETS = ("sh", "echo", "env", "cat", "id", "pwd", "ls", "touch", "true", "false", "test")
REAL = "/usr/bin/ch-run"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked image as ch-convert makes them: with places to mount at, and /ch/environment."""
    root = tmp_path_factory.mktemp("image") / "root"
    for name in ("bin", "dev", "proc", "sys", "etc", "tmp", "home/inside", "mnt/0", "ch", "usr/bin"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for name in APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    (root / "ch/environment").write_text("FOO=bar\nBAZ='qux'\nPATH=/ch/bin:$PATH\n")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    return root


@pytest.fixture
def ch_run(wherry: Wherry) -> Wherry:
    return wherry.named("ch-run", MINE="one", SLURM_JOB_ID="7", SLURM_X="8")


def both(ch_run: Wherry, *words: str) -> tuple[tuple[int, list[str]], tuple[int, list[str]]]:
    """Status and sorted output of Wherry's and of the real one, from the same place with the same variables."""
    ours = ch_run(*words)
    cwd, env = ch_run.folder / "home", ch_run.environment
    real = subprocess.run([REAL, *words], cwd=cwd, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    status = real.returncode if real.returncode >= 0 else 128 - real.returncode  # as a shell shows it
    return (ours.status, sorted(ours.stdout.splitlines())), (status, sorted(real.stdout.splitlines()))


TABLE = (
    "@ -- pwd",
    "@ -- /bin/env",
    "@ -- /bin/id",
    "-u 0 -g 0 @ -- id",
    "--uid=1234 @ -- id -u",
    "-u0 @ -- id -u",
    "-c /mnt @ -- pwd",
    "--cd=/nonesuch @ -- pwd",
    "@ -c /tmp -- pwd",
    "@ -- echo one -- two",
    "@ echo hello",
    "@ -- cat /etc/nonesuch",
    "@ -- nonesuch",
    "@ -- -x",
    "@ -- touch /file",
    "@ -- false",
    "@ -- sh -c 'exit 7'",
    "@ -- sh -c 'kill -9 $$'",
    "@ -- sh -c 'kill -15 $$'",
    "@ -- sh -c 'echo out; echo err >&2; exit 3'",
    "-b /etc:/mnt/0 @ -- ls /mnt/0/hostname",
    "--bind=/etc:/mnt/0 @ -- ls /mnt/0/hostname",
    "-b /nonesuch:/mnt/0 @ -- true",
    "@ -- ls /home",
    "@ -- ls /dev/full /proc/self/status /sys/class",
    "--home @ -- sh -c 'echo $HOME; ls /home; cat $HOME/file; pwd'",
    "-t @ -- sh -c 'ls /tmp; touch /tmp/x; ls /tmp'",
    "--private-tmp @ -- ls /tmp",
    "--no-passwd @ -- cat /etc/passwd /etc/group",
    "--set-env @ -- /bin/env",
    "--set-env=ONE=1 --set-env=TWO='a b' @ -- /bin/env",
    "--set-env=file @ -- /bin/env",
    "--set-env=nonesuch @ -- true",
    "--set-env=BAR=$MINE @ -- /bin/env",
    "--set-env==x @ -- true",
    "--set-env=A=$HOME:$NOPE:x --set-env=B=:y:: @ -- /bin/env",
    "--env-no-expand --set-env=A=$HOME:$NOPE:x @ -- /bin/env",
    "--set-env --set-env=PATH=/opt:$PATH @ -- /bin/env",
    "--unset-env=* @ -- /bin/env",
    "--unset-env=MINE @ -- /bin/env",
    "--unset-env=SLURM* @ -- /bin/env",
    "--unset-env=!(HOME|SLURM*) @ -- /bin/env",
    "--unset-env=[M]?NE @ -- /bin/env",
    "--unset-env=@(MINE|HOME) @ -- /bin/env",
    "--unset-env= @ -- true",
    "--set-env=MINE=two --unset-env=M* @ -- /bin/env",
    "--unset-env=M* --set-env=MINE=two @ -- /bin/env",
    "--unset-env=* --set-env @ -- /bin/env",
    "-w @ -- sh -c 'echo x > /written; cat /written'",
    "-w -b /etc:/mnt/9 @ -- ls /mnt/9/hostname",
    "@",
    "/nonesuch -- true",
    "nonesuch/image -- true",
    "--nope @ -- true",
    "-Z @ -- true",
    "--bin @ -- true",
    "--unse=MINE @ -- /bin/env",
    "--version",
)


@pytest.mark.parametrize("line", TABLE)
def test_it_does_what_charliecloud_does(ch_run: Wherry, tree: Path, line: str, tmp_path: Path) -> None:
    """Status and output are the same."""
    import shlex

    (ch_run.folder / "home/file").write_text("A='b c'\n\nD=$HOME\n")
    root = tree
    if line.startswith("-w"):
        root = tmp_path / "image"
        shutil.copytree(tree, root, symlinks=True)
    ours, real = both(ch_run, *(str(root) if word == "@" else word for word in shlex.split(line)))
    assert ours == real


def test_without_tmpdir_the_hosts_tmp_is_shown_and_with_it_that(ch_run: Wherry, tree: Path, tmp_path: Path) -> None:
    """And TMPDIR does not go in."""
    (tmp_path / "here").touch()
    named = Wherry(ch_run.folder, {**ch_run.variables, "TMPDIR": str(tmp_path)}, "ch-run")
    ours, real = both(named, str(tree), "--", "sh", "-c", "ls -d /tmp/here; echo $TMPDIR.")
    assert ours == real == (0, [".", "/tmp/here"])


def test_nextflows_line(ch_run: Wherry, tree: Path, tmp_path: Path) -> None:
    """As its builder writes it for a task."""
    (tmp_path / "in").write_text("data\n")
    line = ("--unset-env=*", "-c", str(tmp_path), "--set-env", "--write-fake", "-b", str(tmp_path), "--set-env=K=V")
    script = "touch /fake; cat in > out; echo $K $FOO $MINE."
    result = ch_run(*line, str(tree), "--", "/bin/sh", "-c", script)
    assert (result.status, result.stdout) == (0, "V bar .\n"), str(result)
    assert (tmp_path / "out").read_text() == "data\n" and not (tree / "fake").exists()


def test_images_of_the_store_and_of_ch_image_by_name(ch_run: Wherry, tree: Path, tiny: str, tmp_path: Path) -> None:
    """A name in its storage comes first; --set-env gives what the configuration of one in the store says."""
    Wherry(ch_run.folder).ok("pull", "-q", tiny)
    Wherry(ch_run.folder).ok("tag", tiny, "lab:1")
    assert ch_run.ok("lab:1", "--", "echo", "store") == "store\n"
    assert "PATH=" in ch_run.ok("--unset-env=*", "--set-env", "lab:1", "--", "env")
    (tmp_path / "img").mkdir()
    (tmp_path / "img/example.org%lab+1").symlink_to(tree)
    assert ch_run.ok("-s", str(tmp_path), "example.org/lab:1", "--", "echo", "storage") == "storage\n"
    assert ch_run.ok("example.org/lab:1", "--", "echo", "x", env={"CH_IMAGE_STORAGE": str(tmp_path)}) == "x\n"
    refused = ch_run("-w", "lab:1", "--", "true")
    assert refused.status == 1 and "cannot be written" in refused.stderr


@pytest.mark.parametrize("option", ["--join", "-j", "--join-pid=1", "--ch-ssh", "--seccomp", "--unsafe"])
def test_what_cannot_be_honoured_is_refused_by_name(ch_run: Wherry, tree: Path, option: str) -> None:
    result = ch_run(option, str(tree), "--", "true")
    assert result.status == 1 and result.stderr.startswith(f"ch-run: error: '{option.partition('=')[0]}'")


@pytest.mark.parametrize("name", ["squash", "extglob"])
def test_features_that_are_there(ch_run: Wherry, name: str) -> None:
    assert ch_run(f"--feature={name}").status == 0
    assert ch_run("--feature=none").status == 1


def test_a_second_start_uses_the_saved_plan_with_this_callers_variables(ch_run: Wherry, tree: Path) -> None:
    """One plan serves whatever the next caller's variables are."""
    line = ("--unset-env=SLURM*", "-t", str(tree), "--", "sh", "-c", "echo $MINE $SLURM_X")
    until(lambda: time.time() - tree.stat().st_ctime > 2.1)  # what was just changed is not trusted to stay
    assert ch_run.ok(*line) == "one\n"
    result = ch_run(*line, env={"MINE": "two", "WHERRY_EXPLAIN": "plan"})
    assert (result.stdout, result.stderr) == ("two\n", "")


@pytest.mark.parametrize(
    "line",
    [
        "-u x @ -- true",
        "-u 99999999999 @ -- true",
        "-g -1 @ -- true",
        "-b :x @ -- true",
        "-b /etc:/ @ -- true",
        "-b /etc:/proc/x @ -- true",
        "-b /etc:relative @ -- true",
        "-c relative @ -- pwd",
        "--set-env=/etc @ -- true",
        "--set-env=/dev/null/x @ -- true",
        "/etc/hostname -- true",
        "/proc -- true",
        "/ -- nonesuch",
        "@/etc -- true",
        "'' -- true",
        "UPPER//case -- true",
    ],
)
def test_bad_input_is_an_error(ch_run: Wherry, tree: Path, line: str) -> None:
    """With a reason, and without a traceback."""
    import shlex

    result = ch_run(*(word.replace("@", str(tree)) for word in shlex.split(line)))
    assert result.status in (1, 64), str(result)
    assert "bug" not in result.stderr and "Traceback" not in result.stderr and result.stderr


def test_a_squashfs_file_runs_where_it_lies(ch_run: Wherry, tree: Path, tmp_path: Path) -> None:
    """As Charliecloud's own do where that was built in; --set-env reads what is in it."""
    packed = tmp_path / "image.sqfs"
    subprocess.run(["mksquashfs", str(tree), str(packed), "-quiet", "-noappend"], check=True, capture_output=True)
    assert ch_run.ok("--set-env", str(packed), "--", "sh", "-c", "echo $FOO $MINE; ls /home") == "bar one\ninside\n"
    refused = ch_run("-w", str(packed), "--", "true")
    assert refused.status == 1 and "--write-fake" in refused.stderr


def test_ch_image_and_ch_convert(ch_run: Wherry, tiny: str, tmp_path: Path) -> None:
    """pull, list, and each form into each: the real ch-run takes the directory."""
    image, convert = ch_run.named("ch-image"), ch_run.named("ch-convert")
    image.ok("pull", tiny, "lab/tiny:1")
    assert image.ok("list").splitlines() == [tiny, "lab/tiny:1"]
    names = [str(tmp_path / name) for name in ("a.sqfs", "a.tar", "a.tar.gz", "a")]
    for name in names:
        convert.ok("lab/tiny:1", name)
    convert.ok(names[0], str(tmp_path / "b.tar"))
    convert.ok(names[1], str(tmp_path / "b"))
    convert.ok("-i", "dir", names[3], str(tmp_path / "b.sqfs"))
    for number, name in enumerate((names[0], names[1], names[2], names[3], str(tmp_path / "b.sqfs"))):
        convert.ok(name, f"back:{number}")
        assert ch_run.ok(f"back:{number}", "--", "echo", "x") == "x\n"
    for name in ("a", "b"):
        done = subprocess.run(
            [REAL, str(tmp_path / name), "--", "echo", "real"], env=ch_run.environment, capture_output=True, text=True
        )
        assert done.stdout == "real\n", done.stderr
    assert "PATH=" in ch_run.ok("--unset-env=*", "--set-env", names[3], "--", "/bin/env")
    image.ok("delete", "back:0", "back:1")
    assert "back:0" not in image.ok("list")


@pytest.mark.parametrize(
    ("face", "line"),
    [
        ("ch-image", "build ."),
        ("ch-image", ""),
        ("ch-image", "pull"),
        ("ch-image", "-s /x list"),
        ("ch-image", "--frob list"),
        ("ch-image", "delete none"),
        ("ch-convert", "one"),
        ("ch-convert", "none:1 out.sqfs"),
        ("ch-convert", "/nonexistent.tar out:1"),
        ("ch-convert", "-o podman a b"),
        ("ch-convert", "a:1 b:2"),
        ("ch-convert", "/etc/hostname x:1"),
    ],
)
def test_what_these_cannot_do_is_said(ch_run: Wherry, face: str, line: str) -> None:
    result = ch_run.named(face)(*line.split())
    assert result.status == 1 and result.stderr.splitlines()[-2].startswith(f"{face}: error: "), str(result)
    assert list((ch_run.folder / "home").glob("out*")) == []
