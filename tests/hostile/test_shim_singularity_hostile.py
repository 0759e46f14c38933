"""Bad input to the ``apptainer`` shim: a clear error and 255, or what the peer does; never a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sif_files import partition, sif_of
from wherry.containers import remove_tree
from wherry_command import Result, Wherry


@pytest.fixture(scope="module")
def apptainer(tmp_path_factory: pytest.TempPathFactory) -> Wherry:
    return Wherry(tmp_path_factory.mktemp("hostile")).named("apptainer")


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A sandbox with a static busybox, to be spoiled."""
    folder = tmp_path / "box"
    (folder / "bin").mkdir(parents=True)
    shutil.copy("/usr/bin/busybox", folder / "bin/busybox")
    for name in ("sh", "cat", "echo", "true", "env"):
        (folder / "bin" / name).symlink_to("busybox")
    (folder / ".singularity.d/env").mkdir(parents=True)
    return folder


def told(result: Result) -> bool:
    """Whether it failed as it should."""
    return result.status == 255 and result.stderr.startswith("wherry: ") and "Traceback" not in result.stderr


def script(path: Path, text: str | bytes, mode: int = 0o755) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)


@pytest.mark.parametrize(
    "words",
    [
        (), ("exec",), ("exec", "--bind"), ("exec", "--env", "", "IMAGE", "true"), ("exec", "-B", ":", "IMAGE", "true"),
        ("exec", "-B", "\n", "IMAGE", "true"), ("exec", "--pid=perhaps", "IMAGE", "true"), ("exec", "", "true"),
        ("exec", "--home", "", "--overlay", "", "IMAGE", "false"), ("exec", "--cpus", "nan", "IMAGE", "true"),
        ("exec", "-zzz", "IMAGE", "true"), ("run", "--app", "../../bin", "IMAGE"), ("exec", "instance://", "true"),
        ("run", "--app", "x'; echo gone; '", "IMAGE"), ("instance", "start", "IMAGE", "../name"), ("instance",),
        ("instance", "stop", "nosuch"), ("instance", "start", "IMAGE"), ("pull", "docker://"), ("pull", "https://"),
        ("pull", "x.sif", "docker://UPPER CASE"), ("build", "x.sif", "nosuch.def"), ("inspect", "/etc/passwd"),
        ("push", "/etc/passwd", "oras://127.0.0.1:1/x:1"), ("cache", "nosuch"), ("--config",), ("--nosuch", "exec"),
    ],
)  # fmt: skip
def test_words_that_make_no_sense(apptainer: Wherry, box: Path, words: tuple[str, ...], tmp_path: Path) -> None:
    """Are told, and nothing is made."""
    result = apptainer(*(str(box) if word == "IMAGE" else word for word in words), cwd=tmp_path)
    if words in ((), ("exec", "--home", "", "--overlay", "", "IMAGE", "false"), ("exec", "--env", "", "IMAGE", "true")):
        assert "Traceback" not in result.stderr
    else:
        assert told(result), str(result)
    assert not list(tmp_path.glob("x.sif*")) and "gone" not in result.stdout.splitlines()


@pytest.mark.parametrize("kind", ["empty", "text", "torn", "folder", "fifo", "unreadable", "loop"])
def test_files_that_are_no_images(apptainer: Wherry, tmp_path: Path, kind: str) -> None:
    """Whatever their names say."""
    path = tmp_path / "x.sif"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("Bootstrap: docker\n")
    elif kind == "torn":
        path.write_bytes(sif_of([partition(b"hsqs" + bytes(6000))])[:5000])
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "unreadable":
        path.write_text("")
        path.chmod(0)
    else:
        path.symlink_to(path)
    for verb in ("exec", "inspect"):
        words = (verb, str(path), "true") if verb == "exec" else (verb, str(path))
        assert told(apptainer(*words, timeout=20)), kind


def test_what_an_image_says_of_itself_may_be_nonsense(apptainer: Wherry, box: Path) -> None:
    """Labels that are no JSON, texts that are no text, folders where files are expected, links out of the image."""
    (box / ".singularity.d/labels.json").write_bytes(b'{"a": \xff\xfe')
    script(box / ".singularity.d/runscript.help", b"\xff\xfe\x00")
    (box / ".singularity.d/test").mkdir()
    (box / ".singularity.d/startscript").symlink_to("/etc/passwd")
    (box / ".singularity.d/Singularity").symlink_to("../../../../../../etc/shadow")
    (box / "scif/apps/odd/scif").mkdir(parents=True)
    (box / "scif/apps/odd/scif/labels.json").write_text("[1, 2]")
    result = apptainer("inspect", "--all", str(box))
    assert result.status == 0 and "root:" not in result.stdout, str(result)
    assert apptainer("test", str(box)).status in (0, 126)


def test_environment_scripts_that_go_wrong(apptainer: Wherry, box: Path) -> None:
    """Are the image's own business; they reach nothing outside."""
    folder = box / ".singularity.d/env"
    script(folder / "10-a.sh", "exit 9\n")
    assert apptainer("exec", str(box), "true").status == 9
    script(folder / "10-a.sh", "if then\n")
    broken = apptainer("exec", str(box), "true")
    assert broken.status != 0 and "Traceback" not in broken.stderr
    (folder / "10-a.sh").unlink()
    (folder / "20-b.sh").symlink_to("/nosuch")
    (folder / "30-c.sh").mkdir()
    script(folder / "40-d.sh", "GREETING=unexported\nIFS=xyz\n")
    found = apptainer.ok("exec", str(box), "sh", "-c", "echo $0 $G", env={"APPTAINERENV_G": "a b"})
    assert found == "sh a b\n"


def test_variables_of_any_bytes_and_names(apptainer: Wherry, box: Path) -> None:
    """Values come through; names that no shell could set are passed over; nothing of them is executed."""
    command = [str(apptainer.program), "exec", str(box), "/bin/sh", "-c", 'printf %s "$A"']
    names = {
        b"APPTAINERENV_A;echo gone": b"1",
        b"SINGULARITYENV_1": b"x",
        b"APPTAINERENV_": b"y",
        b"APPTAINERENV_$(gone)": b"",
    }
    environment = {os.fsencode(name): os.fsencode(value) for name, value in apptainer.environment.items()}
    given = {**environment, **names, b"APPTAINERENV_A": b"\xff\n$(echo gone)`echo gone`'\"\\"}
    done = subprocess.run(command, env=given, capture_output=True)
    assert done.stdout == given[b"APPTAINERENV_A"] and done.returncode == 0, done.stderr


def test_an_instance_of_a_name_that_is_taken(apptainer: Wherry, box: Path) -> None:
    """Is refused while it runs; afterwards the name is free."""
    apptainer.ok("instance", "start", str(box), "one")
    try:
        assert told(apptainer("instance", "start", str(box), "one"))
        assert told(apptainer("instance", "start", "--pid-file", "/nosuch/pid", str(box), "two"))
    finally:
        apptainer.ok("instance", "stop", "--all")
    apptainer.ok("instance", "start", str(box), "one")
    apptainer.ok("instance", "stop", "one")
    assert apptainer.ok("instance", "list", "--json").split() == ["{", '"instances":', "[]", "}"]


def test_a_sandbox_is_replaced_whatever_is_in_it(apptainer: Wherry, box: Path, tmp_path: Path) -> None:
    """Directories without a write bit, and more of them below each other than calls nest."""
    old = tmp_path / "old"
    old.mkdir()
    try:
        descriptor = os.open(old, os.O_RDONLY)
        for _ in range(1100):
            os.mkdir("d", dir_fd=descriptor)
            inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        os.close(descriptor)
        (old / "d").chmod(0o555)
        apptainer.ok("build", "--force", "--sandbox", str(old), str(box))
        assert (old / "bin/busybox").exists() and not (old / "d").exists()
    finally:
        remove_tree(str(old))  # pytest cannot


@pytest.mark.parametrize("labels", ["[" * 100_000, '{"a": ' + "[" * 100_000, '{"a": "\\ud800", "\\udfff": 1}'])
def test_labels_that_cannot_be_shown(apptainer: Wherry, box: Path, labels: str) -> None:
    """Are left out, or shown as well as can be."""
    (box / ".singularity.d/labels.json").write_text(labels)
    shown = apptainer.ok("inspect", str(box))
    assert shown == ("?: 1\na: ?\n" if "ud800" in labels else "")
