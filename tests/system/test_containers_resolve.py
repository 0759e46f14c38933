"""Which image a word means: held, to be pulled, a digest, a file; and what is said when it is none of these."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import images
from registry_server import RegistryServer, serve
from wherry_command import Wherry


def push(layout: Path, reference: str) -> str:
    """The layout in a registry; the digest that its manifest has there."""
    copy = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--digestfile", f"{layout}.digest"]
    subprocess.run([*copy, f"oci:{layout}:latest", f"docker://{reference}"], check=True, capture_output=True)
    return Path(f"{layout}.digest").read_text().strip()


def saying(folder: Path, name: str, word: str) -> Path:
    layout = folder / name
    layer = images.Layer().file("word", word.encode())
    images.write_layout(layout, [layer.tar()], {"Cmd": ["cat", "/word"]}, base=images.image("tiny"))
    return layout


def test_a_missing_image_is_pulled_and_then_run(wherry: Wherry, tiny: str) -> None:
    result = wherry("run", tiny, "echo", "hello")
    assert (result.status, result.stdout) == (0, "hello\n")
    assert ": done " in result.stderr
    again = wherry("run", tiny, "echo", "hello")
    assert again.stderr == ""


def test_pull_never_says_how_to_get_it(wherry: Wherry, tiny: str) -> None:
    result = wherry("run", "--pull", "never", tiny, "true")
    assert result.status == 125
    assert f"wherry pull {tiny}" in result.stderr


def test_a_held_tag_stays_until_it_is_asked_for_anew(wherry: Wherry, registry: RegistryServer, tmp_path: Path) -> None:
    reference = f"{registry.address}/moving:1"
    push(saying(tmp_path, "one", "one"), reference)
    assert wherry.ok("run", reference) == "one"
    push(saying(tmp_path, "two", "two"), reference)
    assert wherry.ok("run", reference) == "one"
    assert wherry.ok("run", "--pull", "always", reference) == "two"
    assert wherry.ok("run", reference) == "two"
    push(saying(tmp_path, "three", "three"), reference)
    wherry.ok("pull", "-q", reference)
    assert wherry.ok("run", reference) == "three"


def test_what_is_held_runs_without_its_registry(wherry: Wherry, tmp_path: Path) -> None:
    with serve(tmp_path / "registry") as server:
        reference = f"{server.address}/gone:1"
        push(saying(tmp_path, "gone", "still here"), reference)
        wherry.ok("pull", "-q", reference)
    for plan in (wherry.folder / "run").rglob("*.plan"):
        plan.unlink()
    assert wherry.ok("run", reference) == "still here"
    missing = wherry("run", reference.replace("gone", "other"))
    assert missing.status == 125
    assert "refused" in missing.stderr


def test_digests_and_their_beginnings_name_an_image(wherry: Wherry, registry: RegistryServer, tmp_path: Path) -> None:
    digest = push(saying(tmp_path, "pinned", "pinned"), f"{registry.address}/pinned:1")
    exact = f"{registry.address}/pinned@{digest}"
    assert wherry.ok("run", exact) == "pinned"
    assert wherry.ok("run", exact) == "pinned"
    assert wherry.ok("run", digest.removeprefix("sha256:")[:12]) == "pinned"
    assert wherry.ok("run", digest) == "pinned"


def test_an_unknown_tag_is_told_with_those_that_exist(wherry: Wherry, tiny: str) -> None:
    result = wherry("run", tiny.replace(":oci", ":ocj"), "true")
    assert result.status == 125
    assert "oci" in result.stderr.replace("ocj", "")


def test_a_folder_and_an_archive_run_without_being_named(wherry: Wherry, tmp_path: Path) -> None:
    layout = saying(tmp_path, "layout", "from a file")
    archive = tmp_path / "archive.tar"
    copy = ["skopeo", "copy", "-q", "--insecure-policy", f"oci:{layout}:latest"]
    subprocess.run([*copy, f"docker-archive:{archive}:named:1"], check=True, capture_output=True)
    for text in (str(layout), f"{layout}/", "./layout", "layout/", str(archive), "./archive.tar", "archive.tar"):
        assert wherry.ok("run", text, cwd=tmp_path) == "from a file", text
    assert "named" not in wherry.ok("images", "--format", "{{.Repository}}")  # only 'load' gives an archive's names


def test_a_file_that_changes_is_another_image(wherry: Wherry, tmp_path: Path) -> None:
    for word in ("one", "two"):
        layout = saying(tmp_path, word, word)
        archive = tmp_path / "archive.tar"
        archive.unlink(missing_ok=True)
        copy = ["skopeo", "copy", "-q", "--insecure-policy", f"oci:{layout}:latest"]
        subprocess.run([*copy, f"oci-archive:{archive}"], check=True, capture_output=True)
        assert wherry.ok("run", str(archive)) == word


@pytest.mark.parametrize("text", ["./none", "/none/at/all", "none/"])
def test_a_path_that_does_not_exist_is_no_name(wherry: Wherry, text: str) -> None:
    result = wherry("run", text, "true")
    assert result.status == 125
    assert "does not exist" in result.stderr


def test_an_image_for_another_machine_is_told_before_it_starts(wherry: Wherry, tmp_path: Path) -> None:
    layout = saying(tmp_path, "foreign", "x")
    index = json.loads((layout / "index.json").read_text())
    blobs = layout / "blobs" / "sha256"
    manifest_path = blobs / index["manifests"][0]["digest"].removeprefix("sha256:")
    manifest = json.loads(manifest_path.read_text())
    config = json.loads((blobs / manifest["config"]["digest"].removeprefix("sha256:")).read_text())
    config["architecture"] = "loong64"
    images_write(blobs, manifest["config"], config)
    images_write(blobs, index["manifests"][0], manifest)
    (layout / "index.json").write_text(json.dumps(index))
    result = wherry("run", f"{layout}/")
    assert result.status == 125
    assert "loong64" in result.stderr


def images_write(blobs: Path, descriptor: dict[str, object], document: object) -> None:
    import hashlib

    data = json.dumps(document).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    descriptor.update(digest=f"sha256:{digest}", size=len(data))


def test_the_default_registry_is_a_setting(
    wherry: Wherry, registry: RegistryServer, pushed: Callable[..., str]
) -> None:
    pushed("tiny")
    default = {"WHERRY_REGISTRY_DEFAULT": registry.address}
    assert wherry.ok("run", "-e", "X=1", "tiny:oci", "echo", "by a short name", env=default) == "by a short name\n"


def test_a_mistyped_name_leads_to_what_is_held(seeded: Wherry, tiny: str) -> None:
    mistyped = seeded("run", tiny.replace("/tiny:", "/tyni:"), "true")
    assert mistyped.status == 125 and f"did you mean {tiny}" in mistyped.stderr
    assert "held here?" not in seeded("run", "--pull", "always", "127.0.0.1:1/quite/another:1", "true").stderr
    assert "did you mean" not in seeded("inspect", "ab").stderr


def test_a_layout_is_an_image_for_every_verb(wherry: Wherry, tmp_path: Path) -> None:
    saying(tmp_path, "lab", "here")
    (tmp_path / "other").mkdir()
    assert "layer 0" in wherry.ok("history", "--no-trunc", "./lab/", cwd=tmp_path)
    digest = wherry.ok("inspect", "--format", "{{.Id}}", "./lab/", cwd=tmp_path)
    assert wherry.ok("tag", "./lab/", "named", cwd=tmp_path) == ""
    assert wherry.ok("inspect", "--format", "{{.Id}}", "named") == digest
    assert wherry.ok("diff", "./lab/", "named", cwd=tmp_path) == ""
    wherry.ok("save", "-o", "out.tar", "./lab/", cwd=tmp_path)
    assert (tmp_path / "out.tar").stat().st_size > 100_000
    missing = wherry("history", "./nosuch/", cwd=tmp_path)
    assert missing.status == 125 and "there is no image file './nosuch/'" in missing.stderr


def test_what_a_file_brought_goes_with_prune(wherry: Wherry, tmp_path: Path) -> None:
    saying(tmp_path, "lab", "here")
    assert wherry.ok("run", "./lab/", cwd=tmp_path) == "here"
    assert wherry.ok("images", "-q") != ""
    wherry.ok("prune", "-f")
    assert wherry.ok("images", "-q") == ""
    assert wherry.ok("run", "./lab/", cwd=tmp_path) == "here"
