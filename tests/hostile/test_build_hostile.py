"""Recipes that attack, and accidents: nothing outside is read, no secret stays, what is killed leaves a good store."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

import images
from waiting import until
from wherry_command import Wherry, installed

SECRET = "s3cret-" + "x7Qp2" * 4


@pytest.fixture
def command(tmp_path: Path) -> Wherry:
    """The command in a store that has the tiny image as ``tiny``."""
    wherry = Wherry(tmp_path / "wherry")
    digest = wherry.ok("load", "-q", "-i", str(images.image("tiny"))).split()[-1]
    wherry.ok("tag", digest, "tiny")
    return wherry


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (tmp_path / "outside").write_text("outside\n")
    return folder


def holders(folder: Path, word: bytes) -> list[str]:
    """The files below ``folder`` that hold a word, as they are or unpacked."""
    found = []
    for path in folder.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        data = path.read_bytes()
        for tool in (["gzip", "-dcq"], ["zstd", "-dcq"]):
            data += subprocess.run(tool, input=path.read_bytes(), capture_output=True).stdout
        if word in data:
            found.append(str(path.relative_to(folder)))
    return found


@pytest.mark.parametrize("source", ["../outside", "../../outside", "/../outside", "sub/../../outside", "link"])
def test_nothing_outside_of_the_context_is_copied(command: Wherry, context: Path, source: str) -> None:
    (context / "sub").mkdir()
    (context / "link").symlink_to("../outside")
    (context / "Dockerfile").write_text(f"FROM tiny\nCOPY {source} /got\n")
    result = command("build", "-t", "made", str(context))
    assert result.status == 125, str(result)
    assert "outside" not in command("run", "tiny", "cat", "/got").stdout
    assert holders(command.folder / "store", b"outside\n") == []


def test_nothing_outside_is_bound(command: Wherry, context: Path) -> None:
    (context / "link").symlink_to("..")
    for source in ("../outside", "link/outside"):
        (context / "Dockerfile").write_text(f"FROM tiny\nRUN --mount=source={source},target=/got cat /got\n")
        result = command("build", str(context))
        assert result.status == 125, str(result)
        assert "outside\n" not in result.stderr.replace("/outside", "")


@pytest.mark.parametrize("link", ["{host}", "/", "up/..{host}", "{host}/../host"])
@pytest.mark.parametrize("options", ["", ",rw"])
def test_a_link_of_a_stage_does_not_lead_a_mount_to_the_host(
    command: Wherry, context: Path, link: str, options: str
) -> None:
    """The stage has a directory of the same name, in two layers, so that it is laid together from them."""
    host = context.parent / "host"
    host.mkdir()
    (host / "private").write_text("of-the-host\n")
    (context / "Dockerfile").write_text(
        "FROM tiny AS evil\n"
        f"RUN mkdir -p {host} /up && echo image > {host}/inside\n"
        f"RUN echo two > {host}/two && ln -s {link.format(host=host)} /lnk && ln -s lnk /second\n"
        "FROM tiny\n"
        f"RUN --mount=type=bind,from=evil,source=/lnk,target=/m{options} cat /m/private /m{host}/private; ls /m\n"
        f"RUN --mount=type=bind,from=evil,source=/second,target=/m{options} cat /m/private /m{host}/private; ls /m\n"
    )
    result = command("build", "--progress", "plain", str(context))
    assert "of-the-host" not in result.stderr
    assert result.status == 0, str(result)


def test_a_mount_shows_nothing_that_is_ignored(command: Wherry, context: Path) -> None:
    (context / "sub").mkdir()
    for name in ("kept", "token.env", "sub/kept", "sub/token.env"):
        (context / name).write_text(f"{name}\n")
    (context / ".dockerignore").write_text("**/*.env\n")
    (context / "Dockerfile").write_text(
        "FROM tiny\nRUN --mount=target=/m find /m -type f | sort > /said\n"
        "RUN --mount=source=sub,target=/m,rw find /m -type f | sort >> /said; echo x > /m/new\n"
    )
    assert command("build", "-t", "made", str(context)).status == 0
    assert "env" not in command.ok("run", "made", "cat", "/said")
    assert command.ok("run", "made", "cat", "/said").split()[-1] == "/m/kept"
    assert not (context / "sub" / "new").exists()


def test_a_secret_is_in_no_layer_history_key_or_log(command: Wherry, context: Path) -> None:
    secret = context.parent / "key"
    secret.write_text(SECRET)
    (context / "Dockerfile").write_text(
        "FROM tiny\n"
        "RUN --mount=type=secret,id=key wc -c < /run/secrets/key > /length; ls /run/secrets\n"
        'RUN --mount=type=secret,id=key,env=KEY test -n "$KEY" && echo ${#KEY} >> /length\n'
    )
    options = ("--secret", f"id=key,src={secret}")
    made = command("build", *options, "-t", "made", str(context), env={"KEY_TOO": SECRET})
    assert made.status == 0, str(made)
    assert command.ok("run", "made", "cat", "/length").split() == [str(len(SECRET))] * 2
    assert SECRET not in made.stderr + made.stdout
    assert holders(command.folder, SECRET.encode()) == []
    made = command("build", "--secret", "id=key,env=KEY_TOO", "--no-cache", str(context), env={"KEY_TOO": SECRET})
    assert made.status == 0, str(made)
    assert holders(command.folder, SECRET.encode()) == []


def test_a_command_that_multiplies_is_held(command: Wherry, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM tiny\nRUN for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; wait\n")
    result = command("build", "--pids-limit", "5", str(context))
    assert result.status != 0
    assert "fork" in result.stderr or "processes" in result.stderr, result.stderr


def test_a_recipe_with_a_line_of_a_hundred_megabytes_is_told_soon(command: Wherry, context: Path) -> None:
    with open(context / "Dockerfile", "w") as file:
        file.write("FROM tiny\nRUN true ")
        for _ in range(100):
            file.write("x" * 1_000_000)
    began = time.monotonic()
    result = command("build", str(context))
    assert time.monotonic() - began < 30
    assert result.status != 0
    assert "Traceback" not in result.stderr
    assert len(result.stderr) < 10_000


@pytest.mark.parametrize(
    "recipe",
    ["", "\n", "# only a comment\n", "FROM", "FROM \n", "RUN x\n", "FROM tiny\nCOPY\n", "\0\0\0", "FROM \xff\n"],
)
def test_what_is_no_recipe_is_told_without_a_traceback(command: Wherry, context: Path, recipe: str) -> None:
    (context / "Dockerfile").write_text(recipe, encoding="latin-1")
    result = command("build", str(context))
    assert result.status == 125, str(result)
    assert "Traceback" not in result.stderr and "bug in wherry" not in result.stderr
    assert result.stderr.startswith("wherry: ")


@pytest.mark.parametrize("owners", ["supervisor", "proot"])
def test_a_step_that_fills_the_disk_leaves_the_store_as_it_was(context: Path, tmp_path: Path, owners: str) -> None:
    """A real one of 24 MB, mounted in a namespace of the user's own."""
    (context / "Dockerfile").write_text("FROM tiny\nRUN echo first > /first\nRUN cat /dev/zero > /big\n")
    store = tmp_path / "disk"
    store.mkdir()
    script = f"""
set -e
mount -t tmpfs -o size=24m none {store}
export WHERRY_STORE={store}/store
w={installed()}
digest=$($w load -q -i {images.image("tiny")} | tail -1)
$w tag $digest tiny
before=$($w images --format '{{{{.Repository}}}} {{{{.Digest}}}}')
if $w build --owners {owners} -t made {context} 2>{tmp_path}/said; then echo "it should have failed"; exit 9; fi
test "$before" = "$($w images --format '{{{{.Repository}}}} {{{{.Digest}}}}' | grep -v '<none>')"
$w run tiny echo still-runs
test -z "$(ls -A {store}/store/tmp)"
"""
    wherry = Wherry(tmp_path / "wherry")
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script], capture_output=True, text=True, env=wherry.environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = (tmp_path / "said").read_text()
    assert done.stdout.endswith("still-runs\n")
    assert "No space left on device" in said or "no space is left" in said


@pytest.mark.parametrize("owners", ["supervisor", "proot"])
def test_a_build_killed_anywhere_leaves_a_store_that_the_next_one_uses(
    command: Wherry, context: Path, owners: str
) -> None:
    way = ("--owners", owners, "-t", "made", str(context))
    recipe = ["FROM tiny", "COPY Dockerfile /d"] + [f"RUN echo {number} > /made-{number}" for number in range(6)]
    chance = random.Random(6)
    for number in range(12):
        (context / "Dockerfile").write_text("\n".join([*recipe, f"RUN echo {number} > /last"]) + "\n")
        process = subprocess.Popen(
            [str(command.program), "build", "--no-cache" if number % 3 else "-q", *way],
            env=command.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(chance.uniform(0.05, 1.5))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    (context / "Dockerfile").write_text("\n".join([*recipe, "RUN echo end > /last"]) + "\n")  # who works sweeps
    result = command("build", *way)
    assert result.status == 0, str(result)
    assert command.ok("run", "made", "sh", "-c", "cat /made-* /last").split() == [*map(str, range(6)), "end"]
    assert command.ok("ps", "-aq") == ""
    left = [name for name in os.listdir(command.folder / "store" / "tmp") if not name.startswith(".")]
    assert left == [], left


def running(word: str) -> list[int]:
    """Processes that have a word as an argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has gone
            if word.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("owners", ["supervisor", "range", "proot", "pretend"])
@pytest.mark.parametrize("beside", [False, True])
def test_a_step_ends_with_a_build_that_is_killed(command: Wherry, context: Path, owners: str, beside: bool) -> None:
    """Also one that writes nothing, and ignores signals; in the main thread, and in one of several."""
    seconds = str(random.SystemRandom().randrange(10**8, 10**9))
    other = "FROM tiny AS other\nRUN touch /o\n" if beside else ""
    taken = "COPY --from=other /o /o\n" if beside else ""
    (context / "Dockerfile").write_text(f"{other}FROM tiny\nRUN trap '' TERM INT HUP; sleep {seconds}\n{taken}")
    process = subprocess.Popen(
        [str(command.program), "build", "--no-cache", "--owners", owners, "-q", str(context)], env=command.environment
    )
    try:
        until(lambda: running(seconds), 60)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        until(lambda: not running(seconds), 20)
    finally:
        process.kill()
        for left in running(seconds):
            os.kill(left, signal.SIGKILL)


def test_two_builds_at_once_share_what_they_make(command: Wherry, context: Path) -> None:
    (context / "Dockerfile").write_text(
        "FROM tiny\nRUN sleep 1; cat /proc/sys/kernel/random/uuid > /when\nRUN echo x > /x\n"
    )
    both = [
        subprocess.Popen(
            [str(command.program), "build", "-q", "-t", f"made-{number}", str(context)],
            env=command.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0] * 4, said
    assert len({output for output, _ in said}) == 1


def test_a_prune_while_a_build_runs_takes_nothing_of_it(command: Wherry, context: Path) -> None:
    steps = "".join(f"RUN echo {number} > /made-{number}\n" for number in range(8))
    (context / "Dockerfile").write_text(f"FROM tiny\n{steps}")
    process = subprocess.Popen(
        [str(command.program), "build", "-q", "-t", "made", str(context)],
        env=command.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None:
        command.ok("prune", "--build", "--force")
    said = process.communicate()
    assert process.returncode == 0, said
    assert command.ok("run", "made", "sh", "-c", "cat /made-*").split() == [*map(str, range(8))]


@pytest.mark.parametrize("owners", ["supervisor", "proot"])
def test_a_step_cannot_write_to_what_earlier_steps_made(command: Wherry, context: Path, owners: str) -> None:
    """Whatever it does to its files, the layers below stay as they are."""
    first = "FROM tiny\nRUN mkdir /d && echo first > /d/f && chmod 600 /d/f && ln /d/f /d/h\n"
    (context / "Dockerfile").write_text(
        f"{first}RUN echo second > /d/f; chmod -R 777 /d; rm -rf /d/h; touch -d @1 /d; echo changed > /bin/added\n"
    )
    assert command("build", "--owners", owners, "-t", "second", str(context)).status == 0
    (context / "Dockerfile").write_text(
        "FROM tiny\nRUN mkdir /d && echo first > /d/f && chmod 600 /d/f && ln /d/f /d/h\n"
    )
    assert command("build", "--owners", owners, "-t", "first", str(context)).status == 0
    assert command.ok("run", "first", "cat", "/d/f", "/d/h") == "first\nfirst\n"
    assert command("run", "tiny", "ls", "/bin/added").status != 0
