"""``docker run``: what it starts, keeps and says, in Docker's words."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import images
from waiting import until
from wherry_command import Result, Wherry

CONFIG = {
    "Env": ["PATH=/usr/bin:/bin", "FLAVOUR=vanilla"],
    "Cmd": ["/bin/sh", "-c", "pwd; id -un"],
    "WorkingDir": "/srv/data",
    "User": "nobody",
    "Labels": {"maintainer": "someone", "org.lab.study": "7"},
    "ExposedPorts": {"80/tcp": {}},
}


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Wherry:
    """The shim on a store with ``tiny`` and ``app``, which has a user, a directory, labels."""
    folder = tmp_path_factory.mktemp("docker-shim")
    wherry = Wherry(folder / "wherry")
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "tiny")
    wherry.ok("tag", tiny, "tiny:1.0")
    layer = images.Layer().directory("srv").directory("srv/data").tar()
    images.write_layout(folder / "app", [layer], CONFIG, base=images.image("tiny"))
    loaded = wherry.ok("load", "-q", str(folder / "app")).strip()
    wherry.ok("tag", loaded, "app:1")
    return wherry.named("docker")


def shell(docker: Wherry, script: str, *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Result:
    """A script in which ``docker`` is the shim."""
    environment = {**docker.environment, **(env or {})}
    folder = cwd or docker.folder / "home"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment, cwd=folder, timeout=120
    )
    return Result(("bash", "-c", script), done.returncode, done.stdout, done.stderr)


def removed(docker: Wherry) -> None:
    shell(docker, "docker rm -f $(docker ps -aq)")


def test_it_starts_as_the_images_user_in_its_directory(docker: Wherry) -> None:
    assert docker.ok("run", "--rm", "app:1") == "/srv/data\nnobody\n"
    assert docker.ok("run", "--rm", "tiny", "id", "-u") == "0\n"


def test_few_variables_come_in(docker: Wherry) -> None:
    """Docker's: PATH, HOSTNAME, HOME, the image's; TERM with a terminal; nothing of the caller's but by -e."""
    env = {"SECRET": "1", "LANG": "de_DE.UTF-8", "SLURM_JOB_ID": "7", "TZ": "Asia/Tokyo"}
    found = dict(line.split("=", 1) for line in docker.ok("run", "--rm", "app:1", "env", env=env).splitlines())
    assert set(found) == {"PATH", "HOSTNAME", "HOME", "FLAVOUR", "container"}
    assert docker.ok("run", "--rm", "-e", "SECRET", "tiny", "sh", "-c", "echo $SECRET", env=env) == "1\n"


def test_a_container_stays_until_it_is_removed(docker: Wherry) -> None:
    removed(docker)
    assert docker.ok("run", "tiny", "sh", "-c", "head -c 1000000 /dev/zero >/file; echo hello") == "hello\n"
    size = docker.ok("ps", "-as").split()[-1]
    assert re.fullmatch(r"1(\.\d+)?MB", size)
    assert docker.ok("ps", "-a", "--format", "{{.State}} {{.Size}}") == f"exited {size}\n"
    row = docker.ok("ps", "-a", "--format", "{{.ID}} {{.Names}} {{.Image}} {{.State}}").split()
    assert re.fullmatch(r"[0-9a-f]{12}", row[0])
    assert re.fullmatch(r"[a-z]+_[a-z]+\d*", row[1])
    assert row[2:] == ["tiny", "exited"]
    assert docker.ok("logs", row[1]) == "hello\n"
    assert docker.ok("rm", row[1]) == f"{row[1]}\n"
    assert docker.ok("ps", "-aq") == ""


def test_in_the_background_it_prints_its_id(docker: Wherry) -> None:
    identity = docker.ok("run", "-d", "--name", "server", "tiny", "sleep", "60").strip()
    assert re.fullmatch(r"[0-9a-f]{64}", identity)
    assert docker.ok("ps", "-q") == identity[:12] + "\n"
    assert docker.ok("ps", "-q", "--no-trunc") == identity + "\n"
    assert docker.ok("exec", "server", "cat", "/proc/1/comm").strip()
    assert docker.ok("inspect", "-f", "{{.State.Running}} {{.Id}}", "server") == f"true {identity}\n"
    assert docker.ok("stop", "-t", "1", "server") == "server\n"
    assert docker.ok("rm", identity[:12]) == identity[:12] + "\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("sh", "-c", "exit 3"), 3),
        (("nosuchprogram",), 127),
        (("/etc",), 126),
        (("sh", "-c", "kill -9 $$"), 137),
    ],
)
def test_exit_statuses(docker: Wherry, words: tuple[str, ...], status: int) -> None:
    assert docker("run", "--rm", "tiny", *words).status == status


def test_its_own_failures_are_125(docker: Wherry) -> None:
    result = docker("run", "--rm", "--pull", "never", "nosuch/image:1", "true")
    assert result.status == 125
    assert "nosuch/image:1" in result.stderr
    unknown = docker("run", "--nosuch", "tiny")
    assert (unknown.status, "unknown flag: --nosuch" in unknown.stderr) == (125, True)


def test_dashes_after_the_image_are_the_commands(docker: Wherry) -> None:
    assert docker.ok("run", "--rm", "--entrypoint", "echo", "tiny", "--", "a") == "-- a\n"
    assert docker.ok("run", "--rm", "--", "tiny", "echo", "a") == "a\n"


def test_a_warm_start_uses_the_saved_plan(docker: Wherry) -> None:
    """The front finds it by the words, and says nothing of why it would not."""
    words = ("run", "--rm", "-v", "/etc:/host:ro", "tiny")
    docker.ok(*words, "true")
    time.sleep(2.1)  # files of the caller's that are so young are compared by content, or the plan is not used
    docker.ok(*words, "true")
    again = docker(*words, "echo", "other", env={"WHERRY_EXPLAIN": "plan"})
    assert (again.stdout, again.stderr) == ("other\n", "")


def test_volumes_that_have_names_are_kept(docker: Wherry) -> None:
    docker.ok("run", "--rm", "-v", "cache-1:/c", "tiny", "sh", "-c", "echo kept > /c/f")
    assert docker.ok("run", "--rm", "-v", "cache-1:/d:ro", "tiny", "cat", "/d/f") == "kept\n"
    assert docker.ok("run", "--rm", "--mount", "source=cache-1,target=/e", "tiny", "cat", "/e/f") == "kept\n"
    assert "cache-1" in docker.ok("volume", "ls", "-q").split()
    path = docker.ok("volume", "inspect", "-f", "{{.Mountpoint}}", "cache-1").strip()
    assert (Path(path) / "f").read_text() == "kept\n"
    docker.ok("run", "--name", "holder", "-v", "cache-1:/c", "tiny", "true")
    assert "in use" in docker("volume", "rm", "cache-1").stderr
    docker.ok("rm", "holder")
    assert docker.ok("volume", "rm", "cache-1") == "cache-1\n"
    assert not Path(path).exists()
    missing = docker("volume", "inspect", "cache-1")
    assert (missing.status, missing.stdout) == (1, "[]\n")


def test_a_source_that_is_not_there_is_made(docker: Wherry, tmp_path: Path) -> None:
    docker.ok("run", "--rm", "-v", f"{tmp_path}/new/out:/out", "tiny", "touch", "/out/f")
    assert (tmp_path / "new/out/f").exists()
    docker.ok("run", "--rm", "-v", "./here:/out", "tiny", "touch", "/out/g", cwd=tmp_path)
    assert (tmp_path / "here/g").exists()


@pytest.mark.parametrize("volume", [("--mount", "type=volume,target=/here"), ("-v", "/here")])
def test_a_volume_without_a_name_is_written_in_a_read_only_container(docker: Wherry, volume: tuple[str, ...]) -> None:
    """The manual's own example of ``--read-only``."""
    docker.ok("run", "--rm", "--read-only", *volume, "tiny", "touch", "/here/file")
    assert docker("run", "--rm", "--read-only", *volume, "tiny", "touch", "/file").status == 1


def test_a_volume_of_the_image_is_written_in_a_read_only_container(docker: Wherry) -> None:
    docker.ok("build", "-q", "-t", "kept", "-", stdin="FROM tiny\nVOLUME /data /more/\n")
    docker.ok("run", "--rm", "--read-only", "kept", "touch", "/data/file", "/more/file")
    assert docker("run", "--rm", "--read-only", "kept", "touch", "/file").status == 1
    docker.ok("run", "--rm", "--read-only", "-v", "kept-data:/data", "kept", "touch", "/data/file")
    docker.ok("run", "--rm", "-v", "kept-data:/data", "tiny", "test", "-e", "/data/file")
    docker.ok("volume", "rm", "kept-data")
    docker.ok("rmi", "kept")


def test_a_path_alone_is_a_directory_of_the_containers(docker: Wherry) -> None:
    assert docker.ok("run", "--rm", "-v", "/data/new", "tiny", "sh", "-c", "touch /data/new/x; ls /data/new") == "x\n"


@pytest.mark.parametrize(
    ("options", "command", "expected"),
    [
        (("-w=/tmp",), ("pwd",), "/tmp\n"),
        (("-u", "0:0"), ("id", "-u"), "0\n"),
        (("--user=65534",), ("id", "-un"), "nobody\n"),
        (("-h", "node-1"), ("hostname",), "node-1\n"),
        (("--add-host", "db:10.1.2.3"), ("grep", "-w", "db", "/etc/hosts"), "10.1.2.3\tdb\n"),
        (("--add-host=me=host-gateway",), ("grep", "-w", "me", "/etc/hosts"), "127.0.0.1\tme\n"),
        (("--dns", "9.9.9.9"), ("grep", "nameserver", "/etc/resolv.conf"), "nameserver 9.9.9.9\n"),
        (("--shm-size=32m",), ("sh", "-c", "df /dev/shm | tail -1 | awk '{print $2}'"), "32768\n"),
        (("--tmpfs", "/scratch:size=1m"), ("sh", "-c", "df /scratch | tail -1 | awk '{print $1}'"), "tmpfs\n"),
        (("--cap-drop=ALL",), ("grep", "CapEff", "/proc/self/status"), "CapEff:\t0000000000000000\n"),
        (("--ulimit", "nofile=64:64"), ("sh", "-c", "ulimit -n"), "64\n"),
        (("--network", "none"), ("sh", "-c", "ls /sys/class/net | wc -l; cat /proc/net/dev | grep -c :"), None),
        (("--entrypoint", "/bin/echo"), ("a",), "a\n"),
        (("--device", "/dev/null:/dev/nil"), ("test", "-c", "/dev/nil"), ""),
        (("--cpuset-cpus", "0"), ("nproc",), "1\n"),
        (("--cpuset-cpus", "0", "--cpus", "1.5"), ("nproc",), "1\n"),
        (("-e", "A=1", "--env", "B=2"), ("sh", "-c", "echo $A$B"), "12\n"),
        (("--init", "--sig-proxy=true", "--log-driver=none", "--no-healthcheck"), ("echo", "a"), "a\n"),
        (("--security-opt", "label=disable", "--security-opt=apparmor=unconfined"), ("echo", "a"), "a\n"),
        (("--privileged",), ("sh", "-c", "mkdir /m && mount -t tmpfs t /m && grep -c ' /m ' /proc/mounts"), "1\n"),
        (("--cap-add", "SYS_ADMIN", "--security-opt=seccomp=unconfined"), ("mount", "-t", "tmpfs", "t", "/tmp"), ""),
        (("--link", "web:www"), ("grep", "-w", "www", "/etc/hosts"), "127.0.0.1\twww web\n"),
    ],
)
def test_options(docker: Wherry, options: tuple[str, ...], command: tuple[str, ...], expected: str | None) -> None:
    found = docker.ok("run", "--rm", *options, "tiny", *command)
    assert expected is None or found == expected


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("--gpus=all", "GPU libraries"),
        ("--sysctl=net.core.somaxconn=1", "kernel parameters"),
        ("--restart=always", "nobody starts it again"),
        ("--pid=host", "its own"),
        ("--network=lab", "network lab not found"),
        ("--network=container:web", "localhost"),
        ("-p=8080:80", "shares the host's network"),
        ("--ip=10.0.0.2", "shares the host's network"),
        ("--device=nvidia.com/gpu=all", "vendor's name"),
        ("--storage-opt=size=10G", "space of its disk"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(docker: Wherry, option: str, why: str) -> None:
    result = docker("run", "--rm", option, "tiny", "true")
    assert result.status == 125
    assert option.split("=")[0] in result.stderr or "network lab not found" in result.stderr
    assert why in result.stderr
    assert "next: " in result.stderr


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("-p=8080:8080", "listens at port 8080"),
        ("--network=bridge", "shares the host's network"),
        ("--cpu-shares=512", "--cpus bounds it"),
        ("--health-cmd=true", "health checks"),
        ("--privileged=true", "own namespaces"),
        ("--ipc=host", "/dev/shm"),
    ],
)
def test_what_is_harmless_is_accepted_with_a_note(docker: Wherry, option: str, why: str) -> None:
    result = docker("run", "--rm", option, "tiny", "echo", "done")
    assert (result.status, result.stdout) == (0, "done\n"), str(result)
    assert result.stderr.startswith("docker: note: ")
    assert why in result.stderr


def test_the_cidfile_and_labels(docker: Wherry, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("a=1\n# none\nb=two words\n")
    words = ("--cidfile", f"{tmp_path}/cid", "--label-file", f"{tmp_path}/labels", "-l", "c=3")
    docker.ok("run", *words, "tiny", "true")
    identity = (tmp_path / "cid").read_text()
    assert len(identity) == 64
    assert docker.ok("inspect", "-f", "{{json .Config.Labels}}", identity) == '{"a":"1","b":"two words","c":"3"}\n'
    assert docker.ok("ps", "-aq", "--filter", "label=b=two words").strip() == identity[:12]
    for verb in ("run", "create"):
        assert docker(verb, *words, "tiny", "true").status == 125
    assert docker.ok("ps", "-aq", "--filter", "label=b=two words").strip() == identity[:12]  # none was made
    docker.ok("rm", identity)


def test_lines_are_shown_from_a_time_and_up_to_one(docker: Wherry) -> None:
    """``-f --until``, as in the manual, ends with the time, not with the container."""
    docker.ok("run", "-d", "--name", "talks", "tiny", "sh", "-c", "echo one; sleep 0.1; echo two; exec sleep 60")
    try:
        until(lambda: len(docker.ok("logs", "talks").splitlines()) == 2)
        first, second = (line.split()[0] for line in docker.ok("logs", "-t", "talks").splitlines())
        assert docker.ok("logs", "--until", first, "talks") == "one\n"
        assert docker.ok("logs", "--since", second, "talks") == "two\n"
        assert docker.ok("logs", "--since", first, "--until", second, "talks") == "one\ntwo\n"
        assert docker.ok("logs", "-f", "--until=0s", "talks") == "one\ntwo\n"
        assert "'--until soon' is not a time" in docker("logs", "--until", "soon", "talks").stderr
    finally:
        docker.ok("rm", "-f", "talks")


def test_a_name_that_is_taken(docker: Wherry) -> None:
    docker.ok("run", "--name", "taken", "tiny", "true")
    again = docker("run", "--name", "taken", "tiny", "true")
    assert again.status == 125
    assert "taken" in again.stderr
    docker.ok("rm", "taken")


def test_an_id_of_dockers_names_the_image(docker: Wherry) -> None:
    """The digest of the configuration, whole or its beginning."""
    whole = docker.ok("images", "-q", "--no-trunc", "app:1").strip()
    short = docker.ok("images", "-q", "app:1").strip()
    assert whole == f"sha256:{short}{whole[19:]}"
    assert docker.ok("run", "--rm", short, "pwd") == "/srv/data\n"
    assert docker.ok("run", "--rm", whole, "pwd") == "/srv/data\n"


def test_create_start_wait_and_inspect(docker: Wherry) -> None:
    identity = docker.ok("create", "--name", "later", "-e", "X=1", "tiny", "sh", "-c", "echo $X; exit 4").strip()
    assert len(identity) == 64
    assert docker.ok("inspect", "--format={{.State.Status}}", "later") == "created\n"
    assert docker.ok("start", "later") == "later\n"
    assert docker.ok("wait", "later") == "4\n"
    assert docker.ok("inspect", "-f", "{{.State.ExitCode}}", "later") == "4\n"
    assert docker("start", "-a", "later").status == 4
    assert docker.ok("logs", "later") == "1\n1\n"
    assert docker.ok("container", "rm", "later") == "later\n"


def test_standard_input_with_i_only(docker: Wherry) -> None:
    assert docker.ok("run", "--rm", "-i", "tiny", "cat", stdin="hello") == "hello"
    assert docker.ok("run", "--rm", "tiny", "cat", stdin="hello") == ""


def test_the_manuals_line_for_a_script(docker: Wherry, tmp_path: Path) -> None:
    (tmp_path / "x.sh").write_text("echo $((6 * 7)) > out; cat out\n")
    line = 'docker run -i --rm --name my-running-script -v "$PWD":/usr/src/myapp -w /usr/src/myapp tiny sh x.sh'
    result = shell(docker, line, cwd=tmp_path)
    assert result.stdout == "42\n", str(result)
    assert (tmp_path / "out").stat().st_uid == os.getuid()


def test_nextflows_line(docker: Wherry, tmp_path: Path) -> None:
    """As recorded of Nextflow: resources, variables, the work directory at its own path, a name; then rm."""
    (tmp_path / ".command.run").write_text("echo $NXF_TASK_WORKDIR; pwd; id -u\n")
    line = (
        'docker run -i --cpus 1.0 --memory 512m -e "NXF_TASK_WORKDIR" -e "K=V" -v /tmp:/tmp -v "$PWD":"$PWD" '
        '-w "$NXF_TASK_WORKDIR" -u $(id -u):$(id -g) --name nxf-abc123 tiny /bin/sh .command.run; docker rm nxf-abc123'
    )
    result = shell(docker, line, cwd=tmp_path, env={"NXF_TASK_WORKDIR": str(tmp_path)})
    assert result.stdout == f"{tmp_path}\n{tmp_path}\n{os.getuid()}\nnxf-abc123\n", str(result)


def test_podman_keeps_the_callers_id(docker: Wherry, pushed: Callable[..., str]) -> None:
    podman = docker.named("podman")
    assert podman.ok("run", "--rm", "--userns=keep-id", "tiny", "id", "-u") == f"{os.getuid()}\n"
    assert podman.ok("run", "--rm", "--userns=keep-id:uid=1234,gid=5", "tiny", "id", "-u") == "1234\n"
    assert podman.ok("run", "--rm", "--tz", "Asia/Tokyo", "tiny", "sh", "-c", "echo $TZ") == "Asia/Tokyo\n"
    assert podman.ok("run", "--rm", "--umask", "0077", "tiny", "sh", "-c", "umask") == "0077\n"
    assert podman.ok("run", "--rm", "--replace", "--name", "x-1", "tiny", "echo", "a") == "a\n"
    assert podman.ok("run", "--rm", "--entrypoint", '["echo", "b"]', "tiny", "c") == "b c\n"


def test_a_container_without_a_name_is_shown_with_one(docker: Wherry) -> None:
    """One that goes when it ends, and is started by a saved plan, has the name that its id gives."""
    running = docker.start("run", "--rm", "tiny", "sleep", "60")
    try:
        until(lambda: docker.ok("ps", "-q", "-f", "ancestor=tiny") != "")
        name = docker.ok("ps", "--format", "{{.Names}}").split()[0]
        assert re.fullmatch(r"[a-z]+_[a-z]+", name)
        assert docker.ok("inspect", "-f", "{{.Name}}", name) == f"/{name}\n"
        assert docker.ok("kill", name) == f"{name}\n"
        assert running.wait(20) == 137
    finally:
        running.kill()
        running.wait()


def test_the_platform_of_the_environment(docker: Wherry) -> None:
    other = {"DOCKER_DEFAULT_PLATFORM": "linux/s390x"}
    result = docker("run", "--rm", "--pull", "never", "tiny", "true", env=other)
    assert result.status == 125
    assert "s390x" in result.stderr
