"""Image archives that are broken or lie: an error of ours, nothing in the store, nothing beside it."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layers import Item, file, tar_of, write_layout
from wherry.base.digest import Digest
from wherry.base.errors import HostileArchive, ImageError, WherryError
from wherry.image import is_image_file, load_file
from wherry.store import Store, open_at

_LAYER = tar_of([file("a", b"x")])
_CONFIG = json.dumps({"os": "linux", "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(_LAYER))]}}).encode()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


def _docker(path: Path, listed: Any, *more: Item) -> str:
    items = [file("config.json", _CONFIG), file("layer.tar", _LAYER), *more]
    path.write_bytes(tar_of([*items, file("manifest.json", json.dumps(listed).encode())]))
    return str(path)


def _is_empty(store: Store) -> bool:
    left = os.listdir(f"{store.path}/tmp") if os.path.isdir(f"{store.path}/tmp") else []
    return not list(store.image_records()) and not list(store.names()) and not left


def test_an_honest_archive_is_loaded(store: Store, tmp_path: Path) -> None:
    path = _docker(tmp_path / "a.tar", [{"Config": "config.json", "RepoTags": ["x:1"], "Layers": ["layer.tar"]}])
    assert load_file(store, path).layers[0].meta.entries == 1


@pytest.mark.parametrize(
    "listed",
    [
        {},
        [],
        [{}],
        [{"Config": "config.json", "Layers": ["missing"]}],
        [{"Config": "missing", "Layers": ["layer.tar"]}],
        [{"Config": "layer.tar", "Layers": ["layer.tar"]}],
        [{"Config": "config.json", "Layers": []}],
        [{"Config": "config.json", "Layers": ["layer.tar", "layer.tar"]}],
        [{"Config": "config.json", "Layers": ["config.json"]}],
        [{"Config": "config.json", "Layers": ["../../etc/passwd"]}],
        [{"Config": "/etc/passwd", "Layers": ["layer.tar"]}],
    ],
)
def test_a_list_that_lies_is_refused(store: Store, tmp_path: Path, listed: Any) -> None:
    with pytest.raises(ImageError):
        load_file(store, _docker(tmp_path / "a.tar", listed))
    assert _is_empty(store)


def test_names_that_are_none_are_left_out(store: Store, tmp_path: Path) -> None:
    tags = ["UPPER:case", "a b:c", "x@sha256:" + "0" * 64, "../x:1", "good:1", ""]
    path = _docker(tmp_path / "a.tar", [{"Config": "config.json", "RepoTags": tags, "Layers": ["layer.tar"]}])
    load_file(store, path)
    assert [reference.familiar for reference, _ in store.names()] == ["good:1"]


def test_a_link_in_an_archive_never_leads_out_of_it(store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(_LAYER)
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        for target in (str(tmp_path / "secret"), "../secret"):
            link = Item("link", kind, target=target)
            path = _docker(tmp_path / "a.tar", [{"Config": "config.json", "Layers": ["link"]}], link)
            with pytest.raises(ImageError, match="not a complete image"):
                load_file(store, path)
    assert _is_empty(store)


@pytest.mark.parametrize("where", ["manifest", "config", "layer"])
def test_a_layout_whose_blob_was_changed_is_refused(store: Store, tmp_path: Path, where: str) -> None:
    layout = write_layout(tmp_path / "layout", [_LAYER])
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"][7:]
    document = json.loads((layout / "blobs/sha256" / manifest).read_text())
    wanted = {"manifest": manifest, "config": document["config"]["digest"][7:], "layer": Digest.of(_LAYER).hex}[where]
    blob = layout / "blobs/sha256" / wanted
    blob.write_bytes(blob.read_bytes().replace(b"a", b"b", 1))
    with pytest.raises(ImageError):
        load_file(store, str(layout))
    assert _is_empty(store)


@pytest.mark.parametrize("digest", ["sha256:../../../../etc/passwd", "sha256:" + "0" * 63 + "/", "sha256:" + "A" * 64])
def test_a_layouts_digest_is_no_path(store: Store, tmp_path: Path, digest: str) -> None:
    layout = write_layout(tmp_path / "layout", [_LAYER])
    index = json.loads((layout / "index.json").read_text())
    index["manifests"][0]["digest"] = digest
    (layout / "index.json").write_text(json.dumps(index))
    with pytest.raises(ImageError, match="not a digest"):
        load_file(store, str(layout))


def test_a_compressed_archive_that_is_a_bomb_is_stopped(store: Store, tmp_path: Path) -> None:
    header = tarfile.TarInfo("manifest.json")
    header.size = 1 << 30
    packer = zstandard.ZstdCompressor().compressobj()
    packed = [packer.compress(header.tobuf(tarfile.GNU_FORMAT))]
    packed += [packer.compress(bytes(1 << 20)) for _ in range(1 << 10)]
    (tmp_path / "bomb").write_bytes(b"".join([*packed, packer.flush()]))
    with pytest.raises(HostileArchive, match="thousand times"):
        load_file(store, str(tmp_path / "bomb"))
    assert _is_empty(store)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 5000), st.binary(min_size=1, max_size=40))
def test_an_archive_damaged_anywhere_is_loaded_whole_or_refused(tmp_path: Path, position: int, rubbish: bytes) -> None:
    path = tmp_path / "damaged.tar"
    data = bytearray(
        Path(_docker(path, [{"Config": "config.json", "RepoTags": ["x:1"], "Layers": ["layer.tar"]}])).read_bytes()
    )
    data[position : position + len(rubbish)] = rubbish
    path.write_bytes(data)
    is_image_file(str(path))
    try:
        image = load_file(open_at(str(tmp_path / "damaged-store")), str(path))
    except WherryError:
        return
    assert image.layers[0].meta.diff_id == image.config.rootfs.diff_ids[0]


def test_a_folder_or_file_that_cannot_be_read_is_no_image(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.write_bytes(io.BytesIO(_LAYER).getvalue())
    closed.chmod(0)
    assert not is_image_file(str(closed))
