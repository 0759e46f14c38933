"""The command lines of udocker's manual, on Wherry: containers by name whose files stay, volumes, users, listings."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path

import pytest

from tool_venv import tool_folder
from waiting import until
from wherry_command import Wherry

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def udocker(wherry: Wherry, tiny: str) -> Wherry:
    """udocker with the image ``tiny:latest`` in its store."""
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "tiny")
    return wherry.named("udocker")


@pytest.fixture
def lab(udocker: Wherry) -> Wherry:
    """udocker with a container ``lab``."""
    udocker.ok("create", "--name=lab", "tiny:latest")
    return udocker


def test_pull_create_name_and_run_as_in_the_manual(wherry: Wherry, tiny: str) -> None:
    """pull, create --name, run by name: what a run writes is there in the next."""
    udocker = wherry.named("udocker")
    udocker.ok("pull", tiny)
    made = udocker.ok("create", "--name=myfed", tiny).strip()
    assert UUID.fullmatch(made)
    udocker.ok("run", "myfed", "sh", "-c", "echo kept > /root-file")
    assert udocker.ok("run", "--nobanner", "myfed", "cat", "/root-file") == "kept\n"
    assert udocker.ok("--quiet", "run", made, "cat", "/root-file") == "kept\n"


def test_a_registry_that_only_an_option_names(wherry: Wherry, tiny: str) -> None:
    """pull --registry=URL NAME; then the plain name leads to the image."""
    udocker = wherry.named("udocker")
    host, _, name = tiny.partition("/")
    udocker.ok("pull", f"--registry=http://{host}", name)
    assert f"{name}    ." in udocker.ok("images").splitlines()
    assert udocker.ok("-q", "run", "--rm", name, "echo", "hello") == "hello\n"


def test_hostauth_user_volumes_and_workdir(lab: Wherry, tmp_path: Path) -> None:
    """run --hostauth --user=$USER -v PATH -w PATH: the caller, at home, in a directory of the host."""
    user, data = os.environ["USER"], tmp_path / "data"
    data.mkdir()
    script = "id -u; pwd; grep -c . /etc/passwd; echo $USER; touch made"
    line = ("run", "--nobanner", "--hostauth", f"--user={user}", "-v", str(data), "-w", str(data), "lab")
    uid, where, accounts, name = lab.ok(*line, "sh", "-c", script).split()
    assert (int(uid), where, name) == (os.getuid(), str(data), user)
    assert int(accounts) >= sum(1 for line in Path("/etc/passwd").read_text().splitlines() if line)
    assert (data / "made").stat().st_uid == os.getuid()


def test_without_a_user_it_is_root_by_appearance(lab: Wherry, tmp_path: Path) -> None:
    """As udocker's; files outside are the caller's."""
    script = "id -u; echo $HOME $USER; pwd; touch /out/file"
    line = ("-q", "run", f"--volume={tmp_path}:/out", "lab", "sh", "-c", script)
    assert lab.ok(*line).splitlines() == ["0", "/root root", "/root"]
    assert (tmp_path / "file").stat().st_uid == os.getuid()


@pytest.mark.parametrize("words", [("-v", "{}:/in"), ("-v={}:/in",), ("--volume", "{}:/in"), ("--volume={}:/in:ro",)])
def test_a_volume_in_all_spellings(lab: Wherry, tmp_path: Path, words: tuple[str, ...]) -> None:
    """-v A:B, -v=A:B, --volume A:B and --volume=A:B are one."""
    (tmp_path / "file").write_text("seen\n")
    given = [word.format(tmp_path) for word in words]
    assert lab.ok("-q", "run", *given, "lab", "cat", "/in/file") == "seen\n"


def test_few_variables_of_the_caller_pass_and_all_with_hostenv(lab: Wherry) -> None:
    """-e and --env-file give others; --hostenv passes the rest, under the image's."""
    lab = Wherry(lab.folder, {**lab.variables, "MINE": "1", "OTHER": "2"}, lab.face)
    (lab.folder / "home/vars").write_text("FILE=yes\n")
    script = ("lab", "sh", "-c", "echo $MINE/$OTHER/$GIVEN/$FILE")
    given = ("-e", "GIVEN=a=b", "--env=MINE", "--env-file=vars")
    assert lab.ok("-q", "run", *given, *script) == "1//a=b/yes\n"
    assert lab.ok("-q", "run", "--hostenv", *script) == "1/2//\n"


def test_the_container_knows_its_name(lab: Wherry) -> None:
    """By the variables that udocker sets."""
    shown = lab.ok("ps").splitlines()[1].split()[0]
    assert lab.ok("-q", "run", "lab", "sh", "-c", "echo $container_uuid $container_names") == f"{shown} lab\n"


def test_a_run_of_an_image_makes_a_container_that_stays_without_rm(udocker: Wherry) -> None:
    """And with --rm none."""
    udocker.ok("-q", "run", "--rm", "tiny:latest", "true")
    assert udocker.ok("ps").count("\n") == 1
    udocker.ok("-q", "run", "--name=made", "tiny:latest", "sh", "-c", "echo here > /file")
    assert "['made']" in udocker.ok("ps")
    assert udocker.ok("-q", "run", "--name=made", "--pull=reuse", "tiny:latest", "cat", "/file") == "here\n"


def test_rm_at_the_end_of_a_run_removes_the_container(lab: Wherry) -> None:
    """Not one that is protected."""
    lab.ok("protect", "lab")
    lab.ok("-q", "run", "--rm", "lab", "true")
    assert "['lab']" in lab.ok("ps")
    lab.ok("unprotect", "lab")
    lab.ok("-q", "run", "--rm", "lab", "true")
    lab.ok("images")  # what was to go is swept by the next command that looks at containers
    Wherry(lab.folder).ok("ps")
    assert "['lab']" not in lab.ok("ps")


def test_streams_and_status_are_the_commands_own(lab: Wherry) -> None:
    """Standard input goes in without -i; the status comes out."""
    result = lab("-q", "run", "lab", "sh", "-c", "cat; echo err >&2; exit 7", stdin="in\n")
    assert (result.status, result.stdout, result.stderr) == (7, "in\n", "err\n")


def test_a_banner_is_shown_unless_told_otherwise(lab: Wherry) -> None:
    """On standard output, with the container's id."""
    shown = lab.ok("run", "lab", "echo", "hello")
    assert "STARTING" in shown and UUID.search(shown) and shown.endswith("executing: echo\nhello\n")
    assert warm(lab, "run", "lab", "/bin/pwd").endswith("executing: pwd\n/root\n")
    assert lab.ok("run", "--nobanner", "lab", "echo", "hello") == "hello\n"


def test_an_entry_point_is_put_in_front(lab: Wherry) -> None:
    """In place of the image's."""
    assert lab.ok("-q", "run", "--entrypoint=echo one", "lab", "two") == "one two\n"


def test_several_runs_of_one_container_at_once(lab: Wherry, tmp_path: Path) -> None:
    """The first writes; those beside it see its files, say that theirs go, and have volumes of their own."""
    lab.ok("-q", "run", "lab", "sh", "-c", "echo before > /state")
    wait = f"touch {tmp_path}/up; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo first >> /state"
    first = threading.Thread(target=lambda: lab.ok("-q", "run", "-v", str(tmp_path), "lab", "sh", "-c", wait))
    first.start()
    try:
        until(lambda: (tmp_path / "up").exists())
        beside = lab(
            "-q", "run", "-v", f"{tmp_path}:/data", "lab", "sh", "-c", "cat /state; echo x > /state; touch /data/b"
        )
    finally:
        (tmp_path / "go").touch()
        first.join()
    assert (beside.status, beside.stdout) == (0, "before\n")
    assert "runs already" in beside.stderr and (tmp_path / "b").exists()
    assert lab.ok("-q", "run", "lab", "cat", "/state") == "before\nfirst\n"


def test_names_lead_to_one_container(lab: Wherry) -> None:
    """name adds one, rename changes it, rmname takes it."""
    lab.ok("name", "lab", "second")
    assert "['lab', 'second']" in lab.ok("ps")
    lab.ok("rename", "second", "third")
    assert lab.ok("-q", "run", "third", "echo", "x") == "x\n"
    assert lab("run", "second", "true").status == 1
    assert lab.ok("rmname", "lab") == "Info: container name: lab removed.\n"
    assert "['third']" in lab.ok("ps")
    assert lab("create", "--name=third", "tiny").status == 1


def test_a_clone_has_the_files_and_goes_its_own_way(lab: Wherry) -> None:
    """Removed files stay removed."""
    lab.ok("-q", "run", "lab", "sh", "-c", "echo one > /file; rm /bin/cat; mkdir /d; ln /file /d/same")
    made = lab.ok("clone", "--name=copy", "lab").strip()
    lab.ok("-q", "run", "lab", "sh", "-c", "echo two > /file")
    assert lab.ok("-q", "run", "copy", "sh", "-c", "read x < /file; echo $x; [ ! -e /bin/cat ]") == "one\n"
    assert made in lab.ok("ps")


def test_protected_ones_are_not_removed(lab: Wherry) -> None:
    """Containers and images."""
    lab.ok("protect", "lab")
    lab.ok("protect", "tiny:latest")
    assert lab("rm", "-f", "lab").status == 1 and lab("rmi", "tiny:latest").status == 1
    assert "tiny:latest    P" in lab.ok("images") and " P W " in lab.ok("ps")
    assert Wherry(lab.folder)("rm", "lab").status == 125
    lab.ok("unprotect", "lab")
    lab.ok("unprotect", "tiny:latest")
    assert lab.ok("rm", "lab").startswith("Info: deleting container: ")
    assert lab.ok("rmi", "tiny:latest") == "Info: deleting image: tiny:latest\n"


def test_a_container_outlives_the_name_of_its_image(lab: Wherry) -> None:
    """As udocker's, which are trees of their own; prune takes the image when the container has gone."""
    for name in lab.ok("-q", "images").split()[::2]:
        lab.ok("rmi", "-f", name)
    assert lab.ok("-q", "images") == ""
    Wherry(lab.folder).ok("prune", "-f")
    assert lab.ok("-q", "run", "lab", "echo", "x") == "x\n"
    lab.ok("rm", "lab")
    Wherry(lab.folder).ok("prune", "-f", "-a")
    assert Wherry(lab.folder).ok("images", "-q") == ""


def test_inspect_gives_the_images_configuration(lab: Wherry) -> None:
    """As JSON, of image and container."""
    image, container = json.loads(lab.ok("inspect", "tiny:latest")), json.loads(lab.ok("inspect", "lab"))
    assert image == container and image["os"] == "linux" and "rootfs" in image


def test_modes_are_remembered(lab: Wherry) -> None:
    """setup tells them, ps -m lists them; a wrong one is refused."""
    assert lab.ok("setup", "lab") == "execmode: P1\nnvidiamode: False\n"
    lab.ok("setup", "--execmode=F3", "lab")
    assert lab.ok("setup", "lab").startswith("execmode: F3\n")
    line = lab.ok("ps", "-m", "-s").splitlines()[1].split()
    assert (line[1:4], line[5:]) == ([".", "W", "F3"], ["['lab']", "tiny:latest"])
    assert lab("setup", "--execmode=X9", "lab").status == 1


def test_verify_reads_all_of_an_image(udocker: Wherry) -> None:
    """And finds a file that was changed."""
    assert udocker.ok("verify", "tiny:latest").endswith("Info: image Ok\n")
    tree = next((udocker.folder / "store/layers").glob("*/tree/bin"))
    program = next(path for path in tree.iterdir() if path.is_file() and not path.is_symlink())
    program.chmod(0o755)
    with program.open("r+b") as file:
        file.write(b"broken")
    result = udocker("verify", "tiny:latest")
    assert result.status == 1 and "image verification failure" in result.stderr


def test_load_and_save_go_by_docker_archives(udocker: Wherry, tmp_path: Path) -> None:
    """From a file and from standard input."""
    udocker.ok("save", "-o", str(tmp_path / "tiny.tar"), "tiny:latest")
    assert udocker("save", "-o", str(tmp_path / "tiny.tar"), "tiny:latest").status == 1  # it is there
    udocker.ok("rmi", "tiny:latest")
    udocker.ok("load", "-i", str(tmp_path / "tiny.tar"))
    assert udocker.ok("-q", "run", "--rm", "tiny", "echo", "x") == "x\n"


def test_export_and_import_go_by_tars_of_the_root(lab: Wherry, tmp_path: Path) -> None:
    """Of a container with what was changed in it; into an image or a container."""
    lab.ok("-q", "run", "lab", "sh", "-c", "echo changed > /file; rm /bin/cat")
    path = str(tmp_path / "root.tar")
    lab.ok("export", "-o", path, "lab")
    lab.ok("import", path, "mine:1")
    script = ("sh", "-c", "read x < /file; echo $x; [ ! -e /bin/cat ]")
    assert lab.ok("-q", "run", "--rm", "mine:1", *script) == "changed\n"
    made = lab.ok("import", "--tocontainer", "--name=back", "-", stdin=Path(path).read_bytes()).strip()
    assert UUID.fullmatch(made) and lab.ok("-q", "run", "back", *script) == "changed\n"
    assert lab("export", "--clone", "lab").status == 1


def test_a_repository_of_ones_own(udocker: Wherry, tmp_path: Path) -> None:
    """mkrepo, --repo and UDOCKER_DIR: a store in that folder; the variable gives way to a setting of Wherry's."""
    folder = str(tmp_path / "repo")
    udocker.ok("save", "-o", str(tmp_path / "tiny.tar"), "tiny:latest")
    udocker.ok("mkrepo", folder)
    udocker.ok(f"--repo={folder}", "load", "-i", str(tmp_path / "tiny.tar"))
    udocker.ok("--repo", folder, "create", "--name=there", "tiny")
    assert "there" not in udocker.ok("ps") and "there" in udocker.ok(f"--repo={folder}", "ps")
    elsewhere = Wherry(udocker.folder, {**udocker.variables, "UDOCKER_DIR": folder, "WHERRY_STORE": ""}, "udocker")
    assert "there" in elsewhere.ok("ps")
    assert elsewhere.ok("-q", "run", "there", "echo", "x") == "x\n"
    assert udocker(f"--repo={tmp_path}/none", "ps").status == 1


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--unknown", "lab", "true"),
        ("run", "--publish=8080:80", "lab", "true"),
        ("run", "--kernel=5.4", "lab", "true"),
        ("run", "-v", "relative:/x", "lab", "true"),
        ("run", "--name"),
        ("run", "--pull=never", "nothing:here", "true"),
        ("create", "no/such:image"),
        ("setup", "--nvidia", "lab"),
        ("search", "word"),
        ("inspect", "none"),
        ("rm", "none"),
        ("frobnicate",),
    ],
)
def test_what_cannot_be_is_said_in_udockers_way(lab: Wherry, words: tuple[str, ...]) -> None:
    """A line that begins with Error, and status 1."""
    result = lab(*words)
    assert (result.status, result.stderr[:7]) == (1, "Error: "), str(result)


def test_a_second_run_with_rm_uses_the_saved_plan(udocker: Wherry) -> None:
    """As ``wherry run`` does."""
    line = ("--quiet", "run", "--nobanner", "--rm", "-w", "/", "tiny", "echo")
    assert udocker.ok(*line, "one") == "one\n"
    explained = udocker(*line, "two", env={"WHERRY_EXPLAIN": "plan"})
    assert (explained.stdout, explained.stderr) == ("two\n", "")


def warm(udocker: Wherry, *words: str) -> str:
    """Its output; fails when it was planned anew."""
    result = udocker(*words, env={"WHERRY_EXPLAIN": "plan"})
    assert (result.status, result.stderr) == (0, ""), str(result)
    return result.stdout


def test_a_second_run_of_a_container_uses_the_saved_plan(lab: Wherry) -> None:
    """Until the container changes; its files stay all the same, and how it ended is known."""
    line = ("-q", "run", "-w", "/", "lab", "sh", "-c")
    lab.ok(*line, "echo one > /file")
    assert warm(lab, *line, "cat /file; echo two > /file") == "one\n"
    assert warm(lab, *line, "cat /file") == "two\n"
    own = Wherry(lab.folder)
    assert lab(*line, "exit 3").status == 3 and "Exited (3)" in own.ok("ps", "-a")
    lab.ok("name", "lab", "other")
    assert lab(*line, "true", env={"WHERRY_EXPLAIN": "plan"}).stderr != ""
    assert warm(lab, *line, "echo x") == "x\n"
    lab.ok("rm", "lab")
    assert lab(*line, "true").status == 1


def test_a_run_by_a_saved_plan_writes_alone(lab: Wherry, tmp_path: Path) -> None:
    """Another one beside it is told so; when the first was killed the next one writes again."""
    line = ("-q", "run", "-v", str(tmp_path), "lab", "sh", "-c")
    lab.ok(*line, "true")
    wait = f"touch {tmp_path}/up; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo first > /state"
    first = lab.start(*line, wait)
    until(lambda: (tmp_path / "up").exists())
    assert "Up" in Wherry(lab.folder).ok("ps")
    beside = lab(*line, "echo x > /state")
    assert beside.status == 0 and "runs already" in beside.stderr
    (tmp_path / "go").touch()
    assert first.wait() == 0
    assert lab.ok(*line, "cat /state") == "first\n"
    (tmp_path / "go").unlink()
    (tmp_path / "up").unlink()
    second = lab.start(*line, wait)
    until(lambda: (tmp_path / "up").exists())
    second.kill()
    second.wait()
    until(lambda: "runs already" not in lab(*line, "true").stderr)
    assert lab.ok(*line, "echo again > /state; cat /state") == "again\n"


@pytest.fixture(scope="session")
def real() -> Path:
    """udocker itself, whose engine is Debian's proot: its own would have to be downloaded."""
    return tool_folder("udocker") / "udocker"


BESIDE = (
    "load -i ARCHIVE lab/tiny",
    "-q images",
    "-q images -p",
    "-q create --name=one lab/tiny",
    "-q create --name=one lab/tiny",
    "-q ps",
    "-q ps -m -p",
    "-q name one two",
    "-q name none three",
    "-q ps -m",
    "-q inspect one",
    "-q inspect lab/tiny:latest",
    "-q inspect nothing",
    "-q run --nobanner one id -u",
    "-q run one pwd",
    "-q run one sh -c 'echo $USER $HOME $LOGNAME $USERNAME $PATH $container_names $container_execmode $PS1'",
    "-q run --hostenv one sh -c 'echo $USER $HOME $LANG $MINE'",
    "-q run --env=A=1 -e=B=2 -e C=3 one sh -c 'echo $A $B $C $MINE'",
    "-q run --user=root one id -un",
    "-q run --entrypoint='echo a' one b",
    "-q run --entrypoint=echo one -n x",
    "-q run -v /etc one ls -d /etc/hostname",
    "-q run -v=/etc:/mnt one ls -d /mnt/hostname",
    "-q run --volume /etc:/deep/er one ls -d /deep/er/hostname",
    "-q run --nosysdirs --volume=/dev --volume=/proc one ls /dev/full",
    "-q run --workdir=/tmp one pwd",
    "-q run one sh -c 'echo kept > /kept'",
    "-q run two cat /kept",
    "-q run one sh -c 'exit 7'",
    "-q run one nonesuch",
    "-q run -v /nonesuch one true",
    "-q run --nope one true",
    "run one echo hello",
    "-q clone --name=copy one",
    "-q run copy cat /kept",
    "-q rename two three",
    "-q rename none four",
    "rmname three",
    "rmname none",
    "-q protect one",
    "-q rm one",
    "-q ps",
    "-q unprotect one",
    "rm one",
    "-q rm copy",
    "-q tag lab/tiny other:1",
    "-q tag lab/tiny other:1",
    "-q protect other:1",
    "-q images",
    "rmi other:1",
    "-q unprotect other:1",
    "rmi other:1",
    "-q rmi lab/tiny:latest",
    "-q ps",
    "-q frobnicate",
)


def test_its_output_is_udockers(udocker: Wherry, real: Path, tmp_path: Path) -> None:
    """Standard output and whether it succeeded, of a session with both; ids differ, and the order of listings."""
    import shlex
    import subprocess

    archive = str(tmp_path / "tiny.tar")
    udocker.ok("save", "-o", archive, "tiny:latest")
    for name in udocker.ok("-q", "images").split()[::2]:
        udocker.ok("rmi", name)
    variables = {"UDOCKER_DIR": str(tmp_path / "theirs"), "UDOCKER_USE_PROOT_EXECUTABLE": "/usr/bin/proot"}
    environment = {**udocker.environment, **variables, "MINE": "mine", "UDOCKER_TARBALL": "/nonexistent"}
    mine = Wherry(udocker.folder, {**udocker.variables, "MINE": "mine"}, "udocker")
    (udocker.folder / "home/.udocker").mkdir()
    (udocker.folder / "home/.udocker/udocker.conf").write_text("[DEFAULT]\nautoinstall =\n")
    different = []
    for line in BESIDE:
        words = [archive if word == "ARCHIVE" else word for word in shlex.split(line)]
        ours = mine(*words)
        done = subprocess.run(
            [str(real), *words], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        theirs = [text for text in done.stdout.splitlines() if not text.startswith(_CHATTER)]
        shown = [text for text in ours.stdout.splitlines() if not text.startswith(_CHATTER)]
        one, other = sorted(map(_plain, shown)), sorted(map(_plain, theirs))
        if one != other or (ours.status == 0) != (done.returncode == 0):
            different.append((line, ours.status, one, done.returncode, other, done.stderr))
    assert different == []


_CHATTER = ("Info: adding layer", "Info: creating repo", "Warning: installation missing")


def _plain(line: str) -> str:
    """Without ids; names of one container in any order."""
    text = re.sub(r"\b[0-9a-f]{8}(?=\\?[#$])", "ID8", UUID.sub("ID", line)).rstrip()
    names = re.search(r"\[('\w+'(?:, '\w+')+)\]", text)
    return text.replace(names[1], ", ".join(sorted(names[1].split(", ")))) if names else text


@pytest.mark.parametrize(
    "words",
    [
        ("create", "--name=../out", "tiny"),
        ("create", "--name=a b", "tiny"),
        ("create", "--name=\x01", "tiny"),
        ("run", "../lab", "true"),
        ("run", "--pull=never", "UPPER//case", "true"),
        ("run", "--name=/etc", "lab", "true"),
        ("run", "--user=0:0:0", "lab", "true"),
        ("run", "--user=nobody-here", "lab", "true"),
        ("run", "--env==x", "lab", "true"),
        ("run", "--env-file=/nonexistent", "lab", "true"),
        ("run", "--cpuset-cpus=x", "lab", "true"),
        ("run", "--cpuset-cpus=4096", "lab", "true"),
        ("run", "--platform=no/such", "--pull=never", "tiny", "true"),
        ("run", "--location=/nonexistent", "true"),
        ("run", "-v", "/:/", "lab", "true"),
        ("run", "-v", "/etc:relative", "lab", "true"),
        ("name", "lab", ""),
        ("tag", "tiny", "tiny@sha256:" + "0" * 64),
        ("load", "-i", "/nonexistent"),
        ("load", "-i", "/etc/hostname"),
        ("import", "/etc/hostname", "x"),
        ("export", "-o", "/nonexistent/x", "lab"),
        ("save", "-o", "/nonexistent/x", "tiny"),
        ("mkrepo", "/proc/x"),
        ("--repo=/proc/x", "ps"),
        ("login", "--registry=::"),
        ("clone", "none"),
        ("protect", "none"),
        ("manifest", "inspect"),
    ],
)
def test_bad_input_is_an_error_and_leaves_nothing(lab: Wherry, words: tuple[str, ...]) -> None:
    """No traceback, no container more, and not the status of a success."""
    result = lab(*words)
    assert result.status in (1, 2, 125), str(result)
    assert "bug" not in result.stderr and "Traceback" not in result.stderr and result.stderr
    assert lab.ok("ps").count("\n") == 2
