"""Small things to put into a store, for its tests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence

from wherry.base.digest import Digest
from wherry.base.reference import Reference
from wherry.store import ImageRecord, Layer, LayerMeta, Name, Store


def nothing_runs(digest: Digest) -> list[str]:
    return []


def runs(*ids: str) -> Callable[[Digest], list[str]]:
    return lambda digest: list(ids)


def digest_of(text: str) -> Digest:
    return Digest.of(text.encode())


def a_meta(content: str, *, size: int | None = None) -> LayerMeta:
    return LayerMeta(digest_of(content), len(content) if size is None else size, 1, 0, overlay=True, rebuildable=True)


def fill(work: str, content: str) -> None:
    """A tree of one file, and a table, in a work folder."""
    os.mkdir(f"{work}/tree")
    with open(f"{work}/tree/file", "w") as file:
        file.write(content)
    with open(f"{work}/table.zst", "w") as file:
        file.write("table of " + content)


def add_layer(store: Store, content: str, *, size: int | None = None) -> Layer:
    work = store.new_work()
    fill(work, content)
    return store.publish_layer(work, digest_of(content).hex, a_meta(content, size=size))


def add_image(
    store: Store, *layers: str, names: Sequence[str] = (), sizes: int | None = None, reference: str = ""
) -> Digest:
    """An image of layers with these contents (each added when missing), as a pull puts it in place."""
    keys = []
    for content in layers:
        key = digest_of(content).hex
        if store.find_layer(key) is None:
            add_layer(store, content, size=sizes)
        keys.append(key)
    config = store.put_blob(json.dumps({"config of": layers}).encode())
    manifest = store.put_blob(json.dumps({"config": {"digest": str(config)}, "layers": layers}).encode())
    store.put_image_record(ImageRecord(manifest, sum(map(len, layers)), tuple(keys), reference=reference))
    for name in names:
        store.set_name(Reference.parse(name), Name(manifest, None, "linux/amd64"))
    return manifest


def content_of(layer: Layer) -> str:
    with open(f"{layer.tree}/file") as file:
        return file.read()


def keep_container(store: Store, container_id: str, image: Digest, layers: Sequence[str], name: str = "") -> None:
    folder = f"{store.path}/containers/{container_id}"
    os.makedirs(folder)
    with open(f"{folder}/container.json", "w") as file:
        json.dump({"image_digest": str(image), "layers": list(layers), "name": name, "other": 1}, file)


def left_over(store: Store) -> list[str]:
    """What is in tmp/."""
    try:
        return sorted(os.listdir(f"{store.path}/tmp"))
    except FileNotFoundError:
        return []


def age(path: str, seconds: float) -> None:
    """Make a file or folder look that much older."""
    found = os.stat(path)
    os.utime(path, (found.st_atime - seconds, found.st_mtime - seconds))
