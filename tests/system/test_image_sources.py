"""Images from wherever people have them, as they type it: run in place or taken in once, loaded, copied, exported."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

import images
from docker_daemon import Docker
from layers import directory, file, make_removable, tar_of
from packed_files import squashfs_of_tiny
from registry_server import RegistryServer
from wherry_command import Wherry

ID = ("cat", "/etc/os-release")


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        self.server.asked.append((self.command, self.path))  # type: ignore[attr-defined]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path, list[tuple[str, str]]]]:
    """A web server's address, its folder, and what it was asked."""
    folder = tmp_path / "web"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=folder)) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder, server.asked  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny image in each form, under names that say nothing."""
    folder = tmp_path_factory.mktemp("forms")
    store = Wherry(tmp_path_factory.mktemp("making"))
    store.ok("load", "-q", f"{images.image('tiny')}")
    digest = store.ok("images", "-q", "--no-trunc").strip()
    store.ok("tag", digest, "tiny:1")
    for form in ("docker-archive", "oci-archive", "oci", "dir"):
        store.ok("save", "-q", "--format", form, "-o", str(folder / f"a-{form}"), "tiny:1")
    store.ok("export", "-q", "-o", str(folder / "a-root"), "tiny:1")
    (folder / "a-root-packed").write_bytes(gzip.compress((folder / "a-root").read_bytes(), 1))
    (folder / "a-folder").mkdir()
    subprocess.run(["tar", "-xf", str(folder / "a-root"), "-C", str(folder / "a-folder")], check=True)
    return folder


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["docker-archive", "oci-archive", "root", "root-packed"])
def test_a_file_runs_by_its_bare_name_and_is_read_once(wherry: Wherry, forms: Path, name: str) -> None:
    for engine in ("namespace", "proot", "namespace"):
        assert "ID=tiny" in wherry.ok("run", "--engine", engine, f"a-{name}", *ID, cwd=forms)
    assert wherry.ok("run", f"{forms}/a-{name}", "echo", "hello") == "hello\n"
    assert len(list((wherry.folder / "store" / "images").iterdir())) == 1


@pytest.mark.parametrize("name", ["oci", "dir", "folder"])
def test_a_folder_runs_with_its_slash(wherry: Wherry, forms: Path, name: str) -> None:
    for _ in range(2):
        assert "ID=tiny" in wherry.ok("run", f"a-{name}/", *ID, cwd=forms)


@pytest.mark.parametrize(
    "source",
    [
        *("oci:a-oci", "oci:a-oci:1", "oci-archive:a-oci-archive", "docker-archive:a-docker-archive:tiny:1"),
        *("docker-archive:a-docker-archive:@0", "dir:a-dir", "file://{forms}/a-root"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "create", "inspect", "history", "export"])
def test_a_transport_is_taken_wherever_an_image_is_named(wherry: Wherry, forms: Path, source: str, verb: str) -> None:
    words = {"run": ID, "create": ID}.get(verb, ())
    result = wherry(verb, source.format(forms=forms), *words, cwd=forms)
    assert result.status == 0, str(result)
    assert {"run": "ID=tiny", "inspect": '"/bin/sh"', "export": "ID=tiny"}.get(verb, "") in result.stdout


def test_a_transport_insists_on_its_form(wherry: Wherry, forms: Path) -> None:
    result = wherry("run", "oci:a-dir", "true", cwd=forms)
    assert result.status == 125 and "is not what it says" in result.stderr
    missing = wherry("run", "docker-archive:a-docker-archive:other:2", "true", cwd=forms)
    assert missing.status == 125 and "holds no image 'other:2'" in missing.stderr and "tiny:1" in missing.stderr


def test_a_file_of_several_images_wants_a_choice(wherry: Wherry, forms: Path, layered: str) -> None:
    wherry.ok("load", "-q", "-i", str(forms / "a-docker-archive"))
    wherry.ok("pull", "-q", layered)
    wherry.ok("save", "-q", "-o", "both", "tiny:1", layered)
    refused = wherry("run", "./both", "true")
    assert refused.status == 125 and "holds 2 images" in refused.stderr and "tiny:1" in refused.stderr
    assert "ID=tiny" in wherry.ok("run", "docker-archive:both:tiny:1", *ID)
    lines = Wherry(wherry.folder / "other").ok("load", "-i", str(wherry.folder / "home" / "both")).splitlines()
    assert lines == ["loaded: docker.io/library/tiny:1", f"loaded: {layered}"]


def test_a_dry_run_takes_nothing_in(wherry: Wherry, forms: Path, web: tuple[str, Path, list[object]]) -> None:
    address, folder, asked = web
    shutil.copy(forms / "a-root", folder / "image")
    url = f"{address}/image#sha256={sha256(folder / 'image')}"
    for source in ("a-docker-archive", "./a-root", "oci:a-oci", "a-dir/", url):
        assert "would pull" in wherry.ok("run", "--dry-run", source, "true", cwd=forms)
        assert "is not an image" in wherry("run", "--dry-run", "/etc/passwd", "true").stderr
    assert not (wherry.folder / "store" / "images").exists() and asked == []
    wherry.ok("run", "./a-root", "true", cwd=forms)
    assert "would pull" not in wherry.ok("run", "--dry-run", "./a-root", "true", cwd=forms)
    assert "PATH" in wherry.ok("inspect", "--env", "a-oci-archive", cwd=forms)


def test_a_changed_file_is_read_again(wherry: Wherry, forms: Path) -> None:
    place = wherry.folder / "home" / "image"
    shutil.copy(forms / "a-root", place)
    os.utime(place, (1, 1))
    wherry.ok("run", "./image", "true")
    extra = tar_of([file("etc/new", b"news\n")])
    with tarfile.open(place, "a") as tar:
        tar.addfile(tarfile.TarInfo("etc/new"), BytesIO())
    subprocess.run(["tar", "--delete", "-f", str(place), "etc/new"], check=True)
    (place.parent / "more").write_bytes(extra)
    subprocess.run(["tar", "-Af", str(place), str(place.parent / "more")], check=True)
    assert wherry.ok("run", "./image", "cat", "/etc/new") == "news\n"


@pytest.mark.parametrize("name", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_is_loaded(wherry: Wherry, forms: Path, name: str, pack: type[bytes]) -> None:
    result = wherry("load", stdin=pack((forms / f"a-{name}").read_bytes()))
    assert (result.status, result.stdout) == (0, "loaded: docker.io/library/tiny:1\n")


def test_standard_input_has_no_path(wherry: Wherry, tmp_path: Path) -> None:
    """What is kept for the time is not what an image is called after that, nor what is advised."""
    wherry.ok("pack", "-q", f"{images.image('tiny')}/", str(tmp_path / "tiny.sif"))
    loaded = wherry("load", stdin=(tmp_path / "tiny.sif").read_bytes())
    assert re.fullmatch(r"loaded: standard-input@sha256:[0-9a-f]{64}\n", loaded.stdout), str(loaded)
    assert "standard-input" in wherry.ok("images", "--format", "{{.Repository}}").split()
    root = wherry("load", stdin=tar_of([file("etc/name", b"root\n")]))
    assert (root.status, "next: wherry import - NAME" in root.stderr) == (125, True), str(root)


def test_what_is_no_image_is_called_what_it_is(wherry: Wherry, forms: Path) -> None:
    home = wherry.folder / "home"
    (home / "page.sif").write_text("<!DOCTYPE html><title>502")
    (home / "pointer.tar").write_text("version https://git-lfs.github.com/spec/v1\n")
    for verb in (("run", "./{}", "true"), ("load", "-i", "{}"), ("import", "{}")):
        for name, words in (("page.sif", "web page"), ("pointer.tar", "git lfs pull")):
            result = wherry(*(word.format(name) for word in verb))
            assert result.status == 125 and words in result.stderr and name in result.stderr, str(result)
    bare = wherry("run", "--pull", "never", "page.sif", "true")
    assert "web page" in bare.stderr and "read as an image's name" in bare.stderr
    root = wherry("load", "-i", str(forms / "a-root"))
    assert root.status == 125 and "next: wherry import" in root.stderr
    image = wherry("import", str(forms / "a-oci"))
    assert image.status == 125 and "wherry load" in image.stderr
    assert wherry.ok("images", "-q") == ""


def test_a_url_with_a_checksum_is_fetched_once(
    wherry: Wherry, forms: Path, web: tuple[str, Path, list[object]]
) -> None:
    address, folder, asked = web
    for name in ("a-docker-archive", "a-root-packed"):
        shutil.copy(forms / name, folder / name)
        asked.clear()
        url = f"{address}/{name}#sha256={sha256(folder / name)}"
        for words in (("run", url, *ID), ("run", "-w", "/", url, *ID), ("inspect", url)):
            wherry.ok(*words)
        assert len(asked) == 1
        (folder / name).unlink()
        assert "ID=tiny" in wherry.ok("run", "--hostname", "x", url, *ID)
    assert not list((wherry.folder / "store" / "partial").iterdir())


def test_many_who_want_one_file_fetch_it_once(wherry: Wherry, forms: Path, web: tuple[str, Path, list[object]]) -> None:
    address, folder, asked = web
    shutil.copy(forms / "a-docker-archive", folder / "image")
    url = f"{address}/image#sha256={sha256(folder / 'image')}"
    starts = [wherry.start("run", url, *ID, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    results = [(start.communicate()[0], start.returncode) for start in starts]
    assert all(status == 0 and b"ID=tiny" in out for out, status in results)
    assert len(asked) == 1


def test_a_url_without_a_checksum_is_told_its_own(
    wherry: Wherry, forms: Path, web: tuple[str, Path, list[object]]
) -> None:
    address, folder, asked = web
    shutil.copy(forms / "a-docker-archive", folder / "image")
    for words in (("run", f"{address}/image", "true"), ("load", f"{address}/image")):
        refused = wherry(*words)
        assert refused.status == 125 and sha256(folder / "image") in refused.stderr
    assert wherry.ok("images", "-q") == ""
    asked.clear()
    (url,) = (word for word in refused.stderr.replace("'", " ").split() if "#sha256=" in word)
    assert wherry.ok("load", url) == "loaded: docker.io/library/tiny:1\n"
    assert asked == []  # what had come already is used


def test_a_download_goes_on_where_it_broke(wherry: Wherry, forms: Path, web: tuple[str, Path, list[object]]) -> None:
    """A server that knows no ranges gives it from the beginning; both end in the same image."""
    address, folder, _ = web
    shutil.copy(forms / "a-root-packed", folder / "image")
    digest = sha256(folder / "image")
    partial = wherry.folder / "store" / "partial"
    wherry.ok("images")
    partial.mkdir(parents=True, exist_ok=True)
    for begun in ((folder / "image").read_bytes()[:5000], b"something else" * 99):
        (partial / digest).write_bytes(begun)
        assert "/bin/sh" in wherry.ok("inspect", f"{address}/image#sha256={digest}")
        shutil.rmtree(wherry.folder / "store" / "files")


def test_a_checksum_holds_for_files_too(wherry: Wherry, forms: Path) -> None:
    path = forms / "a-docker-archive"
    wherry.ok("load", "--checksum", f"sha256:{sha256(path)}", "-i", str(path))
    wrong = wherry("import", "--checksum", "0" * 64, str(forms / "a-root"))
    assert wrong.status == 125 and sha256(forms / "a-root") in wrong.stderr
    assert "is not a checksum" in wherry("load", "--checksum", "md5:1", "-i", str(path)).stderr


def test_an_import_is_told_what_it_runs(wherry: Wherry, forms: Path) -> None:
    changes = ("-c", 'CMD ["cat", "/etc/os-release"]', "--change", "ENV A=1 B='b c'", "-c", "WORKDIR /etc")
    digest = wherry.ok("import", "-q", *changes, "-m", "by hand", str(forms / "a-root"), "lab:1").strip()
    assert "ID=tiny" in wherry.ok("run", "lab:1")
    assert wherry.ok("run", "lab:1", "sh", "-c", "echo $A,$B,$PWD") == "1,b c,/etc\n"
    assert "by hand" in wherry.ok("history", "lab:1")
    piped = wherry(
        "import", "-q", *changes, "-m", "by hand", "-", "lab:2", stdin=(forms / "a-root-packed").read_bytes()
    )
    folder = wherry.ok("import", "-q", *changes, "-m", "by hand", str(forms / "a-folder"), "lab:3")
    assert piped.stdout.strip() == digest
    assert "ID=tiny" in wherry.ok("run", "lab:3") and folder != digest  # times and owners of directories are its own
    refused = wherry("import", "-c", "RUN make", str(forms / "a-root"))
    assert refused.status == 125 and "RUN make" in refused.stderr


def test_any_tar_is_imported(wherry: Wherry) -> None:
    tar = tar_of([directory("opt"), file("opt/hello", b"hello\n")])
    digest = wherry("import", "-q", "-", stdin=tar).stdout.strip()
    with tarfile.open(fileobj=BytesIO(wherry.ok("export", digest).encode())) as exported:
        assert "opt/hello" in exported.getnames()


def test_a_container_goes_out_as_a_tar_and_comes_in_again(wherry: Wherry, layered: str) -> None:
    script = (
        "echo new > /etc/new; rm /etc/os-release; rm -r /data; mkdir /data; ln -s x /data/link; chmod 4750 /etc/new"
    )
    wherry.ok("run", "--name", "lab", layered, "sh", "-c", script)
    wherry.ok("export", "lab", "-o", "root.tar")
    with tarfile.open(wherry.folder / "home" / "root.tar") as tar:
        found = {member.name: member for member in tar}
    assert found["etc/new"].mode == 0o4750 and found["etc/new"].uid == 0
    assert found["owned"].uid == 1000 and found["dev/null-of-the-image"].ischr()
    assert "etc/os-release" not in found and {name for name in found if name.startswith("data/")} == {"data/link"}
    wherry.ok("import", "-q", "root.tar", "again:1")
    assert wherry.ok("run", "again:1", "cat", "/etc/new") == "new\n"
    assert wherry.ok("export", "--output=-", "lab").encode("utf-8", "surrogateescape")[:5] == b"becom"
    missing = wherry("export", "nobody")
    assert missing.status == 125 and "no container and no image 'nobody'" in missing.stderr


def test_an_export_by_an_engine_without_overlay_has_the_changes(wherry: Wherry, tiny: str) -> None:
    wherry.ok("run", "--engine", "proot", "--writable-copy", "--name", "lab", tiny, "sh", "-c", "echo new > /etc/new")
    wherry.ok("export", "-q", "-o", "root.tar", "lab")
    with tarfile.open(wherry.folder / "home" / "root.tar") as tar:
        assert tar.extractfile("etc/new").read() == b"new\n"  # type: ignore[union-attr]


@pytest.mark.parametrize("target", ["oci:out:v1", "oci-archive:out:v1", "docker-archive:out:lab:v1", "dir:out"])
def test_an_image_is_pushed_where_a_transport_says(wherry: Wherry, forms: Path, target: str) -> None:
    name = "docker-archive:" + str(forms / "a-docker-archive")
    said = wherry.ok("push", name, target)
    assert said.startswith(f"{target}: sha256:")
    assert "ID=tiny" in wherry.ok("run", target, *ID)
    copy = ["skopeo", "copy", "-q", "--insecure-policy", target, f"oci:{wherry.folder}/theirs:x"]
    subprocess.run(copy, check=True, capture_output=True, cwd=wherry.folder / "home")


def test_a_file_is_pushed_to_a_registry(wherry: Wherry, forms: Path, registry: RegistryServer) -> None:
    target = f"docker://{registry.address}/from/file:1"
    wherry.ok("push", "-q", str(forms / "a-oci-archive"), target)
    other = Wherry(wherry.folder / "other")
    assert "ID=tiny" in other.ok("run", target, *ID)
    assert other.ok("pull", "-q", target) == other.ok("pull", "-q", target.removeprefix("docker://"))


def test_docker_loads_what_is_saved_and_gives_its_own(wherry: Wherry, forms: Path, docker: Docker) -> None:
    docker.load(forms / "a-docker-archive")
    try:
        assert "tiny:1" in docker("images", "--format", "{{.Repository}}:{{.Tag}}")
        variables = {"DOCKER_HOST": docker.address}
        assert "ID=tiny" in wherry.ok("run", "docker-daemon:tiny:1", *ID, env=variables)
        assert wherry.ok("pull", "-q", "docker-daemon:tiny:1", env=variables)
        wherry.ok("push", "-q", "tiny:1", "docker-daemon:pushed:2", env=variables)
        assert "pushed:2" in docker("images", "--format", "{{.Repository}}:{{.Tag}}")
        missing = wherry("run", "docker-daemon:nothing:1", "true", env=variables)
        assert missing.status == 125 and "nothing:1" in missing.stderr
    finally:
        docker("rmi", "--force", "tiny:1", "pushed:2")


def test_podman_loads_what_is_saved_and_gives_its_own(wherry: Wherry, forms: Path, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path / "podman"), "XDG_DATA_HOME": str(tmp_path / "podman")}
    variables = {**wherry.environment, **home, "STORAGE_DRIVER": "vfs"}

    def podman(*words: str) -> str:
        done = subprocess.run(["podman", *words], env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    (tmp_path / "podman").mkdir()
    try:
        for form in ("docker-archive", "oci-archive"):
            podman("load", "-q", "-i", str(forms / f"a-{form}"))
            assert "docker.io/library/tiny:1" in podman("images", "--format", "{{.Repository}}:{{.Tag}}")
        given = {name: variables[name] for name in (*home, "STORAGE_DRIVER")}
        assert "ID=tiny" in wherry.ok("run", "containers-storage:docker.io/library/tiny:1", *ID, env=given)
    finally:
        subprocess.run(["podman", "system", "reset", "--force"], env=variables, capture_output=True, check=False)
        make_removable(tmp_path / "podman")


def test_a_packed_file_runs_wherever_it_is(wherry: Wherry, tmp_path: Path, web: tuple[str, Path, list[object]]) -> None:
    address, folder, asked = web
    squashfs_of_tiny(folder / "image")
    url = f"{address}/image#sha256={sha256(folder / 'image')}"
    for words in (("run", url, *ID), ("run", "-w", "/", url, *ID), ("run", "--engine", "namespace", url, *ID)):
        assert "ID=tiny" in wherry.ok(*words)
    assert len(asked) == 1
    assert not (wherry.folder / "store" / "layers").exists()  # it is mounted, not unpacked
    wherry.ok("prune", "-f")
    assert "ID=tiny" in wherry.ok("run", "--hostname", "x", url, *ID) and len(asked) == 1
    for name in (f"{folder}/image", "docker-archive:out:lab:1"):
        wherry.ok("tag", name, "lab:1")
        assert "ID=tiny" in wherry.ok("run", "lab:1", *ID)
        wherry.ok("push", f"{folder}/image", "docker-archive:out:lab:1")
    wherry.ok("save", "-q", "--format", "squashfs", "-o", "again", f"{folder}/image")
    assert "ID=tiny" in wherry.ok("run", "again", *ID)
    assert wherry.ok("load", "-q", "-i", "again").startswith("sha256:")
    wherry.ok("prune", "-af")
    assert not list((wherry.folder / "store" / "blobs" / "sha256").iterdir())


def test_an_image_that_the_site_has_unpacked_is_used_before_a_pull(wherry: Wherry, forms: Path, tmp_path: Path) -> None:
    place = tmp_path / "site" / "registry.hub.docker.com" / "library"
    place.mkdir(parents=True)
    shutil.copytree(forms / "a-folder", place / "lab:1", symlinks=True)
    variables = {"WHERRY_RUN_UNPACKED": f"/nonexistent,{tmp_path}/site"}
    before = sorted(str(path) for path in place.rglob("*"))
    for _ in range(2):
        assert "ID=tiny" in wherry.ok("run", "lab:1", *ID, env=variables)
    assert sorted(str(path) for path in place.rglob("*")) == before
    assert not (wherry.folder / "store" / "layers").exists() or not list((wherry.folder / "store" / "layers").iterdir())
    wherry.ok("import", "-q", "-c", "ENV A=own", str(forms / "a-root"), "lab:1")  # one's own goes first
    assert wherry.ok("run", "lab:1", "sh", "-c", "echo $A", env=variables) == "own\n"


def test_what_was_taken_in_goes_with_prune(wherry: Wherry, forms: Path) -> None:
    wherry.ok("run", str(forms / "a-root"), "true")
    assert list((wherry.folder / "store" / "files").iterdir())
    wherry.ok("prune", "-f")
    assert not list((wherry.folder / "store" / "files").iterdir())
    assert json.loads(wherry.ok("inspect", str(forms / "a-root")))[0]["Os"] == "linux"
