"""``docker``'s verbs about images, containers and the machine: output as scripts read it, beside Docker's."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import images
from docker_daemon import Docker
from registry_server import RegistryServer
from waiting import until
from wherry_command import Wherry

CONFIG = {
    "Env": ["PATH=/usr/bin:/bin", "FLAVOUR=vanilla"],
    "Entrypoint": ["/bin/sh", "-c"],
    "Cmd": ["echo hello"],
    "WorkingDir": "/srv/data",
    "User": "nobody",
    "Labels": {"maintainer": "someone", "org.lab.study": "7"},
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/cache": {}},
    "StopSignal": "SIGINT",
}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layout") / "app"
    layer = images.Layer().directory("srv").directory("srv/data").tar()
    images.write_layout(folder, [layer], CONFIG, base=images.image("tiny"))
    return folder


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory, tiny: str, layout: Path) -> Wherry:
    """The shim on a store with ``tiny`` under two names and ``app:1``."""
    wherry = Wherry(tmp_path_factory.mktemp("docker-images") / "wherry")
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "tiny")
    wherry.ok("tag", tiny, "tiny:1.0")
    wherry.ok("tag", wherry.ok("load", "-q", str(layout)).strip(), "app:1")
    return wherry.named("docker")


@pytest.fixture(scope="module")
def real(docker: Docker, layout: Path) -> Docker:
    """A docker daemon with the same images."""
    docker.take(images.image("tiny"), "tiny")
    docker("tag", "tiny", "tiny:1.0")
    docker.take(layout, "app")
    docker("tag", "app:latest", "app:1")
    docker("rmi", "app:latest")
    return docker


def test_images_as_a_table(shim: Wherry) -> None:
    lines = shim.ok("images", "app").splitlines()
    assert re.split(r" {2,}", lines[0]) == ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]
    assert re.fullmatch(r"app +1 +[0-9a-f]{12} +\d+ years? ago +[\d.]+[kM]B", lines[1].replace("months", "years"))
    digests = shim.ok("images", "--digests", "app").splitlines()
    assert re.split(r" {2,}", digests[0])[2] == "DIGEST"
    assert re.search(r"sha256:[0-9a-f]{64}", digests[1])


@pytest.mark.parametrize(
    "words",
    [
        ("images", "-q", "app:1"),
        ("images", "-q", "--no-trunc", "app:1"),
        ("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", "app"),
        ("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=tiny:1*"),
        ("images", "--format", "{{.CreatedAt}}", "app:1"),
        ("images", "-q", "--filter", "label=org.lab.study=7"),
        ("images", "-q", "--filter", "label=nosuch"),
        ("images", "-q", "nosuch"),
        ("inspect", "-f", "{{.Id}}", "app:1"),
        ("inspect", "--type", "image", "-f", "{{json .Config.Env}}", "app:1"),
        ("inspect", "-f", "{{.Config.User}} {{.Config.WorkingDir}} {{json .Config.Entrypoint}}", "app:1"),
        ("inspect", "-f", "{{json .Config.Cmd}}{{.Os}}/{{.Architecture}}", "app:1"),
        ("inspect", "-f", '{{index .Config.Labels "org.lab.study"}}', "app:1"),
        ("inspect", "-f", '{{index .Config.Labels "nosuch"}}', "app:1"),
        ("inspect", "-f", "{{json .Config.ExposedPorts}} {{json .Config.Volumes}} {{.Config.StopSignal}}", "app:1"),
        ("inspect", "-f", "{{json .RootFS.Layers}} {{.RootFS.Type}}", "app:1"),
        ("inspect", "-f", "{{len .RootFS.Layers}}{{range .RepoTags}} {{.}}{{end}}", "app:1"),
        ("image", "inspect", "--format", "{{.Created}}", "app:1"),
        ("inspect", "-f", "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "app:1"),
        ("inspect", "-f", "{{if .Config.Env}}yes{{else}}no{{end}}", "app:1"),
        ("inspect", "-f", "{{(index .Config.Env 0)}}", "app:1"),
        ("inspect", "-f", '{{join .Config.Env ","}}', "app:1"),
        ("history", "-q", "--no-trunc", "app:1"),
        ("history", "--format", "{{.CreatedBy}}", "app:1"),
    ],
    ids=" ".join,
)
def test_the_same_as_dockers(shim: Wherry, real: Docker, words: tuple[str, ...]) -> None:
    """IDs are the digests of configurations, which are the same everywhere."""
    assert shim.ok(*words) == real(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "nosuch"),
        ("image", "inspect", "nosuch"),
        ("container", "inspect", "nosuch"),
        ("rmi", "nosuch"),
        ("rm", "nosuch"),
        ("stop", "nosuch"),
        ("logs", "nosuch"),
        ("exec", "nosuch", "true"),
        ("start", "nosuch"),
        ("tag", "nosuch", "other"),
        ("volume", "inspect", "nosuch"),
        ("volume", "rm", "nosuch"),
        ("network", "inspect", "nosuch"),
        ("wait", "nosuch"),
        ("kill", "nosuch"),
        ("cp", "nosuch:/x", "."),
        ("history", "nosuch"),
    ],
    ids=" ".join,
)
def test_what_is_missing_is_said_in_dockers_words(shim: Wherry, real: Docker, words: tuple[str, ...]) -> None:
    """The status, and the part that scripts look for."""
    command = ["docker", "--config", str(real.folder), "--host", real.address, *words]
    theirs = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = shim(*words)
    assert (ours.status, ours.stdout) == (theirs.returncode, theirs.stdout)
    found = re.search(r"no such [a-z]+|network nosuch not found", theirs.stderr, re.I)
    assert found, theirs.stderr
    assert found[0].lower() in ours.stderr.lower()
    assert "nosuch" in ours.stderr


def test_containers_the_same_as_dockers(shim: Wherry, real: Docker) -> None:
    """A container that was made and never started: what inspect and ps tell of it."""
    make = ("create", "--name", "made", "--network", "none", "-e", "A=1", "-l", "x=y", "-w", "/tmp", "app:1", "true")
    ids = {"ours": shim.ok(*make).strip(), "theirs": real(*make).strip()}
    try:
        for form in (
            "{{.Name}} {{.State.Status}} {{.State.Running}} {{.State.ExitCode}} {{.State.Pid}}",
            "{{.Image}} {{.Config.Image}} {{.Path}} {{json .Args}}",
            "{{json .Config.Env}} {{json .Config.Cmd}} {{json .Config.Entrypoint}} {{.Config.User}}",
            "{{json .Config.Labels}} {{.Config.WorkingDir}} {{.HostConfig.NetworkMode}}",
            "{{.State.StartedAt}} {{.State.FinishedAt}} {{.HostConfig.Privileged}}",
        ):
            assert shim.ok("inspect", "-f", form, "made") == real("inspect", "-f", form, "made")
        for words in (
            ("ps", "-a", "--format", "{{.Names}} {{.Image}} {{.State}} {{.Status}}", "--filter", "name=made"),
            ("ps", "-a", "--format", '{{.Label "x"}}', "--filter", "label=x=y"),
            ("ps", "-aq", "--filter", "status=running"),
            ("ps", "-q", "-f", "name=made"),
        ):
            assert shim.ok(*words) == real(*words)
        assert shim.ok("ps", "-aq", "-f", "name=made") == ids["ours"][:12] + "\n"
        theirs = json.loads(real("inspect", "made"))[0]
        ours = json.loads(shim.ok("inspect", "made"))[0]
        assert {"Id", "Created", "State", "Image", "Name", "Config", "HostConfig", "Mounts", "NetworkSettings"} <= set(
            ours
        )
        assert set(theirs["State"]) - set(ours["State"]) == set()
    finally:
        shim("rm", "-f", "made")
        real("rm", "-f", "made")


def test_every_field_of_dockers_documents_is_there(shim: Wherry, real: Docker) -> None:
    """With a value of its kind: templates name any of them."""

    def lacking(ours: object, theirs: object, place: str = "") -> Iterator[str]:
        if isinstance(theirs, dict) and isinstance(ours, dict):
            for key in theirs:
                yield from lacking(ours[key], theirs[key], f"{place}.{key}") if key in ours else (f"{place}.{key}",)
        elif ours is not None and theirs is not None and not isinstance(ours, type(theirs)):
            yield f"{place}: {ours!r} for {theirs!r}"

    obsolete = (".GraphDriver.Data", ".ContainerConfig")
    make = ("create", "--name", "whole", "--network", "none", "-v", "/etc:/x:ro", "app:1", "true")
    shim.ok(*make)
    real(*make)
    try:
        for name in ("whole", "app:1"):
            found = lacking(json.loads(shim.ok("inspect", name))[0], json.loads(real("inspect", name))[0])
            assert [text for text in found if not text.startswith(obsolete)] == []
    finally:
        shim("rm", "-f", "whole")
        real("rm", "-f", "whole")


def test_tables_have_dockers_columns(shim: Wherry, real: Docker) -> None:
    for words in (("images", "app"), ("ps", "-a"), ("volume", "ls", "-f", "name=nosuch"), ("history", "app:1")):
        ours = [line.rstrip() for line in shim.ok(*words).splitlines()]
        theirs = [line.rstrip() for line in real(*words).splitlines()]
        assert ours == theirs, words


def test_ps_as_a_table(shim: Wherry) -> None:
    shim.ok("run", "-d", "--name", "sleeper", "tiny", "sleep", "60")
    try:
        heading, row = shim.ok("ps").splitlines()
        titles = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
        assert re.split(r" {2,}", heading) == titles
        assert re.fullmatch(r'[0-9a-f]{12} +tiny +"sleep 60" +.* ago +Up .* +sleeper', row)
        assert "sleep 60" in shim.ok("top", "sleeper")
        assert shim.ok("top", "sleeper", "-o", "pid,comm").splitlines()[1].split()[1] == "sleep"
        assert shim.ok("port", "sleeper") == ""
        assert re.split(r" {2,}", shim.ok("stats", "--no-stream").splitlines()[0])[:3] == [
            "CONTAINER ID",
            "NAME",
            "CPU %",
        ]
        assert shim.ok("exec", "-e", "A=1", "-w", "/tmp", "sleeper", "sh", "-c", "echo $A; pwd") == "1\n/tmp\n"
        assert shim("exec", "sleeper", "sh", "-c", "exit 9").status == 9
        assert shim.ok("exec", "-d", "sleeper", "touch", "/done") == ""
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \w+\n", shim.ok("ps", "--format", "{{.CreatedAt}}")
        )
        refused = shim("rm", "sleeper")
        assert (refused.status, "container is running" in refused.stderr) == (1, True)
        assert shim.ok("kill", "-s", "KILL", "sleeper") == "sleeper\n"
        assert shim.ok("wait", "sleeper") == "137\n"
        assert "is not running" in shim("exec", "sleeper", "true").stderr
        assert shim.ok("rename", "sleeper", "slept") == ""
        assert shim.ok("restart", "-t", "1", "slept") == "slept\n"
        assert shim.ok("rm", "-f", "slept") == "slept\n"
    finally:
        shim("rm", "-f", "sleeper", "slept")


def test_files_go_in_and_out(shim: Wherry, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("hello\n")
    shim.ok("create", "--name", "files", "tiny", "cat", "/tmp/in")
    shim.ok("cp", f"{tmp_path}/in", "files:/tmp/in")
    assert shim.ok("start", "-a", "files") == "hello\n"
    assert "C /tmp\nA /tmp/in\n" in shim.ok("diff", "files")
    shim.ok("cp", "files:/tmp/in", f"{tmp_path}/out")
    assert (tmp_path / "out").read_text() == "hello\n"
    assert shim.ok("rm", "-v", "files") == "files\n"


def test_attach_shows_what_comes_and_ends_as_the_command(shim: Wherry) -> None:
    script = "while [ ! -e /tmp/go ]; do echo tick; sleep 0.1; done; exit 3"
    shim.ok("run", "-d", "--name", "talker", "tiny", "sh", "-c", script)
    attached = shim.start("attach", "talker", stdout=subprocess.PIPE)
    assert attached.stdout is not None
    assert attached.stdout.readline() == b"tick\n"
    shim.ok("exec", "talker", "touch", "/tmp/go")
    out, _ = attached.communicate(timeout=20)
    assert (set(out.split()) <= {b"tick"}, attached.returncode) == (True, 3)
    shim.ok("rm", "talker")


def test_stop_takes_the_containers_own_patience_and_signal(shim: Wherry) -> None:
    script = "trap 'echo interrupted; exit 7' INT; echo ready; while :; do sleep 0.1; done"
    shim.ok("run", "-d", "--name", "own", "--stop-timeout", "20", "--entrypoint", "sh", "app:1", "-c", script)
    until(lambda: shim.ok("logs", "own") == "ready\n")
    shim.ok("stop", "own")
    assert shim.ok("inspect", "-f", "{{.State.ExitCode}}", "own") == "7\n"
    assert shim.ok("logs", "own") == "ready\ninterrupted\n"
    shim.ok("rm", "own")


def test_pull_push_and_their_lines(shim: Wherry, tiny: str, registry: RegistryServer) -> None:
    lines = shim.ok("pull", tiny).splitlines()
    tag = tiny.rpartition(":")[2]
    assert lines[0] == f"{tag}: Pulling from tiny"
    assert re.fullmatch(r"Digest: sha256:[0-9a-f]{64}", lines[-3])
    assert lines[-2:] == [f"Status: Image is up to date for {tiny}", tiny]
    assert shim.ok("pull", "-q", tiny) == f"{tiny}\n"
    shim.ok("tag", "app:1", f"{registry.address}/lab/app:2")
    pushed = shim.ok("push", f"{registry.address}/lab/app:2").splitlines()
    assert pushed[0] == f"The push refers to repository [{registry.address}/lab/app]"
    assert re.fullmatch(r"2: digest: sha256:[0-9a-f]{64} size: \d+", pushed[-1])
    assert shim.ok("rmi", f"{registry.address}/lab/app:2") == f"Untagged: {registry.address}/lab/app:2\n"
    new = shim.ok("pull", f"{registry.address}/lab/app:2").splitlines()
    assert new[-2] == f"Status: Downloaded newer image for {registry.address}/lab/app:2"
    shim.ok("rmi", f"{registry.address}/lab/app:2")
    missing = shim("pull", f"{registry.address}/nosuch:1")
    assert missing.status == 1
    assert missing.stderr.startswith("Error response from daemon: ")


def test_rmi_by_id_takes_the_image_and_its_name(shim: Wherry, tmp_path: Path) -> None:
    images.write_layout(tmp_path / "one", [images.Layer().file("a", b"1").tar()], {"Cmd": ["/a"]})
    wherry = Wherry(shim.folder)
    wherry.ok("tag", wherry.ok("load", "-q", f"{tmp_path}/one").strip(), "one:1")
    identity = shim.ok("images", "-q", "--no-trunc", "one").strip()
    lines = shim.ok("rmi", identity[7:19]).splitlines()
    assert "Untagged: one:1" in lines
    assert lines[-1] == f"Deleted: {identity}"


def test_version_and_info_as_programs_ask(shim: Wherry) -> None:
    assert re.fullmatch(r"Docker version 24\.\d+\.\d+, build wherry-\S+\n", shim.ok("--version"))
    assert shim.ok("-v") == shim.ok("--version")
    assert re.fullmatch(r"24\.\d+\.\d+\n", shim.ok("version", "--format", "{{.Server.Version}}"))
    assert shim.ok("version", "-f", "{{.Client.Version}} {{.Server.Os}}").split()[1] == "linux"
    assert json.loads(shim.ok("info", "--format", "{{json .}}"))["OSType"] == "linux"
    assert shim.ok("info", "-f", "{{.ServerVersion}}").startswith("24.")
    assert "name=rootless" in shim.ok("info", "-f", "{{.SecurityOptions}}")
    assert "Server Version" in shim.ok("info")
    assert shim.ok("context", "show") == "default\n"
    assert shim.ok("network", "ls", "--format", "{{.Name}}") == "host\nnone\n"
    assert shim.ok("--config", "/nonexistent", "--log-level=error", "images", "-q", "app").strip()


def test_df_and_prune(shim: Wherry) -> None:
    shim.ok("run", "--name", "old", "tiny", "true")
    kinds = shim.ok("system", "df", "--format", "{{.Type}}").splitlines()
    assert kinds == ["Images", "Containers", "Local Volumes", "Build Cache"]
    assert "asks before" in shim("container", "prune").stderr
    gone = shim.ok("container", "prune", "-f").splitlines()
    assert gone[0] == "Deleted Containers:"
    assert gone[-1].startswith("Total reclaimed space: ")
    assert shim.ok("ps", "-aq") == ""
    assert shim.ok("image", "prune", "-f").splitlines()[-1].startswith("Total reclaimed space: ")
    assert shim.ok("images", "-q", "app:1")


def test_podmans_ways(shim: Wherry, tiny: str) -> None:
    podman = shim.named("podman")
    assert re.fullmatch(r"podman version 4\.\d+\.\d+\n", podman.ok("--version"))
    assert podman("image", "exists", "app:1").status == 0
    assert podman("image", "exists", "nosuch").status == 1
    assert podman("container", "exists", "nosuch").status == 1
    assert "docker.io/library/app" in podman.ok("images", "--format", "{{.Repository}}").split()
    assert podman.ok("images", "-n", "app").split()[:2] == ["docker.io/library/app", "1"]
    listed = json.loads(podman.ok("images", "--format", "json", "app"))
    assert listed[0]["Names"] == ["docker.io/library/app:1"]
    assert re.fullmatch(r"[0-9a-f]{64}\n", podman.ok("pull", "-q", tiny))
    assert json.loads(podman.ok("info", "--format", "json"))["host"]["security"]["rootless"] is True
    assert podman.ok("info", "-f", "{{.Host.Security.Rootless}}") == "true\n"
    identity = podman.ok("create", "--name", "p-1", "tiny", "true").strip()
    shown = json.loads(podman.ok("ps", "-a", "--format", "json"))[0]
    wanted = {"Id": identity, "Names": ["p-1"], "Command": ["true"], "State": "created", "ExitCode": 0}
    assert {key: shown[key] for key in wanted} == wanted
    assert abs(shown["Created"] - time.time()) < 60
    assert podman.ok("inspect", "-f", "{{.Name}} {{.ImageName}}", "p-1") == "p-1 docker.io/library/tiny:latest\n"
    assert podman.ok("start", "-a", "p-1") == ""
    assert podman.ok("rm", "-a") == f"{identity}\n"
    error = podman("rm", "nosuch")
    assert (error.status, error.stderr) == (
        1,
        'Error: no container with name or ID "nosuch" found: no such container\n',
    )
    assert podman("run", "nosuch/image:1", env={"WHERRY_RUN_PULL": "never"}).status == 125


def test_credentials(shim: Wherry, pushed: Callable[..., str], registry: RegistryServer, tmp_path: Path) -> None:
    config = {"DOCKER_CONFIG": str(tmp_path)}
    out = shim("login", "-u", "me", "--password-stdin", registry.address, stdin="secret\n", env=config)
    assert (out.status, out.stdout) == (0, "Login Succeeded\n"), str(out)
    assert "secret" not in out.stderr
    assert registry.address in (tmp_path / "config.json").read_text()
    assert "Removing login credentials" in shim.ok("logout", registry.address, env=config)


def test_save_and_load_to_and_from_dockers_daemon(shim: Wherry, real: Docker, tmp_path: Path) -> None:
    """Each takes what the other wrote, and says the same."""
    shim.ok("save", "-o", f"{tmp_path}/ours.tar", "app:1", "tiny:1.0")
    assert real("load", "-i", f"{tmp_path}/ours.tar") == "Loaded image: app:1\nLoaded image: tiny:1.0\n"
    real("save", "-o", f"{tmp_path}/theirs.tar", "app:1", "tiny:1.0")
    loaded = shim.ok("load", "-i", f"{tmp_path}/theirs.tar")
    assert sorted(loaded.splitlines()) == ["Loaded image: app:1", "Loaded image: tiny:1.0"]
    piped = shim.ok("load", stdin=(tmp_path / "theirs.tar").read_bytes())
    assert sorted(piped.splitlines()) == sorted(loaded.splitlines())
    assert shim.ok("images", "-q", "--no-trunc", "app:1") == real("images", "-q", "--no-trunc", "app:1")


def test_load_tells_each_image_of_a_compressed_archive(shim: Wherry, layout: Path, tmp_path: Path) -> None:
    """By its names, else by its ID; in the order of the archive."""
    shim.ok("save", "-o", f"{tmp_path}/both.tar", "app:1", "tiny:1.0")
    shim.ok("save", "-o", f"{tmp_path}/app.tar", shim.ok("images", "-q", "--no-trunc", "app:1").strip())
    app = shim.ok("images", "-q", "--no-trunc", "app:1").strip()
    for name, told in (
        ("both", "Loaded image: app:1\nLoaded image: tiny:1.0\n"),
        ("app", f"Loaded image ID: {app}\n"),
    ):
        packed = gzip.compress((tmp_path / f"{name}.tar").read_bytes(), 1)
        (tmp_path / f"{name}.tar.gz").write_bytes(packed)
        assert shim.ok("load", "-q", "-i", f"{tmp_path}/{name}.tar.gz") == told
        assert shim.ok("load", "-q", stdin=packed) == told


def test_import_and_export(shim: Wherry, tmp_path: Path) -> None:
    shim.ok("run", "--name", "tree", "tiny", "touch", "/made")
    shim.ok("export", "-o", f"{tmp_path}/tree.tar", "tree")
    identity = shim.ok("import", "-c", "CMD ls /made", f"{tmp_path}/tree.tar", "tree:2").strip()
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", identity)
    assert shim.ok("run", "--rm", "tree:2") == "/made\n"
    assert shim.ok("inspect", "-f", "{{.Id}}", "tree:2") == f"{identity}\n"
    shim.ok("rm", "tree")
    shim.ok("rmi", "tree:2")


@pytest.mark.parametrize(
    "words",
    [
        ("app:1", "pwd; id -u; id -g; id -un"),
        ("app:1",),
        ("--entrypoint", "", "app:1", "echo", "a"),
        ("--entrypoint", "/bin/echo", "app:1"),
        ("--entrypoint", "/bin/echo", "app:1", "--", "x"),
        ("-w", "/new/folder", "app:1", "pwd"),
        ("-u", "0", "tiny", "id"),
        ("-u", "1234:5", "tiny", "sh", "-c", "id -u; id -g"),
        ("-u", "nobody", "tiny", "sh", "-c", "id -un; echo $HOME"),
        ("-e", "FLAVOUR=mint", "-e", "A=b c", "app:1", "echo $FLAVOUR $A"),
        ("-h", "node-7", "tiny", "hostname"),
        ("--read-only", "tiny", "sh", "-c", "touch /x 2>/dev/null || echo no"),
        ("--tmpfs", "/t", "tiny", "sh", "-c", "grep -c ' /t tmpfs ' /proc/mounts"),
        ("tiny", "sh", "-c", "exit 5"),
        ("tiny", "nosuch"),
        ("tiny", "/etc"),
        ("--cap-drop", "ALL", "tiny", "grep", "CapEff", "/proc/self/status"),
        ("tiny", "grep", "CapEff", "/proc/self/status"),
        ("--cap-add", "SYS_NICE", "tiny", "grep", "CapEff", "/proc/self/status"),
        ("--ulimit", "nofile=100:200", "tiny", "sh", "-c", "ulimit -n; ulimit -Hn"),
        ("-v", "/data", "tiny", "sh", "-c", "ls -d /data; touch /data/x; ls /data"),
        ("app:1", "ls -d /cache"),
        ("--shm-size", "1m", "tiny", "sh", "-c", "df -k /dev/shm | tail -1 | awk '{print $2}'"),
        ("--add-host", "a.b:10.0.0.9", "tiny", "grep", "10.0.0.9", "/etc/hosts"),
        ("--label", "x", "tiny", "echo", "$$"),
        ("-v", "filled-1:/bin", "tiny", "sh", "-c", "ls /bin | head -3; readlink /bin/sh; touch /bin/new"),
        ("-v", "filled-1:/x", "tiny", "sh", "-c", "ls /x | grep -c new"),
        ("-v", "empty-1:/srv:nocopy", "app:1", "ls /srv"),
        ("--mount", "src=filled-2,dst=/srv", "app:1", "ls /srv"),
        ("--mount", "src=filled-3,dst=/srv,volume-nocopy", "app:1", "ls /srv"),
        ("--init", "tiny", "echo", "a"),
    ],
    ids=" ".join,
)
def test_run_does_what_dockers_does(shim: Wherry, real: Docker, words: tuple[str, ...]) -> None:
    """Output and status, with the same words."""
    line = ("run", "--rm", "--network", "none", *words)
    command = ["docker", "--config", str(real.folder), "--host", real.address, *line]
    theirs = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = shim(*line)
    assert (ours.status, ours.stdout) == (theirs.returncode, theirs.stdout), theirs.stderr


@pytest.fixture(scope="module")
def podmans() -> Iterator[list[str]]:
    """The real podman on a storage of its own, whose path it wants to be short."""
    folder = tempfile.mkdtemp(prefix="podman-", dir="/tmp")
    places = ("--root", f"{folder}/root", "--runroot", f"{folder}/run")
    yield ["/usr/bin/podman", *places, "--cgroup-manager=cgroupfs", "--log-level=error"]
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(
    "words",
    [
        ("rm", "nosuch"),
        ("rm", "-f", "nosuch"),
        ("rmi", "nosuch"),
        ("inspect", "nosuch"),
        ("image", "inspect", "nosuch"),
        ("stop", "nosuch"),
        ("logs", "nosuch"),
        ("exec", "nosuch", "true"),
        ("volume", "rm", "nosuch"),
        ("tag", "nosuch", "other"),
        ("image", "exists", "nosuch"),
        ("container", "exists", "nosuch"),
        ("volume", "exists", "nosuch"),
        ("images", "--nosuch"),
        ("ps", "-aq"),
        ("images", "-q", "nosuch"),
        ("volume", "ls", "-q", "--filter", "name=nosuch"),
    ],
    ids=" ".join,
)
def test_podmans_words_and_statuses(shim: Wherry, podmans: list[str], words: tuple[str, ...]) -> None:
    theirs = subprocess.run([*podmans, *words], capture_output=True, text=True, check=False)
    ours = shim.named("podman")(*words)
    assert (ours.status, ours.stdout) == (theirs.returncode, theirs.stdout), theirs.stderr
    first = theirs.stderr.split("\n")[0]
    assert first in ours.stderr, theirs.stderr
