"""Images as other tools and odd recipes make them: buildah's, a layout packed by tar, hundreds of layers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from layers import directory, file, symlink, tar_of, whiteout, write_layout
from wherry_command import Wherry, installed

_BUSYBOX = Path("/bin/busybox")


def _base() -> bytes:
    links = [symlink(f"bin/{name}", "busybox") for name in ("sh", "cat", "ls", "stat")]
    return tar_of([directory("tmp", mode=0o1777), file("bin/busybox", _BUSYBOX.read_bytes(), mode=0o755), *links])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One image, made by buildah as an ordinary user, as both kinds of archive."""
    folder = tmp_path_factory.mktemp("buildah")
    (folder / "run").mkdir(mode=0o700)
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "run")}
    words = ["buildah", "--root", f"{folder}/root", "--runroot", f"{folder}/runroot", "--storage-driver", "vfs"]

    def buildah(*arguments: str) -> str:
        done = subprocess.run([*words, *arguments], env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    (folder / "said").write_text("by buildah\n")
    container = buildah("from", "scratch")
    buildah("copy", container, str(_BUSYBOX), "/bin/busybox")
    buildah("copy", container, str(folder / "said"), "/said")
    buildah("config", "--entrypoint", '["/bin/busybox"]', "--cmd", "cat /said", "--env", "FROM=buildah", container)
    buildah("commit", "--format", "oci", container, f"oci-archive:{folder}/oci.tar:lab:oci")
    buildah("commit", "--format", "docker", container, f"docker-archive:{folder}/docker.tar:lab:docker")
    buildah("rm", container)
    return {"oci": folder / "oci.tar", "docker": folder / "docker.tar"}


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_an_image_that_buildah_made_runs_and_is_given_back(
    wherry: Wherry, built: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    path = str(built[kind])
    assert wherry.ok("run", path) == "by buildah\n"
    assert "FROM=buildah\n" in wherry.ok("run", path, "env")
    wherry.ok("load", path)
    name = wherry.ok("images", "--format", "{{.Repository}}:{{.Tag}}", f"lab:{kind}").strip()
    wherry.ok("save", "-o", str(tmp_path / "back.tar"), name)
    wherry.ok("rmi", name)
    assert wherry.ok("run", str(tmp_path / "back.tar")) == "by buildah\n"


def test_a_layout_that_tar_packed_with_its_folder_is_an_image(wherry: Wherry, tmp_path: Path) -> None:
    """``tar -C layout -cf x.tar .`` begins with the folder itself."""
    layout = write_layout(tmp_path / "layout", [_base()], config={"Env": ["PATH=/bin"]})
    subprocess.run(["tar", "-C", layout, "-cf", tmp_path / "bare.tar", "."], check=True)
    assert wherry.ok("run", "bare.tar", "sh", "-c", "echo runs", cwd=tmp_path) == "runs\n"
    subprocess.run(["tar", "-C", tmp_path, "-cf", tmp_path / "other.tar", "./layout"], check=True)
    assert "docker save" in wherry("run", "./other.tar", cwd=tmp_path).stderr


def test_a_program_is_said_to_be_no_image_and_what_would_be_one(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "kepler.py").write_text("print(1)\n" * 100)
    told = wherry("run", "./kepler.py", cwd=tmp_path)
    assert told.status == 125
    assert "kepler.py' is not an image" in told.stderr and "'docker save'" in told.stderr


def test_who_reads_the_beginning_of_a_saved_image_is_told_nothing(seeded: Wherry) -> None:
    """As any program does that SIGPIPE ends."""
    script = f"'{installed()}' save tiny | head -c 100 >/dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], env=seeded.environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_an_image_of_more_layers_than_the_kernel_lays_over_each_other_runs(wherry: Wherry, tmp_path: Path) -> None:
    """The lowest are shown as one; what each layer adds, hides and opens is there, and survives 'prune'."""
    count = 600
    tars = [_base(), tar_of([file("gone"), directory("drop", mode=0o1777)])]
    tars += [tar_of([file(f"n/{number:03}", b"%d\n" % number)]) for number in range(count - 4)]
    tars += [tar_of([whiteout("gone")]), tar_of([whiteout("n/000"), file("n/001", b"changed\n")])]
    layout = str(write_layout(tmp_path / "many", tars, config={"Env": ["PATH=/bin"]}))
    script = "ls /n | busybox wc -l; cat /n/001 /n/300; ls /gone 2>&1; stat -c %a /drop /tmp; echo >/n/new && ls /n/new"
    expected = f"{count - 5}\nchanged\n300\nls: /gone: No such file or directory\n1777\n1777\n/n/new\n"
    assert wherry.ok("run", layout, "sh", "-c", script) == expected
    wherry.ok("prune", "-f")
    assert wherry.ok("run", layout, "sh", "-c", script) == expected
