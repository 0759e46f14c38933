"""``apptainer`` and ``singularity`` as their users type them: environment, places, scripts, statuses, instances."""

from __future__ import annotations

import functools
import http.server
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import images
from registry_server import RegistryServer, serve
from waiting import until
from wherry_command import Wherry

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def apptainer(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Wherry:
    """The command in a store that has the tiny image."""
    found = Wherry(tmp_path_factory.mktemp("apptainer")).named("apptainer")
    Wherry(found.folder).ok("pull", "-q", tiny)
    return found


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image as Apptainer unpacks it: programs, and scripts of all kinds, help, labels, an app."""
    folder = tmp_path_factory.mktemp("images") / "box"
    layer = images.Layer()
    subprocess.run(["tar", "-xf", "-", "-C", str(_new(folder))], input=_busybox(layer), check=True)
    for path, text in {
        "env/10-docker2singularity.sh": 'export PATH="/opt/bin:/bin"\nexport FROM_DOCKER="${FROM_DOCKER:-"docker"}"\n',
        "env/90-environment.sh": 'export GREETING="of the image"\nexport MARK="it\'s $HOME"\n',
        "env/99-base.sh": 'export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/.singularity.d/libs"\n',
        "env/95-apps.sh": 'if [ -n "$SINGULARITY_APPNAME" ]; then export SCIF_APPNAME=$SINGULARITY_APPNAME; fi\n',
        "runscript": '#!/bin/sh\necho "run: $GREETING:" "$@"\n',
        "startscript": '#!/bin/sh\necho "started $1" >"$HOME/started"\n',
        "test": "#!/bin/sh\necho tested; exit 3\n",
        "runscript.help": "How to use it\n",
        "labels.json": '{"org.label-schema.build-arch": "amd64", "Maintainer": "Ada"}',
        "Singularity": "bootstrap: docker\nfrom: debian:12\n",
    }.items():
        _write(folder / ".singularity.d" / path, text)
    _write(folder / "scif/apps/foo/scif/runscript", '#!/bin/sh\necho "app $SCIF_APPNAME" "$@"\n')
    _write(folder / "scif/apps/foo/scif/labels.json", '{"APP": "foo"}')
    return folder


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _busybox(layer: images.Layer) -> bytes:
    layer.directory("bin").file("bin/busybox", Path("/usr/bin/busybox").read_bytes(), 0o755).directory("tmp", 0o1777)
    for name in (
        "sh",
        "cat",
        "ls",
        "id",
        "env",
        "echo",
        "pwd",
        "touch",
        "sleep",
        "true",
        "false",
        "ps",
        "kill",
        "stty",
    ):
        layer.symlink(f"bin/{name}", "busybox")
    return layer.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n").file("etc/group", b"root:x:0:\n").tar()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _variables(output: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


@pytest.fixture(params=["registry", "sandbox"])
def image(request: pytest.FixtureRequest, tiny: str, sandbox: Path) -> str:
    """An image without scripts, and one with."""
    return f"docker://{tiny}" if request.param == "registry" else str(sandbox)


def test_the_callers_variables_go_in(apptainer: Wherry, image: str) -> None:
    """But those that name the host's files do not; PATH and HOME are the container's."""
    mine = {"MINE": "x y", "LD_LIBRARY_PATH": "/host", "WHERRY_DEBUG": "0", "SINGULARITY_TMPDIR": "/x"}
    found = _variables(apptainer.ok("exec", image, "env", env=mine))
    assert found["MINE"] == "x y" and found["HOME"] == str(apptainer.folder / "home")
    assert found["LD_LIBRARY_PATH"] == "/.singularity.d/libs"
    assert not {name for name in found if name.startswith("WHERRY_")} and "SINGULARITY_TMPDIR" not in found
    assert found["PATH"] != apptainer.environment["PATH"]


def test_an_images_own_search_path_of_libraries_stays(apptainer: Wherry, tiny: str, tmp_path: Path) -> None:
    """Of an image of a registry, of one with scripts, and of a file made of either; the caller can name another."""
    layout, file = tmp_path / "layout", tmp_path / "x.sif"
    images.write_layout(layout, [], {"Env": ["LD_LIBRARY_PATH=/opt/lib", "PATH=/bin"]}, base=images.image("tiny"))
    apptainer.ok("build", str(file), f"oci:{layout}:latest")
    for image in (f"oci:{layout}:latest", str(file)):
        show = ("exec", image, "sh", "-c", "echo $LD_LIBRARY_PATH")
        assert apptainer.ok(*show) == "/opt/lib:/.singularity.d/libs\n"
        assert apptainer.ok(*show, env={"APPTAINERENV_LD_LIBRARY_PATH": "/mine"}) == "/mine\n"


def test_prefixed_variables_win_over_the_images(apptainer: Wherry, image: str) -> None:
    """``APPTAINERENV_`` over ``SINGULARITYENV_``, ``--env`` over both; odd values come through."""
    odd = "a 'b' \"c\" $HOME `id` \\ \n d"
    given = {"SINGULARITYENV_GREETING": "one", "APPTAINERENV_GREETING": "two", "SINGULARITYENV_ODD": odd}
    shown = 'printf "%s|%s" "$GREETING" "$ODD"'
    assert apptainer.ok("exec", image, "sh", "-c", shown, env=given) == f"two|{odd}"
    assert apptainer.ok("exec", "--env", "GREETING=three", image, "sh", "-c", shown, env=given) == f"three|{odd}"
    assert "APPTAINERENV_GREETING" not in apptainer.ok("exec", image, "env", env=given)


def test_the_search_path_can_be_put_together(apptainer: Wherry, image: str) -> None:
    """In front, behind, and as a whole."""
    path = apptainer.ok("exec", image, "sh", "-c", "echo $PATH").strip()
    more = {"APPTAINERENV_PREPEND_PATH": "/first", "SINGULARITYENV_APPEND_PATH": "/last"}
    assert apptainer.ok("exec", image, "sh", "-c", "echo $PATH", env=more).strip() == f"/first:{path}:/last"
    whole = {"APPTAINERENV_PATH": "/bin:/mine"}
    assert apptainer.ok("exec", image, "sh", "-c", "echo $PATH", env=whole).strip() == "/bin:/mine"
    assert apptainer.ok("exec", "--env", "PREPEND_PATH=/a", image, "sh", "-c", "echo $PATH").strip() == f"/a:{path}"


def test_a_clean_environment_has_only_what_was_asked_for(apptainer: Wherry, image: str) -> None:
    """Proxies and the terminal's name go in, prefixed variables too."""
    given = {"MINE": "x", "SLURM_JOB_ID": "1", "http_proxy": "http://p", "SINGULARITYENV_A": "a"}
    found = _variables(apptainer.ok("exec", "--cleanenv", image, "env", env=given))
    assert "MINE" not in found and "SLURM_JOB_ID" not in found
    assert (found["http_proxy"], found["A"], found["LANG"], found["TERM"]) == ("http://p", "a", "C", "dumb")


def test_programs_inside_are_told_where_they_are(apptainer: Wherry, sandbox: Path) -> None:
    """By both names."""
    found = _variables(apptainer.ok("exec", "-B", "/usr:/mnt", str(sandbox), "env"))
    for peer in ("SINGULARITY", "APPTAINER"):
        assert found[f"{peer}_CONTAINER"] == str(sandbox) and found[f"{peer}_NAME"] == "box"
        assert found[f"{peer}_COMMAND"] == "exec" and found[f"{peer}_BIND"] == "/usr:/mnt"


def test_the_images_environment_scripts_are_read(apptainer: Wherry, sandbox: Path) -> None:
    """By its own shell, so they may compute; the caller's values win where the script lets them."""
    found = _variables(apptainer.ok("exec", str(sandbox), "env", env={"GREETING": "mine", "FROM_DOCKER": "mine"}))
    assert found["MARK"] == f"it's {apptainer.folder}/home" and found["PATH"] == "/opt/bin:/bin"
    assert found["GREETING"] == "of the image" and found["FROM_DOCKER"] == "mine"


def test_home_the_directory_and_tmp_are_the_hosts(apptainer: Wherry, image: str, tmp_path: Path) -> None:
    """At their own paths; the image itself cannot be written."""
    home = apptainer.folder / "home"
    (tmp_path / "here").write_text("it")
    script = f"cat here; pwd; echo x >made; echo y >{home}/made; touch /x"
    result = apptainer("exec", image, "sh", "-c", script, cwd=tmp_path)
    assert result.stdout == f"it{tmp_path}\n" and "Read-only file system" in result.stderr
    assert (tmp_path / "made").read_text() == "x\n" and (home / "made").read_text() == "y\n"
    assert apptainer.ok("exec", image, "pwd", cwd=Path("/")) == "/\n"


def test_a_contained_start_shows_none_of_them(apptainer: Wherry, image: str) -> None:
    """Home and /tmp are empty and go with the container."""
    home = apptainer.folder / "home"
    (home / "seen").write_text("")
    found = apptainer.ok("exec", "-c", image, "sh", "-c", f"ls -A {home} /tmp; echo x >{home}/gone; pwd")
    assert "seen" not in found and not (home / "gone").exists() and found.endswith(f"{home}\n")


def test_home_can_be_elsewhere(apptainer: Wherry, image: str, tmp_path: Path) -> None:
    """One directory, or one shown as another; without one HOME still says where it would be."""
    (tmp_path / "file").write_text("it")
    shown = 'echo $HOME; cat "$HOME/file"'
    assert apptainer.ok("exec", "-H", str(tmp_path), image, "sh", "-c", shown) == f"{tmp_path}\nit"
    assert apptainer.ok("exec", "--home", f"{tmp_path}:/srv", image, "sh", "-c", shown) == "/srv\nit"
    assert apptainer("exec", "--contain", "--home", str(tmp_path), image, "cat", f"{tmp_path}/file").stdout == "it"
    none = apptainer("exec", "--no-home", "--no-mount", "tmp", image, "sh", "-c", "echo $HOME; ls $HOME", cwd=Path("/"))
    assert none.stdout == f"{apptainer.folder}/home\n" and none.status != 0


def test_binds_cover_what_is_shown_anyway(apptainer: Wherry, image: str, tmp_path: Path) -> None:
    """Also below the current directory."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b/file").write_text("of b")
    bound = f"{tmp_path}/b:{tmp_path}/a,{tmp_path}/b:/data:ro"
    result = apptainer("exec", "-B", bound, image, "sh", "-c", "cat a/file /data/file; touch /data/x", cwd=tmp_path)
    assert result.stdout == "of bof b" and result.status != 0


def test_run_obeys_the_run_script(apptainer: Wherry, sandbox: Path, tiny: str) -> None:
    """Of an image of a registry its entry point and command, as Docker combines them."""
    assert apptainer.ok("run", str(sandbox), "a", "b c") == "run: of the image: a b c\n"
    assert apptainer.ok("run", "--app", "foo", str(sandbox), "x") == "app foo x\n"
    assert apptainer.ok("run", f"docker://{tiny}", "echo", "hello") == "hello\n"
    missing = apptainer("run", "--app", "bar", str(sandbox))
    assert missing.status == 255 and "'bar'" in missing.stderr and "foo" in missing.stderr


def test_shell_and_test(apptainer: Wherry, sandbox: Path, tiny: str) -> None:
    """A shell reads standard input; the test script's status is the command's."""
    for image in (str(sandbox), f"docker://{tiny}"):
        assert apptainer.ok("shell", image, stdin="echo in $0; exit\n").startswith("in ")
        assert apptainer.ok("shell", "-s", "/bin/cat", image, stdin="to cat") == "to cat"
    tested = apptainer("test", str(sandbox))
    assert (tested.stdout, tested.status) == ("tested\n", 3)
    assert apptainer("test", f"docker://{tiny}").status == 0


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("exec", "IMAGE", "sh", "-c", "exit 7"), 7, ""),
        (("exec", "IMAGE", "nosuch"), 255, "nosuch"),
        (("exec", "IMAGE", "/etc/passwd"), 255, "/etc/passwd"),
        (("exec", "--nosuch", "IMAGE", "true"), 255, "--nosuch"),
        (("exec", "IMAGE"), 255, "command"),
        (("exec", "/nosuch.sif", "true"), 255, "/nosuch.sif"),
        (("exec", "-B", "/nosuch", "IMAGE", "true"), 255, "/nosuch"),
        (("exec", "--pwd", "/nosuch", "IMAGE", "true"), 255, "/nosuch"),
        (("exec", "--vm", "IMAGE", "true"), 255, "--vm"),
        (("verify", "IMAGE"), 255, "verify"),
        (("nosuch",), 255, "nosuch"),
        (("exec", "library://lolcow", "true"), 255, "library://lolcow"),
    ],
)
def test_statuses(apptainer: Wherry, image: str, words: tuple[str, ...], status: int, said: str) -> None:
    """The command's own, and 255 for whatever could not be done, with its name."""
    result = apptainer(*(image if word == "IMAGE" else word for word in words))
    assert result.status == status and said.lower() in result.stderr.lower(), str(result)
    assert "Traceback" not in result.stderr


def test_a_signal_reaches_the_command(apptainer: Wherry, image: str) -> None:
    """And its end by one is seen outside."""
    command = ["exec", image, "sh", "-c", "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.05; done"]
    with apptainer.start(*command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b"got\n" and process.wait() == 5


def test_a_sandbox_can_be_written(apptainer: Wherry, sandbox: Path, tmp_path: Path, tiny: str) -> None:
    """In place; other images only beside it, in a directory or for the time of the container."""
    copy = tmp_path / "box"
    subprocess.run(["cp", "-a", str(sandbox), str(copy)], check=True)
    apptainer.ok("exec", "--writable", str(copy), "touch", "/made")
    assert (copy / "made").exists() and not (sandbox / "made").exists()
    refused = apptainer("exec", "--writable", f"docker://{tiny}", "true")
    assert refused.status == 255 and "in place" in refused.stderr
    over = tmp_path / "over"
    over.mkdir()
    apptainer.ok("exec", "--overlay", str(over), f"docker://{tiny}", "touch", "/kept")
    assert apptainer.ok("exec", "--overlay", str(over), f"docker://{tiny}", "ls", "/kept") == "/kept\n"
    assert apptainer.ok("exec", "--overlay", f"{over}:ro", str(sandbox), "ls", "/kept") == "/kept\n"
    assert apptainer("exec", str(sandbox), "ls", "/kept").status != 0
    assert apptainer.ok("exec", "--writable-tmpfs", str(sandbox), "sh", "-c", "touch /x; ls /x") == "/x\n"
    assert not (sandbox / "x").exists()


def test_appearing_as_root(apptainer: Wherry, image: str) -> None:
    """With the home directory as root's."""
    (apptainer.folder / "home/mine").write_text("it")
    assert apptainer.ok("exec", "--fakeroot", image, "sh", "-c", "id -u; echo $HOME; cat /root/mine") == "0\n/root\nit"


def test_limits_networks_masks(apptainer: Wherry, image: str) -> None:
    """As options of the container."""
    shown = "ls /sys/class/net; umask"
    found = apptainer.ok("exec", "--net", "--network", "none", "--no-umask", image, "sh", "-c", shown)
    assert found.split()[-1] == "0022"
    assert (
        apptainer.ok("exec", "--hostname", "node-7", image, "sh", "-c", "cat /proc/sys/kernel/hostname") == "node-7\n"
    )
    assert "9.9.9.9" in apptainer.ok("exec", "--dns", "9.9.9.9", image, "cat", "/etc/resolv.conf")


def test_the_hosts_ipc_is_shared_unless_asked_otherwise(apptainer: Wherry, image: str) -> None:
    """As are /dev and with it /dev/shm."""
    own = os.readlink("/proc/self/ns/ipc")
    assert apptainer.ok("exec", image, "ls", "-l", "/proc/self/ns/ipc").strip().endswith(own)
    assert not apptainer.ok("exec", "--ipc", image, "ls", "-l", "/proc/self/ns/ipc").strip().endswith(own)
    assert "loop-control" in apptainer.ok("exec", image, "ls", "/dev") or not Path("/dev/loop-control").exists()
    assert "loop-control" not in apptainer.ok("exec", "-c", image, "ls", "/dev")


def test_a_second_start_needs_no_python(apptainer: Wherry, image: str, tmp_path: Path) -> None:
    """Whatever the variables are by then, wherever it is started."""
    words = ("exec", "--pid", image, "sh", "-c", "echo $X $Y")
    until(lambda: "planning" not in apptainer(*words, env={"WHERRY_EXPLAIN": "plan"}).stderr)
    changed = {"WHERRY_EXPLAIN": "plan", "X": "new", "SINGULARITYENV_Y": "too"}
    result = apptainer(*words, env=changed, cwd=tmp_path)
    assert result.stdout == "new too\n" and result.stderr == ""
    assert "planning anew" in apptainer(*words, env={**changed, "SINGULARITY_BIND": "/usr:/mnt"}).stderr


def test_versions(apptainer: Wherry) -> None:
    """As programs parse them."""
    assert apptainer.ok("--version") == "apptainer version 1.3.6\n" and apptainer.ok("version") == "1.3.6\n"
    singularity = Wherry(apptainer.folder).named("singularity")
    assert singularity.ok("--version") == "singularity-ce version 4.1.5\n"
    assert singularity.ok("--quiet", "--silent", "--nocolor", "--version").startswith("singularity-ce")


def test_inspect(apptainer: Wherry, sandbox: Path, tmp_path: Path) -> None:
    """Labels by default; the peer's JSON with everything."""
    assert apptainer.ok("inspect", str(sandbox)) == "Maintainer: Ada\norg.label-schema.build-arch: amd64\n"
    assert apptainer.ok("inspect", "--list-apps", str(sandbox)) == "foo\n"
    assert apptainer.ok("inspect", "-r", str(sandbox)).startswith('#!/bin/sh\necho "run:')
    found = json.loads(apptainer.ok("inspect", "-e", "-d", "-l", "-r", "-H", "-t", "--json", str(sandbox)))
    assert found["type"] == "container"
    attributes = found["data"]["attributes"]
    assert attributes["labels"]["Maintainer"] == "Ada" and attributes["deffile"].startswith("bootstrap: docker")
    assert attributes["helpfile"] == "How to use it" and attributes["test"].endswith("exit 3")
    assert "GREETING" in attributes["environment"]["/.singularity.d/env/90-environment.sh"]
    everything = json.loads(apptainer.ok("inspect", "--all", str(sandbox)))["data"]["attributes"]
    assert everything["apps"]["foo"]["labels"] == {"APP": "foo"} and "startscript" in everything
    assert apptainer.ok("run-help", str(sandbox)) == "How to use it\n"


def test_instances(apptainer: Wherry, image: str, sandbox: Path) -> None:
    """Started, listed, entered, stopped; the start script ran."""
    name = "box" if image == str(sandbox) else "registry"
    apptainer.ok("instance", "start", "--env", "SET=1", image, name, "once")
    try:
        listed = json.loads(apptainer.ok("instance", "list", "--json"))["instances"]
        mine = [each for each in listed if each["instance"] == name]
        assert mine[0]["img"] == image and mine[0]["pid"] > 0
        assert name in apptainer.ok("instance", "list") and apptainer.ok("instance", "list", "no*").count("\n") == 1
        assert apptainer.ok("exec", f"instance://{name}", "sh", "-c", "echo $SET", env={"X": "y"}) == "1\n"
        apptainer.ok("exec", f"instance://{name}", "sh", "-c", "echo >/tmp/of-$$; true")
        asked = ("exec", "--env", "SET=2", f"instance://{name}", "sh", "-c", "echo $SET $GREETING")
        assert apptainer.ok(*asked, env={"APPTAINERENV_GREETING": "hi"}) == "2 hi\n"
        assert apptainer("exec", f"instance://{name}", "sh", "-c", "exit 4").status == 4
        assert apptainer("exec", f"instance://{name}", "nosuch").status in (127, 255)
        if image == str(sandbox):
            assert apptainer.ok("run", f"instance://{name}", "x") == "run: of the image: x\n"
            started = apptainer.folder / "home/started"
            until(started.exists)
            assert started.read_text() == "started once\n"
    finally:
        begun = time.monotonic()
        apptainer.ok("instance", "stop", name)
    assert time.monotonic() - begun < 8
    assert name not in apptainer.ok("instance", "list", "--json")
    assert apptainer("exec", f"instance://{name}", "true").status == 255
    assert apptainer("instance", "stop", name).status == 255


def test_a_sandbox_is_made_of_any_image(apptainer: Wherry, tiny: str, tmp_path: Path) -> None:
    """With the scripts that say how it is run; not over what is there, unless it is forced."""
    target = tmp_path / "made"
    apptainer.ok("build", "--sandbox", str(target), f"docker://{tiny}")
    assert apptainer.ok("run", str(target), "echo", "hello") == "hello\n"
    assert (target / ".singularity.d/runscript").exists()
    again = apptainer("build", "--sandbox", str(target), f"docker://{tiny}")
    assert again.status == 255 and "exists" in again.stderr
    apptainer.ok("build", "-F", "--sandbox", str(target), str(target))
    assert apptainer.ok("exec", str(target), "echo", "x") == "x\n"


def test_a_definition_file_is_refused_by_name(apptainer: Wherry, tmp_path: Path) -> None:
    """Until images are built."""
    definition = tmp_path / "x.def"
    definition.write_text("Bootstrap: docker\nFrom: debian:12\n")
    result = apptainer("build", str(tmp_path / "x.sif"), str(definition))
    assert result.status == 255 and "x.def" in result.stderr and "definition files" in result.stderr


def test_the_cache_is_the_store(apptainer: Wherry) -> None:
    """Whatever folder the peer's variable names."""
    assert "container file(s)" in apptainer.ok("cache", "list", env={"APPTAINER_CACHEDIR": "/nonexistent"})
    assert apptainer("cache", "clean", "-f").status == 0


def test_help_names_what_is_done_with_each_option(apptainer: Wherry) -> None:
    """Also for verbs that start nothing."""
    assert "refused" in apptainer.ok("exec", "--help") and "--bind" in apptainer.ok("help", "run")
    assert "--sandbox" in apptainer.ok("build", "--help") and "instance start" in apptainer.ok("help")


@pytest.fixture(scope="module")
def sif(apptainer: Wherry, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny image as a SIF file."""
    file = tmp_path_factory.mktemp("sif") / "tiny.sif"
    apptainer.ok("pull", "--name", str(file), f"docker://{tiny}")
    return file


def test_an_image_is_pulled_into_a_file(apptainer: Wherry, tiny: str, tmp_path: Path) -> None:
    """Named after it, or as asked; what is there is replaced only by force."""
    apptainer.ok("pull", f"docker://{tiny}", cwd=tmp_path)
    apptainer.ok("pull", "mine.sif", f"docker://{tiny}", cwd=tmp_path)
    apptainer.ok("pull", "--dir", str(tmp_path), "--name", "other.sif", f"docker://{tiny}")
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(made) == {"tiny_oci.sif", "mine.sif", "other.sif"} and len(set(made.values())) == 1
    again = apptainer("pull", "mine.sif", f"docker://{tiny}", cwd=tmp_path)
    assert again.status == 255 and "'mine.sif' exists" in again.stderr
    apptainer.ok("pull", "--force", "mine.sif", f"docker://{tiny}", cwd=tmp_path)
    assert apptainer("pull", "x.sif", tiny, cwd=tmp_path).status == 255
    wrong = apptainer("pull", "x.sif", "docker://127.0.0.1:1/nosuch", cwd=tmp_path)
    assert wrong.status == 255 and not (tmp_path / "x.sif").exists()


def test_a_file_is_run_where_it_lies(apptainer: Wherry, sif: Path) -> None:
    """By its path, absolute or not; its second start needs no Python."""
    words = ("exec", str(sif), "sh", "-c", "echo $X; touch /x")
    found = apptainer(*words, env={"APPTAINERENV_X": "it"})
    assert found.stdout == "it\n" and "Read-only file system" in found.stderr
    assert apptainer.ok("run", sif.name, "echo", "hello", cwd=sif.parent) == "hello\n"
    until(lambda: "planning" not in apptainer(*words, env={"WHERRY_EXPLAIN": "plan"}).stderr)


def test_a_file_is_turned_into_a_sandbox_and_back(apptainer: Wherry, sif: Path, tmp_path: Path) -> None:
    """As ``build`` does it, and inspected in each form."""
    box, again = tmp_path / "box", tmp_path / "again.sif"
    apptainer.ok("build", "--sandbox", str(box), str(sif))
    apptainer.ok("exec", "--writable", str(box), "touch", "/added")
    apptainer.ok("build", str(again), str(box))
    assert apptainer.ok("exec", str(again), "ls", "/added") == "/added\n"
    for image in (sif, box, again):
        found = json.loads(apptainer.ok("inspect", "--json", "-r", "-d", str(image)))["data"]["attributes"]
        assert found["runscript"].startswith("#!/bin/sh") and "docker" in found["deffile"]


def test_credentials_can_be_given_with_the_command(apptainer: Wherry, tmp_path: Path) -> None:
    """By options or variables, for this command alone; ``registry login`` keeps them."""
    with serve(tmp_path / "locked", users={"ada": "secret"}) as server:
        copy = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--dest-creds", "ada:secret"]
        name = f"docker://{server.address}/closed:1"
        subprocess.run([*copy, f"oci:{images.image('tiny')}:latest", name], check=True)
        apart = Wherry(tmp_path / "apart").named("apptainer")
        refused = apart("pull", "a.sif", name, cwd=tmp_path)
        assert refused.status == 255 and not (tmp_path / "a.sif").exists()
        given = {"APPTAINER_DOCKER_USERNAME": "ada", "APPTAINER_DOCKER_PASSWORD": "secret"}
        assert apart.ok("exec", name, "echo", "hello", env=given) == "hello\n"
        apart.ok("pull", "--docker-username", "ada", "--docker-password", "secret", "a.sif", name, cwd=tmp_path)
        assert apart("pull", "b.sif", name, cwd=tmp_path).status == 255
        login = ("registry", "login", "-u", "ada", "--password-stdin", f"docker://{server.address}")
        apart.ok(*login, stdin="secret\n")
        apart.ok("pull", "b.sif", name, cwd=tmp_path)
        apart.ok("registry", "logout", f"docker://{server.address}")
        assert apart("pull", "c.sif", name, cwd=tmp_path).status == 255
    assert not list((apart.folder / "run").rglob("auth-*"))


@pytest.mark.parametrize("engine", ["proot", "site"])
def test_without_namespaces(apptainer: Wherry, tiny: str, sif: Path, engine: str) -> None:
    """The same words, by another engine; what that cannot do is refused with its name."""
    given = {"WHERRY_RUN_ENGINE": engine, "SINGULARITYENV_A": "b"}
    home = apptainer.folder / "home"
    for image in (f"docker://{tiny}", str(sif)):
        script = f"echo $A $HOME; pwd; echo x >$HOME/by-{engine}; touch /bin/x"
        found = apptainer("exec", image, "sh", "-c", script, env=given)
        assert found.stdout == f"b {home}\n{home}\n" and found.status != 0, str(found)
        assert (home / f"by-{engine}").read_text() == "x\n"
        shown = apptainer.ok("exec", "--contain", image, "sh", "-c", f"ls {home} /tmp/pytest*; echo $HOME", env=given)
        assert f"by-{engine}" not in shown and shown.endswith(f"{home}\n")
        refused = apptainer("exec", "--net", "--network", "none", image, "true", env=given)
        assert refused.status == 255 and engine in refused.stderr


def test_a_file_can_be_executed(apptainer: Wherry, sif: Path) -> None:
    """Its first line names ``run-singularity``, as those of the peers do."""
    named = Wherry(apptainer.folder).named("run-singularity")
    assert named.ok(str(sif), "echo", "hello") == "hello\n"
    sif.chmod(0o755)
    done = subprocess.run([str(sif), "echo", "again"], env=named.environment, capture_output=True, text=True)
    assert done.stdout == "again\n", done.stderr


def test_files_in_registries_and_on_web_servers(
    apptainer: Wherry, sif: Path, registry: RegistryServer, tmp_path: Path
) -> None:
    """Sent, pulled and run by ``oras://``; pulled by the address of a file."""
    place = f"oras://{registry.address}/lab/file:1"
    apptainer.ok("push", str(sif), place)
    apptainer.ok("pull", "back.sif", place, cwd=tmp_path)
    assert (tmp_path / "back.sif").read_bytes() == sif.read_bytes()
    assert apptainer.ok("exec", place, "echo", "hello") == "hello\n"
    assert apptainer("push", str(sif), f"docker://{registry.address}/x").status == 255
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sif.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        apptainer.ok("pull", "web.sif", f"{address}/{sif.name}", cwd=tmp_path)
        assert (tmp_path / "web.sif").read_bytes() == sif.read_bytes()
        wrong = apptainer("pull", "w.sif", f"{address}/{sif.name}#sha256={'0' * 64}", cwd=tmp_path)
        assert wrong.status == 255 and not list(tmp_path.glob("w.sif*"))
        assert apptainer("pull", "no.sif", f"{address}/nosuch", cwd=tmp_path).status == 255
        server.shutdown()


def test_images_in_other_forms(apptainer: Wherry, sif: Path, tmp_path: Path) -> None:
    """Archives and layouts by their schemes; a squashfs alone, whatever it is called."""
    plain = Wherry(apptainer.folder)
    digest = plain.ok("images", "-q").split()[0]
    plain.ok("tag", digest, "forms:1")
    for form in ("docker-archive", "oci-archive", "oci"):
        plain.ok("save", "-q", "--format", form, "-o", str(tmp_path / form), "forms:1")
        assert apptainer.ok("exec", f"{form}:{tmp_path / form}", "echo", form) == f"{form}\n"
    plain.ok("pack", "forms:1", str(tmp_path / "x.sqfs"))
    (tmp_path / "x.sqfs").rename(tmp_path / "x.img")
    assert apptainer.ok("run", str(tmp_path / "x.img"), "echo", "hello") == "hello\n"
    apptainer.ok("build", str(tmp_path / "y.sif"), f"oci-archive:{tmp_path}/oci-archive")
    assert apptainer.ok("exec", str(tmp_path / "y.sif"), "echo", "hello") == "hello\n"


def test_a_terminal_where_all_streams_are_one(apptainer: Wherry, image: str, tmp_path: Path) -> None:
    """So that a shell has job control; a stream that is redirected stays apart."""
    line = f"apptainer exec {image} sh -c 'test -t 0 && test -t 1 && test -t 2 && echo all'"
    environment = {**apptainer.environment, "SHELL": "/bin/sh"}
    words = ["script", "-qec", line, "/dev/null"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, env=environment, capture_output=True, text=True, timeout=60)
    assert "all\n" in done.stdout
    apart = ["script", "-qec", f"apptainer exec {image} sh -c 'echo err >&2; echo out' 2>{tmp_path}/err", "/dev/null"]
    done = subprocess.run(apart, stdin=subprocess.DEVNULL, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.endswith("out\n") and "err" not in done.stdout and (tmp_path / "err").read_text() == "err\n"
