"""``oras://``: SIF files in a real registry, as Apptainer and SingularityCE have them there."""

from __future__ import annotations

import hashlib
import json
import subprocess
import urllib.request
from pathlib import Path

import pytest

from registry_server import RegistryServer, serve
from wherry_command import Wherry

_MEDIA = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def sif(seeded: Wherry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sif") / "tiny.sif"
    seeded.ok("pack", "-q", "tiny", str(path))
    return path


@pytest.fixture
def pushed_sif(registry: RegistryServer, seeded: Wherry, sif: Path) -> str:
    name = f"oras://{registry.address}/lab/tiny:1"
    seeded.ok("push", "-q", str(sif), name)
    return name


def manifest(name: str) -> dict[str, object]:
    """As skopeo gets it."""
    raw = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name.removeprefix('oras://')}"]
    found: dict[str, object] = json.loads(subprocess.run(raw, capture_output=True, check=True).stdout)
    return found


def test_the_registry_gets_what_apptainer_pushes(pushed_sif: str, sif: Path) -> None:
    digest = hashlib.sha256(sif.read_bytes()).hexdigest()
    assert manifest(pushed_sif) == {
        "schemaVersion": 2,
        "mediaType": _MEDIA,
        "config": {
            "mediaType": "application/vnd.sylabs.sif.config.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
        },
        "layers": [
            {
                "mediaType": "application/vnd.sylabs.sif.layer.v1.sif",
                "digest": f"sha256:{digest}",
                "size": sif.stat().st_size,
                "annotations": {"org.opencontainers.image.title": "tiny.sif"},
            }
        ],
    }


def test_it_runs_and_is_fetched_once(seeded: Wherry, sif: Path, wherry: Wherry, tmp_path: Path) -> None:
    with serve(tmp_path / "own") as server:
        name = f"oras://{server.address}/lab/tiny:1"
        seeded.ok("push", "-q", str(sif), name)
        assert wherry.ok("run", name, "echo", "runs") == "runs\n"
    # There is no registry any more.
    assert wherry.ok("run", name, "echo", "runs again") == "runs again\n"
    assert wherry.ok("run", "-w", "/tmp", name, "pwd") == "/tmp\n"


def test_pull_writes_the_same_file(wherry: Wherry, pushed_sif: str, sif: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.sif"
    wherry.ok("pull", "-o", str(target), pushed_sif)
    assert target.read_bytes() == sif.read_bytes()
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.sif"]


def test_it_is_listed_and_removed_as_an_image(wherry: Wherry, pushed_sif: str) -> None:
    path = wherry.ok("pull", "-q", pushed_sif).strip()
    assert Path(path).read_bytes()[32:41] == b"SIF_MAGIC"
    name = pushed_sif.removeprefix("oras://")
    listed = wherry.ok("images", "--format", "{{.Repository}}:{{.Tag}} {{.Bytes}}").splitlines()
    assert f"{name} {Path(path).stat().st_size}" in listed
    wherry.ok("prune", "-f")
    assert Path(path).exists()
    wherry.ok("rmi", name)
    wherry.ok("prune", "-f")
    assert not Path(path).exists()


def test_a_download_goes_on_where_it_stopped(wherry: Wherry, pushed_sif: str, sif: Path) -> None:
    data = sif.read_bytes()
    partial = wherry.folder / "store" / "partial" / hashlib.sha256(data).hexdigest()
    wherry.ok("images")
    partial.parent.mkdir()
    partial.write_bytes(data[:300_000])
    path = Path(wherry.ok("pull", "-q", pushed_sif).strip())
    assert path.read_bytes() == data
    assert not partial.exists()


def test_what_was_left_and_is_wrong_is_fetched_anew(wherry: Wherry, pushed_sif: str, sif: Path) -> None:
    data = sif.read_bytes()
    partial = wherry.folder / "store" / "partial" / hashlib.sha256(data).hexdigest()
    wherry.ok("images")
    partial.parent.mkdir()
    partial.write_bytes(b"x" * 300_000)
    assert Path(wherry.ok("pull", "-q", pushed_sif).strip()).read_bytes() == data


def test_the_misspelt_type_of_old_programs_is_taken(wherry: Wherry, registry: RegistryServer, pushed_sif: str) -> None:
    old = manifest(pushed_sif)
    old["layers"][0]["mediaType"] = "appliciation/vnd.sylabs.sif.layer.tar"  # type: ignore[index]
    url = f"http://{registry.address}/v2/lab/tiny/manifests/old"
    request = urllib.request.Request(url, json.dumps(old).encode(), {"Content-Type": _MEDIA}, method="PUT")
    urllib.request.urlopen(request).close()
    assert wherry.ok("run", f"{pushed_sif.removesuffix(':1')}:old", "echo", "runs") == "runs\n"


def test_each_kind_says_how_the_other_is_run(wherry: Wherry, pushed_sif: str, tiny: str) -> None:
    image = wherry("run", f"oras://{tiny}", "true")
    assert image.status == 125
    assert f"wherry run {tiny}" in image.stderr
    artifact = wherry("run", pushed_sif.removeprefix("oras://"), "true")
    assert artifact.status == 125
    assert f"wherry run {pushed_sif}" in artifact.stderr


def test_only_sif_files_are_pushed_so(wherry: Wherry, registry: RegistryServer, tmp_path: Path) -> None:
    (tmp_path / "page.sif").write_text("<html></html>")
    refused = wherry("push", str(tmp_path / "page.sif"), f"oras://{registry.address}/lab/page:1")
    assert refused.status == 125
    assert "page.sif" in refused.stderr
    name = wherry("push", "tiny", f"oras://{registry.address}/lab/page:1")
    assert name.status == 125
    assert "wherry pack tiny" in name.stderr


def test_an_unknown_one_is_an_error_of_one_line(wherry: Wherry, registry: RegistryServer) -> None:
    result = wherry("run", f"oras://{registry.address}/lab/nothing:1", "true")
    assert result.status == 125
    assert "Traceback" not in result.stderr
    assert "nothing" in result.stderr
