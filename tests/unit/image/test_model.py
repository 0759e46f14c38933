"""Manifests and configurations: tolerant of what real registries serve, strict where it matters."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wherry.base.digest import Digest
from wherry.base.errors import ImageError, UnsupportedImage
from wherry.image.model import (
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_MANIFEST,
    Index,
    Manifest,
    chain_ids,
    read_config,
    read_document,
    read_manifest,
)

_A = "sha256:" + "a" * 64
_B = "sha256:" + "b" * 64


def _descriptor(digest: str = _A, size: int = 1, **more: Any) -> dict[str, Any]:
    return {"mediaType": "application/x", "digest": digest, "size": size, **more}


def _manifest(**more: Any) -> bytes:
    config = _descriptor(mediaType=OCI_CONFIG)
    return json.dumps({"schemaVersion": 2, "config": config, "layers": [_descriptor(_B)], **more}).encode()


def test_a_manifest_is_read() -> None:
    found = read_document(_manifest(mediaType=DOCKER_MANIFEST), "", "x")
    assert isinstance(found, Manifest)
    assert found.media_type == DOCKER_MANIFEST
    assert str(found.layers[0].digest) == _B


def test_the_documents_own_type_wins_over_the_registrys() -> None:
    assert read_manifest(_manifest(mediaType=OCI_MANIFEST), DOCKER_MANIFEST, "x").media_type == OCI_MANIFEST


def test_an_index_is_read() -> None:
    platform = {"os": "linux", "architecture": "arm64", "os.version": "1", "variant": "v8"}
    data = json.dumps({"schemaVersion": 2, "manifests": [_descriptor(platform=platform)]}).encode()
    found = read_document(data, "", "x")
    assert isinstance(found, Index)
    assert found.manifests[0].platform is not None
    assert found.manifests[0].platform.variant == "v8"


def test_nulls_and_unknown_fields_are_taken() -> None:
    found = read_manifest(_manifest(annotations=None, subject={"x": 1}, mediaType=None), "", "x")
    assert found.annotations == {}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"schemaVersion": "2"}',
        b"[" * 100_000,
        _manifest(layers=[_descriptor("sha256:short")]),
        _manifest(layers=[_descriptor("md5:" + "a" * 32)]),
        _manifest(layers=[_descriptor(size=-1)]),
        _manifest(layers=[_descriptor(size=1 << 80)]),
        _manifest(manifests=[_descriptor()]),
        _manifest(layers=[_descriptor()] * 1001),
    ],
)
def test_malformed_manifests_are_image_errors(data: bytes) -> None:
    with pytest.raises(ImageError):
        read_document(data, "", "x")


def test_something_else_is_called_what_it_is() -> None:
    with pytest.raises(UnsupportedImage, match="not a container image"):
        read_document(b'{"schemaVersion": 2, "mediaType": "application/vnd.example"}', "", "x")


def _config(**more: Any) -> bytes:
    rootfs = {"type": "layers", "diff_ids": [_A]}
    return json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs, **more}).encode()


def _read(data: bytes) -> Any:
    return read_config(data, read_manifest(_manifest(), "", "x"), "x")


def test_a_configuration_is_read() -> None:
    container = {
        "User": "1000:1000",
        "Env": ["A=1", "B=2"],
        "Entrypoint": ["/init"],
        "Cmd": ["run"],
        "WorkingDir": "/work",
        "Volumes": {"/data": {}},
        "ExposedPorts": {"80/tcp": {}},
        "Labels": {"a": "b"},
        "StopSignal": "SIGINT",
    }
    history = [{"created_by": "FROM x"}, {"created_by": "ENV", "empty_layer": True}]
    found = _read(_config(config=container, history=history, created="2020-01-01T00:00:00Z"))
    assert found.config.user == "1000:1000"
    assert found.config.env == ("A=1", "B=2")
    assert found.config.volumes == ("/data",)
    assert [entry.empty_layer for entry in found.history] == [False, True]
    assert found.rootfs.diff_ids == (Digest.parse(_A),)


def test_nulls_in_a_configuration_mean_nothing() -> None:
    nothing = dict.fromkeys(("User", "Env", "Entrypoint", "Cmd", "WorkingDir", "Volumes", "Labels", "StopSignal"))
    found = _read(_config(config=nothing, history=None, author=None))
    assert (found.config.env, found.config.cmd, found.config.user, found.history) == ((), (), "", ())
    assert _read(_config(config=None)).config.entrypoint == ()


def test_a_command_that_is_one_text_is_one_word() -> None:
    assert _read(_config(config={"Cmd": "/bin/x y"})).config.cmd == ("/bin/x y",)


def test_an_artifact_is_no_image() -> None:
    helm = read_manifest(_manifest(config=_descriptor(mediaType="application/vnd.cncf.helm.config.v1+json")), "", "x")
    with pytest.raises(UnsupportedImage, match=r"cncf\.helm"):
        read_config(b"{}", helm, "x")


def test_another_number_of_layers_is_a_contradiction() -> None:
    with pytest.raises(ImageError, match="contradicts"):
        _read(_config(rootfs={"type": "layers", "diff_ids": [_A, _B]}))


def test_chain_ids_are_those_of_the_specification() -> None:
    one, two = Digest.parse(_A), Digest.parse(_B)
    assert chain_ids((one, two)) == (one, Digest.of(f"{_A} {_B}".encode()))
    assert chain_ids(()) == ()
