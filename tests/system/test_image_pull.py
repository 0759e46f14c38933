"""Pulling, pushing, loading and saving with a real registry and the tools of others."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import images
from layers import directory, file, hardlink, make_removable, symlink, tar_of, whiteout, write_layout
from pulling import pull_here, push_here
from registry_server import RegistryServer, serve
from wherry.base.digest import Digest
from wherry.base.errors import DigestMismatch, NetworkFailed, NotFound, UnsupportedImage
from wherry.base.progress import Event
from wherry.base.reference import Reference
from wherry.image import Image, is_image_file, load_file, open_image, save_file, view
from wherry.image.table import rebuild
from wherry.store import Store, open_at

_TARS = (
    tar_of([directory("etc"), file("etc/name", b"lower", mode=0o4755, uid=7), file("gone", os.urandom(300_000))]),
    tar_of([whiteout("gone"), hardlink("again", "etc/name"), symlink("link", "/etc")]),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``odd("zstd")`` is an OCI layout with an image of two small layers in that compression."""
    made: dict[str, Path] = {}

    def make(form: str) -> Path:
        if form not in made:
            config = {"Env": ["A=1"], "Entrypoint": ["/bin/x"], "Volumes": {"/data": {}}}
            made[form] = write_layout(tmp_path_factory.mktemp("odd") / "layout", _TARS, form=form, config=config)
        return made[form]

    return make


def _copy(source: str, target: str, *options: str) -> None:
    command = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--src-tls-verify=false"]
    done = subprocess.run([*command, *options, source, target], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def _check_odd(image: Image) -> None:
    tree = view(image)
    assert tree.read("/link/name", 10) == b"lower"
    assert not tree.exists("/gone")
    assert image.config.config.entrypoint == ("/bin/x",)
    assert image.config.config.volumes == ("/data",)
    assert tuple(b"".join(rebuild(layer)) for layer in image.layers) == _TARS


@pytest.mark.parametrize("form", ["", "gzip", "zstd"], ids=["plain", "gzip", "zstd"])
def test_every_compression_is_pulled(
    registry: RegistryServer, store: Store, odd: Callable[[str], Path], form: str
) -> None:
    name = f"{registry.address}/odd:{form or 'plain'}"
    _copy(f"oci:{odd(form)}:latest", f"docker://{name}", "--preserve-digests")
    _check_odd(pull_here(store, name))
    _check_odd(open_image(store, name))


def test_docker_schema_2_is_pulled(registry: RegistryServer, store: Store, odd: Callable[[str], Path]) -> None:
    name = f"{registry.address}/odd:docker"
    _copy(f"oci:{odd('gzip')}:latest", f"docker://{name}", "--format", "v2s2")
    image = pull_here(store, name)
    _check_odd(image)
    assert image.media_type == "application/vnd.docker.distribution.manifest.v2+json"


def test_a_second_pull_fetches_nothing(tiny: str, store: Store) -> None:
    seen: list[Event] = []
    first = pull_here(store, tiny)
    assert pull_here(store, tiny, progress=seen.append) == first
    assert {event.stage for event in seen} == {"done"}


def test_a_layer_that_another_image_brought_is_not_fetched(tiny: str, layered: str, store: Store) -> None:
    base = pull_here(store, tiny)
    seen: list[Event] = []
    upper = pull_here(store, layered, progress=seen.append)
    assert upper.layers[0] == base.layers[0]
    stages = {event.stage for event in seen if event.item == base.manifest.layers[0].digest.short}
    assert stages == {"exists"}


def test_an_image_is_found_by_name_and_by_the_beginning_of_its_digest(tiny: str, store: Store) -> None:
    image = pull_here(store, tiny)
    assert open_image(store, image.digest.hex[:8]).digest == image.digest
    assert open_image(store, f"sha256:{image.digest.hex[:12]}").digest == image.digest
    assert open_image(store, str(image.digest)).digest == image.digest
    with pytest.raises(NotFound) as caught:
        open_image(store, tiny.replace("tiny", "tinny"))
    assert "did you mean" in caught.value.hint


def test_an_image_is_pulled_by_digest(tiny: str, store: Store) -> None:
    digest = pull_here(store, tiny).digest
    other = open_at(f"{store.path}-2")
    name = f"{tiny.rpartition(':')[0]}@{digest}"
    assert pull_here(other, name).digest == digest
    assert open_image(other, name).digest == digest


def test_the_platform_is_chosen_from_an_index(registry: RegistryServer, store: Store, tmp_path: Path) -> None:
    name = f"{registry.address}/many"
    manifests = []
    for architecture, variant in (("arm64", "v8"), ("amd64", ""), ("arm", "v7"), ("arm", "v6")):
        layout = write_layout(
            tmp_path / f"{architecture}{variant}", [tar_of([file("arch", f"{architecture}{variant}".encode())])]
        )
        _copy(f"oci:{layout}:latest", f"docker://{name}:{architecture}{variant}", "--preserve-digests")
        described = json.loads((layout / "index.json").read_text())["manifests"][0]
        del described["annotations"]
        described["platform"] = {"os": "linux", "architecture": architecture}
        if variant:
            described["platform"]["variant"] = variant
        manifests.append(described)
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    }
    _put_manifest(registry, "many", "all", json.dumps(document).encode(), document["mediaType"])  # type: ignore[arg-type]
    index = f"{name}:all"
    assert view(pull_here(store, index, platform="linux/arm64")).read("/arch", 9) == b"arm64v8"
    assert view(pull_here(store, index, platform="linux/amd64")).read("/arch", 9) == b"amd64"
    assert view(open_image(store, index, platform="linux/arm64")).read("/arch", 9) == b"arm64v8"
    assert pull_here(store, index, platform="arm/v7").digest != pull_here(store, index, platform="armel").digest
    with pytest.raises(UnsupportedImage) as caught:
        pull_here(store, index, platform="linux/s390x")
    assert "linux/arm64" in caught.value.why


def _put_manifest(registry: RegistryServer, repository: str, tag: str, data: bytes, media_type: str) -> None:
    import http.client

    connection = http.client.HTTPConnection(registry.address)
    connection.request("PUT", f"/v2/{repository}/manifests/{tag}", data, {"Content-Type": media_type})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == 201, body


def test_a_tag_that_moved_is_followed(registry: RegistryServer, store: Store, tmp_path: Path) -> None:
    name = f"{registry.address}/moving:now"
    digests = []
    for number in range(2):
        layout = write_layout(tmp_path / str(number), [tar_of([file("number", b"%d" % number)])], form="gzip")
        _copy(f"oci:{layout}:latest", f"docker://{name}")
        image = pull_here(store, name)
        assert view(image).read("/number", 1) == b"%d" % number
        digests.append(image.digest)
    assert open_image(store, name).digest == digests[1]
    assert open_image(store, str(digests[0])).digest == digests[0]


def test_a_download_goes_on_where_another_process_stopped(small_image: str, tmp_path: Path) -> None:
    image = pull_here(open_at(str(tmp_path / "one")), small_image)
    item = image.manifest.layers[0]
    blob = (images.image("small") / "blobs/sha256" / item.digest.hex).read_bytes()
    store = open_at(str(tmp_path / "two"))
    Path(store.partial_path(item.digest)).write_bytes(blob[: len(blob) // 2])
    seen: list[Event] = []
    assert pull_here(store, small_image, progress=seen.append).digest == image.digest
    assert max(event.current for event in seen if event.stage == "resuming") == len(blob) // 2
    assert min(event.current for event in seen if event.stage == "pulling") > len(blob) // 2
    assert os.listdir(f"{store.path}/partial") == []


def test_a_bad_partial_download_is_thrown_away(tiny: str, tmp_path: Path) -> None:
    image = pull_here(open_at(str(tmp_path / "one")), tiny)
    store = open_at(str(tmp_path / "two"))
    item = image.manifest.layers[0]
    for rubbish in (b"\0" * 1000, b"\x1f\x8b\x08" + b"x" * 2000, os.urandom(item.size), os.urandom(item.size + 100)):
        Path(store.partial_path(item.digest)).write_bytes(rubbish)
        store_now = open_at(f"{store.path}-{len(rubbish)}")
        Path(store_now.partial_path(item.digest)).write_bytes(rubbish)
        assert pull_here(store_now, tiny).digest == image.digest


@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_a_damaged_layer_is_never_published(tmp_path: Path, odd: Callable[[str], Path], how: str) -> None:
    with serve(tmp_path / "registry") as registry:
        name = f"{registry.address}/odd"
        _copy(f"oci:{odd('gzip')}:latest", f"docker://{name}:1")
        blob = registry.blob_file(str(Digest.of(gzip.compress(_TARS[0], mtime=0))))
        data = bytearray(blob.read_bytes())
        if how == "flipped":
            data[len(data) // 2] ^= 1
        blob.write_bytes(data if how == "flipped" else data[:-9])
        store = open_at(str(tmp_path / "store"))
        with pytest.raises(DigestMismatch if how == "flipped" else NetworkFailed):
            pull_here(store, f"{name}:1")
        assert store.name(Reference.parse(f"{name}:1")) is None
        assert list(store.image_records()) == []
        assert store.find_layer(Digest.of(_TARS[0]).hex) is None
        assert os.listdir(f"{store.path}/tmp") == []


def test_a_push_keeps_the_digest_and_mounts_what_is_elsewhere(tiny: str, layered: str, store: Store) -> None:
    image = pull_here(store, layered)
    seen: list[Event] = []
    host = layered.partition("/")[0]
    assert push_here(store, image, f"{host}/copies/layered:1", seen.append) == str(image.digest)
    assert [event.message for event in seen if event.stage == "done"][:3] == ["mounted"] * 3
    seen.clear()
    assert push_here(store, image, f"{host}/copies/layered:2", seen.append) == str(image.digest)
    assert "exists" in {event.stage for event in seen}
    other = open_at(f"{store.path}-2")
    assert pull_here(other, f"{host}/copies/layered:2").digest == image.digest


def test_a_push_to_another_registry_copies_from_the_first(tiny: str, store: Store, tmp_path: Path) -> None:
    image = pull_here(store, tiny)
    with serve(tmp_path / "second") as second:
        assert push_here(store, image, f"{second.address}/tiny:1") == str(image.digest)
        assert pull_here(open_at(f"{store.path}-2"), f"{second.address}/tiny:1").digest == image.digest


def test_a_push_without_the_first_registry_makes_the_layers_again(
    store: Store, tmp_path: Path, odd: Callable[[str], Path]
) -> None:
    with serve(tmp_path / "first") as first:
        _copy(f"oci:{odd('gzip')}:latest", f"docker://{first.address}/odd:1")
        image = pull_here(store, f"{first.address}/odd:1")
    seen: list[Event] = []
    with serve(tmp_path / "second") as second:
        digest = push_here(store, image, f"{second.address}/odd:1", seen.append)
        assert digest != str(image.digest)
        assert any("in another compression" in event.message and digest in event.message for event in seen)
        again = pull_here(open_at(f"{store.path}-2"), f"{second.address}/odd:1")
    _check_odd(again)
    assert again.manifest.config == image.manifest.config


def test_a_saved_image_has_the_exact_tars(store: Store, tmp_path: Path, odd: Callable[[str], Path]) -> None:
    image = load_file(store, str(odd("gzip")))
    save_file(store, image, str(tmp_path / "saved.tar"))
    command = ["tar", "-xOf", str(tmp_path / "saved.tar"), f"blobs/sha256/{image.layers[0].meta.diff_id.hex}"]
    inner = subprocess.run(command, check=True, capture_output=True).stdout
    assert inner == _TARS[0]


@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive", "oci"])
def test_what_others_wrote_is_loaded(store: Store, tmp_path: Path, odd: Callable[[str], Path], kind: str) -> None:
    path = tmp_path / "archive"
    _copy(f"oci:{odd('gzip')}:latest", f"{kind}:{path}:example.org/team/odd:3")
    assert is_image_file(str(path))
    image = load_file(store, str(path))
    _check_odd(image)
    assert open_image(store, "example.org/team/odd:3").digest == image.digest
    seen: list[Event] = []
    assert load_file(store, str(path), progress=seen.append).digest == image.digest
    assert {event.stage for event in seen} == {"exists"}


def test_a_compressed_archive_is_loaded(store: Store, tmp_path: Path, odd: Callable[[str], Path]) -> None:
    _copy(f"oci:{odd('gzip')}:latest", f"docker-archive:{tmp_path}/archive:odd:3")
    subprocess.run(["gzip", str(tmp_path / "archive")], check=True)
    assert is_image_file(f"{tmp_path}/archive.gz")
    _check_odd(load_file(store, f"{tmp_path}/archive.gz"))


@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
def test_what_is_saved_is_read_by_others(store: Store, tmp_path: Path, odd: Callable[[str], Path], kind: str) -> None:
    image = load_file(store, str(odd("zstd")))
    save_file(store, image, str(tmp_path / "saved.tar"))
    _copy(f"{kind}:{tmp_path}/saved.tar", f"oci:{tmp_path}/again:latest")
    bundle = tmp_path / "bundle"
    command = ["umoci", "unpack", "--rootless", "--image", f"{tmp_path}/again:latest", str(bundle)]
    subprocess.run(command, check=True, capture_output=True)
    assert (bundle / "rootfs/link").is_symlink()
    assert (bundle / "rootfs/again").read_bytes() == b"lower"
    make_removable(bundle)
    _check_odd(load_file(open_at(f"{store.path}-2"), str(tmp_path / "saved.tar")))


def test_a_plain_file_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("hello")
    (tmp_path / "tar").write_bytes(tar_of([file("hello", b"x")]))
    (tmp_path / "gz").write_bytes(gzip.compress(tar_of([file("hello", b"x")])))
    (tmp_path / "empty").touch()
    assert not any(is_image_file(str(path)) for path in (tmp_path, *tmp_path.iterdir(), tmp_path / "missing"))


def test_a_layer_that_comes_twice_is_fetched_once(registry: RegistryServer, store: Store, tmp_path: Path) -> None:
    name = f"{registry.address}/twice:1"
    layout = write_layout(tmp_path / "layout", [_TARS[0], tar_of([whiteout("gone")]), _TARS[0]], form="gzip")
    _copy(f"oci:{layout}:latest", f"docker://{name}", "--preserve-digests")
    seen: list[Event] = []
    image = pull_here(store, name, progress=seen.append)
    assert image.layers[0] == image.layers[2]
    assert view(image).exists("/gone")
    twice = image.manifest.layers[0].digest.short
    assert len([event for event in seen if event.item == twice and event.stage == "done"]) == 1


def test_an_image_without_layers_is_an_image(registry: RegistryServer, store: Store, tmp_path: Path) -> None:
    name = f"{registry.address}/nothing:1"
    _copy(f"oci:{write_layout(tmp_path / 'layout', [])}:latest", f"docker://{name}", "--preserve-digests")
    image = pull_here(store, name)
    assert image.layers == ()
    assert view(image).listdir("/") == ()
    assert not view(image).exists("/bin/sh")
