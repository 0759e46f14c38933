"""``wherry import-store``: what udocker, Charliecloud, Podman, Docker and Apptainer keep, made by these programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import images
from docker_daemon import Docker
from registry_server import RegistryServer, serve
from tool_venv import tool_folder
from wherry_command import Result, Wherry

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A registry with TLS, which ch-image wants, that has ``lab/tiny:1`` and ``lab/layered:2``."""
    with serve(tmp_path_factory.mktemp("secure"), tls=True) as server:
        push(server, "tiny", "1")
        push(server, "layered", "2")
        yield server


def push(server: RegistryServer, name: str, tag: str) -> None:
    source, target = f"oci:{images.image(name)}:latest", f"docker://{server.address}/lab/{name}:{tag}"
    copy = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--format", "v2s2"]
    subprocess.run([*copy, source, target], check=True, capture_output=True)


@pytest.fixture(scope="module")
def udocker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of udocker's with two images, and a container ``mine`` in which a file was written."""
    folder = tmp_path_factory.mktemp("udocker")
    store, program = folder / "udocker", tool_folder("udocker==1.3.17") / "udocker"
    for part in ("bin", "lib", "doc"):  # else it downloads its own programs, which nothing here needs
        (store / part).mkdir(parents=True)
    (store / "lib/VERSION").write_text("1.2.11")
    environment = {"PATH": PATH, "HOME": str(folder), "UDOCKER_DIR": str(store), "LANG": "C.UTF-8"}

    def run(*words: str) -> None:
        done = subprocess.run([program, *words], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    with serve(folder / "registry") as server:
        for name, tag in (("tiny", "1"), ("layered", "2")):
            push(server, name, tag)
            run("pull", f"--registry=http://{server.address}", f"--index=http://{server.address}", f"lab/{name}:{tag}")
    run("create", "--name=mine", "lab/tiny:1")
    (store / "containers/mine/ROOT/written").write_text("by the container\n")
    return store


@pytest.fixture(scope="module")
def charliecloud(tmp_path_factory: pytest.TempPathFactory, secure: RegistryServer) -> Path:
    """A storage of Charliecloud's with the two images, as they were pulled."""
    folder = tmp_path_factory.mktemp("ch")
    environment = {
        "PATH": PATH,
        "HOME": str(folder),
        "USER": "somebody",
        "CH_IMAGE_STORAGE": str(folder / "storage"),
        "REQUESTS_CA_BUNDLE": str(secure.ca),
    }
    for name in ("lab/tiny:1", "lab/layered:2"):
        words = ["ch-image", "--no-cache", "pull", f"{secure.address}/{name}"]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return folder / "storage"


@pytest.fixture
def none_in_path(wherry: Wherry, tmp_path: Path) -> Wherry:
    """Wherry where neither docker nor podman is in PATH."""
    return Wherry(wherry.folder, {"PATH": str(tmp_path), "USER": "nobody-here"})


def bring(wherry: Wherry, program: str, path: Path | str = "", *words: str) -> dict[str, dict[str, Any]]:
    """The lines of an import in which all came, by what the images were called there."""
    line = ("import-store", "--from", program, *words, "--format", "json", *([str(path)] if path else []))
    return {row["Theirs"]: row for row in rows(wherry(*line))}


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.status == 0, str(result)
    return [json.loads(line) for line in result.stdout.splitlines()]


def config_of(name: str) -> str:
    layout = images.image(name)
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"].removeprefix("sha256:")
    return str(json.loads((layout / "blobs/sha256" / manifest).read_text())["config"]["digest"])


def same_as_original(wherry: Wherry, name: str, original: str) -> None:
    """The image has the configuration of the one in the cache; so its layers unpack to the same."""
    [shown] = wherry("inspect", name).json()
    assert config_of(original) in json.dumps(shown)


# ---- udocker --------------------------------------------------------------------------------------------------------


def test_udockers_images_come_with_their_layers(none_in_path: Wherry, udocker: Path) -> None:
    found = bring(none_in_path, "udocker", udocker)
    assert {name: row["State"] for name, row in found.items()} == {
        "container mine": "brought", "lab/layered:2": "brought", "lab/tiny:1": "brought"
    }  # fmt: skip
    same_as_original(none_in_path, "lab/layered:2", "layered")
    assert "ID=tiny" in none_in_path.ok("run", "lab/tiny:1", "cat", "/etc/os-release")


def test_udockers_containers_come_as_they_are_now(none_in_path: Wherry, udocker: Path) -> None:
    name = bring(none_in_path, "udocker", udocker)["container mine"]["Name"]
    assert name == "localhost/udocker/mine:latest"
    assert none_in_path.ok("run", name, "cat", "/written") == "by the container\n"
    [shown] = none_in_path("inspect", name).json()
    assert '"/bin/sh"' in json.dumps(shown)  # the command that udocker knew


def test_doing_it_again_brings_only_what_is_new(none_in_path: Wherry, udocker: Path) -> None:
    bring(none_in_path, "udocker", udocker)
    none_in_path.ok("rmi", "lab/layered:2")
    again = bring(none_in_path, "udocker", udocker)
    assert {name: row["State"] for name, row in again.items()} == {
        "container mine": "here", "lab/layered:2": "brought", "lab/tiny:1": "here"
    }  # fmt: skip


def test_nothing_of_theirs_is_changed(none_in_path: Wherry, udocker: Path) -> None:
    def stamps() -> dict[str, tuple[int, int, int]]:
        found = (os.path.join(folder, name) for folder, _, names in os.walk(udocker) for name in names)
        return {
            path: (s := os.lstat(path)).st_mtime_ns and (s.st_mtime_ns, s.st_ctime_ns, s.st_nlink) for path in found
        }

    before = stamps()
    bring(none_in_path, "udocker", udocker)
    assert stamps() == before


def test_a_name_that_leads_elsewhere_here_stays(
    none_in_path: Wherry, udocker: Path, pushed: Callable[..., str]
) -> None:
    small = pushed("small")
    none_in_path.ok("pull", "-q", small)
    none_in_path.ok("tag", small, "lab/tiny:1")
    before = none_in_path.ok("images", "lab/tiny", "--format", "{{.Digest}}")
    bring(none_in_path, "udocker", udocker)
    assert none_in_path.ok("images", "lab/tiny", "--format", "{{.Digest}}") == before
    none_in_path.ok("prune", "-f")  # without a name it is no left-over all the same
    assert bring(none_in_path, "udocker", udocker)["lab/tiny:1"]["State"] == "here"


def test_a_dry_run_lists_with_sizes_and_brings_nothing(none_in_path: Wherry, udocker: Path) -> None:
    line = ("import-store", "--dry-run", "--from", "udocker", str(udocker), "--format", "json")
    found = {row["Name"]: row for row in rows(none_in_path(*line))}
    blobs = sum((udocker / "layers" / each).stat().st_size for each in digests_of(udocker, "lab/tiny/1"))
    assert (found["udocker: lab/tiny:1"]["Action"], found["udocker: lab/tiny:1"]["Bytes"]) == ("bring", blobs)
    assert none_in_path.ok("images", "-q") == ""
    bring(none_in_path, "udocker", udocker)
    assert {row["Action"] for row in rows(none_in_path(*line))} == {"keep"}


def digests_of(udocker: Path, image: str) -> list[str]:
    return [name for name in os.listdir(udocker / "repos" / image) if name.startswith("sha256:")]


def test_what_is_damaged_or_gone_there_is_left_and_said(none_in_path: Wherry, udocker: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(udocker, copy, symlinks=True)
    only_layered = set(digests_of(copy, "lab/layered/2")) - set(digests_of(copy, "lab/tiny/1"))
    victim = copy / "layers" / max(only_layered, key=lambda each: (copy / "layers" / each).stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 0xFF
    victim.write_bytes(data)
    damaged = none_in_path("import-store", "--from", "udocker", str(copy), "--format", "json")
    assert damaged.status == 125 and "'lab/layered:2' of udocker is left: " in damaged.stderr
    assert "lab/tiny:1" in none_in_path.ok("images", "--format", "{{.Repository}}:{{.Tag}}")
    victim.unlink()
    gone = none_in_path("import-store", "--from", "udocker", str(copy))
    assert gone.status == 125 and "is gone there" in gone.stderr
    (copy / "repos/lab/layered/2/manifest").write_text("{")
    assert none_in_path("import-store", "--from", "udocker", str(copy)).status == 125


# ---- Charliecloud ---------------------------------------------------------------------------------------------------


def test_charlieclouds_images_come_with_their_layers(
    none_in_path: Wherry, charliecloud: Path, secure: RegistryServer
) -> None:
    found = bring(none_in_path, "charliecloud", charliecloud)
    name = f"{secure.address}/lab/layered:2"
    assert found[name]["State"] == "brought"
    same_as_original(none_in_path, name, "layered")
    assert {row["State"] for row in bring(none_in_path, "charliecloud", charliecloud).values()} == {"here"}


def test_what_charliecloud_has_only_unpacked_comes_by_its_files(
    none_in_path: Wherry, charliecloud: Path, secure: RegistryServer, tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    shutil.copytree(charliecloud, storage, symlinks=True)
    shutil.rmtree(storage / "dlcache")
    [tree] = (storage / "img").glob("*tiny*")
    (tree / "built").write_text("here\n")
    metadata = json.loads((tree / "ch/metadata.json").read_text())
    metadata["env"]["QUOTED"] = 'a "b" $c \\ d'
    (tree / "ch/metadata.json").write_text(json.dumps(metadata))
    bring(none_in_path, "charliecloud", storage)
    shown = none_in_path.ok("run", f"{secure.address}/lab/tiny:1", "sh", "-c", 'cat /built; echo "$QUOTED"')
    assert shown == 'here\na "b" $c \\ d\n'


# ---- Podman, Docker -------------------------------------------------------------------------------------------------


def test_podmans_images_come_by_podman(wherry: Wherry, pushed: Callable[..., str], tmp_path: Path) -> None:
    name = pushed("layered", "v2s2")
    home = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "XDG_DATA_HOME": str(tmp_path / "data")}
    home["CONTAINERS_REGISTRIES_CONF"] = str(tmp_path / "registries.conf")
    (tmp_path / "registries.conf").touch()
    (tmp_path / "run").mkdir(mode=0o700)
    environment = {**wherry.environment, **home}
    for words in (("pull", "-q", "--tls-verify=false", name), ("tag", name, "localhost/second:2")):
        done = subprocess.run(["podman", *words], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    command = Wherry(wherry.folder, home)
    [row] = bring(command, "podman").values()
    assert (row["State"], sorted(row["Name"].split(", "))) == ("brought", sorted([name, "localhost/second:2"]))
    same_as_original(command, name, "layered")
    assert [row["State"] for row in bring(command, "podman").values()] == ["here"]
    done = subprocess.run(["podman", "rmi", "-f", name], env=environment, capture_output=True, text=True)


def test_dockers_images_come_by_docker(wherry: Wherry, docker: Docker) -> None:
    docker.take(images.image("tiny"), "wherry-import")  # the other one has links that docker does not take
    try:
        host = {"DOCKER_HOST": docker.address, "DOCKER_CONFIG": str(docker.folder)}
        found = bring(Wherry(wherry.folder, host), "docker")  # by one of the names that tests gave it
        assert any(row["State"] == "brought" for row in found.values())
        same_as_original(wherry, "wherry-import:latest", "tiny")
    finally:
        docker("rmi", "wherry-import:latest")


def test_a_shim_is_never_asked_for_its_images(wherry: Wherry, tmp_path: Path) -> None:
    wherry.ok("shim", "install", "--dir", str(tmp_path), "docker")
    result = wherry("import-store", "--from", "docker", env={"PATH": str(tmp_path)})
    assert result.status == 125 and "there is no 'docker' here" in result.stderr


# ---- Apptainer ------------------------------------------------------------------------------------------------------


def cache_of(wherry: Wherry, folder: Path) -> tuple[Path, str]:
    """Apptainer's cache as its manual describes it: the layers in ``blob``, and the file made of them."""
    layout = images.image("tiny")
    cache = folder / "cache"
    shutil.copytree(layout, cache / "blob")
    index = json.loads((cache / "blob/index.json").read_text())
    digest = str(index["manifests"][0]["digest"])
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "5c3d" * 16}
    (cache / "blob/index.json").write_text(json.dumps(index))
    (cache / "oci-tmp").mkdir()
    wherry.ok("pack", "tiny", str(folder / "tiny.sif"))
    shutil.copy(folder / "tiny.sif", cache / "oci-tmp" / digest.removeprefix("sha256:"))
    return cache, digest


def test_apptainers_layers_are_preferred_to_the_file_made_of_them(
    none_in_path: Wherry, seeded: Wherry, tmp_path: Path
) -> None:
    cache, digest = cache_of(seeded, tmp_path)
    found = bring(none_in_path, "apptainer", cache)
    assert [(row["State"], row["Digest"]) for row in found.values()] == [("brought", digest)]
    none_in_path.ok("prune", "-f")  # also where no name came with it, it is no left-over
    assert "ID=tiny" in none_in_path.ok("run", digest, "cat", "/etc/os-release")


def test_apptainers_files_come_where_there_are_no_layers(none_in_path: Wherry, seeded: Wherry, tmp_path: Path) -> None:
    cache, _ = cache_of(seeded, tmp_path)
    shutil.rmtree(cache / "blob")
    old = cache / "library" / "sha256.0123"  # as versions before 3.6 named them
    old.mkdir(parents=True)
    shutil.move(next((cache / "oci-tmp").iterdir()), old / "Tool_1.2.sif")
    (cache / "library/README").write_text("no image")
    [row] = bring(
        Wherry(none_in_path.folder, {**none_in_path.variables, "APPTAINER_CACHEDIR": str(tmp_path)}), "apptainer"
    ).values()
    assert row["State"] == "brought" and row["Name"].endswith((":1.2", "tiny:latest"))
    assert "ID=tiny" in none_in_path.ok("run", row["Name"], "cat", "/etc/os-release")
    assert [row["State"] for row in bring(none_in_path, "apptainer", cache).values()] == ["here"]


# ---- all ------------------------------------------------------------------------------------------------------------


def test_all_that_is_found_is_brought(none_in_path: Wherry, udocker: Path, charliecloud: Path) -> None:
    variables = {"UDOCKER_DIR": str(udocker), "CH_IMAGE_STORAGE": str(charliecloud)}
    found = bring(Wherry(none_in_path.folder, {**none_in_path.variables, **variables}), "auto")
    assert {row["From"] for row in found.values()} == {"udocker", "charliecloud"}


def test_a_folder_tells_itself_whose_it_is(none_in_path: Wherry, udocker: Path) -> None:
    assert {row["From"] for row in bring(none_in_path, "auto", udocker).values()} == {"udocker"}


@pytest.mark.parametrize("program", ["auto", "udocker", "apptainer", "charliecloud", "docker", "podman"])
def test_a_folder_that_is_none_is_refused(none_in_path: Wherry, tmp_path: Path, program: str) -> None:
    result = none_in_path("import-store", "--from", program, str(tmp_path))
    assert result.status == 125 and str(tmp_path) in result.stderr and "Traceback" not in result.stderr


def test_where_nothing_is_it_says_so(none_in_path: Wherry) -> None:
    result = none_in_path("import-store")
    assert (result.status, result.stdout, result.stderr) == (0, "", "wherry: note: nothing was found\n")


def test_a_program_that_does_not_answer_keeps_no_other_back(
    none_in_path: Wherry, udocker: Path, tmp_path: Path
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'cannot connect to the daemon' >&2; exit 1\n")
    (tmp_path / "docker").chmod(0o755)
    result = none_in_path("import-store", "-q", env={"UDOCKER_DIR": str(udocker)})
    assert result.status == 0 and len(result.stdout.split()) == 3
    assert "images of docker are not known" in result.stderr and "cannot connect to the daemon" in result.stderr
