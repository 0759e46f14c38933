"""An image is the same in each form that it can have: the same files with all that a tar can say, the same
configuration, and the same bytes when it is written twice."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
import zstandard

import images
from layers import Item, directory, file, hardlink, make_removable, symlink, tar_of, whiteout, write_layout
from wherry.base.errors import BrokenArchive
from wherry.image import (
    Image,
    Imported,
    folder_tar,
    form_of,
    import_folder,
    import_tar,
    load_file,
    load_images,
    load_named,
    root_tar,
    save_images,
)
from wherry.image.saving import FORMATS
from wherry.store import Store, open_at

NAME = "example.org/team/lab:3"
CONFIG = {"Env": ["PATH=/bin", "A=1"], "Cmd": ["sh"], "WorkingDir": "/data", "Labels": {"k": "v"}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


@pytest.fixture
def other(tmp_path: Path) -> Store:
    """A store that has seen nothing yet."""
    return open_at(str(tmp_path / "other"))


@pytest.fixture
def layered(store: Store, tmp_path: Path) -> Image:
    """Layers with all that is hard: owners, set-id bits, devices, attributes, whiteouts, links, odd names."""
    return load_file(store, str(images.image("layered")))


def copy(source: str, target: str) -> None:
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", source, target], check=True, capture_output=True)


def whole(image: Image) -> bytes:
    """All files of an image, with all that is known of them."""
    return b"".join(root_tar(image))


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_saved_is_read_again_as_it_was(
    store: Store, other: Store, layered: Image, tmp_path: Path, form: str
) -> None:
    digests = save_images(store, [layered], str(tmp_path / "saved"), form)
    assert form_of(str(tmp_path / "saved")).kind == {"oci": "oci", "dir": "dir"}.get(form, "archive")
    again = load_file(other, str(tmp_path / "saved"))
    assert (again.digest,) == digests
    assert again.config == layered.config
    assert whole(again) == whole(layered)


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_image_gives_the_same_bytes(store: Store, layered: Image, tmp_path: Path, form: str) -> None:
    for name in ("one", "two"):
        save_images(store, [layered], str(tmp_path / name), form)
    files = [
        sorted(p for p in [tmp_path / name, *(tmp_path / name).rglob("*")] if p.is_file()) for name in ("one", "two")
    ]
    assert files[0] and [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]


@pytest.mark.parametrize("form", FORMATS)
def test_skopeo_reads_what_is_saved(store: Store, other: Store, layered: Image, tmp_path: Path, form: str) -> None:
    save_images(store, [layered], str(tmp_path / "saved"), form)
    copy(f"{form}:{tmp_path}/saved", f"oci:{tmp_path}/theirs:x")
    again = load_file(other, str(tmp_path / "theirs"))
    assert again.config == layered.config and whole(again) == whole(layered)


@pytest.mark.parametrize("form", FORMATS)
def test_what_skopeo_writes_is_read(store: Store, layered: Image, other: Store, tmp_path: Path, form: str) -> None:
    name = {"docker-archive": f":{NAME}", "oci-archive": ":tag", "oci": ":tag"}.get(form, "")
    copy(f"oci:{images.image('layered')}:latest", f"{form}:{tmp_path}/theirs{name}")
    again = load_file(other, str(tmp_path / "theirs"))
    assert again.config == layered.config and whole(again) == whole(layered)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_an_archive_is_read_in_each_compression(
    store: Store, other: Store, layered: Image, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    save_images(store, [layered], str(tmp_path / "saved"), "oci-archive")
    (tmp_path / "packed").write_bytes(pack((tmp_path / "saved").read_bytes()))
    assert whole(load_file(other, str(tmp_path / "packed"))) == whole(layered)


def test_an_archive_that_somebody_unpacked_is_read(other: Store, layered: Image, tmp_path: Path) -> None:
    copy(f"oci:{images.image('layered')}:latest", f"docker-archive:{tmp_path}/theirs:{NAME}")
    (tmp_path / "folder").mkdir()
    subprocess.run(["tar", "-xf", str(tmp_path / "theirs"), "-C", str(tmp_path / "folder")], check=True)
    assert form_of(str(tmp_path / "folder")).kind == "archive"
    assert whole(load_file(other, str(tmp_path / "folder"))) == whole(layered)
    (tmp_path / "folder" / "manifest.json").unlink()
    (tmp_path / "old").write_bytes(b"".join(folder_tar(str(tmp_path / "folder"))))
    with pytest.raises(BrokenArchive, match=r"Docker before 1\.10"):
        load_file(other, str(tmp_path / "old"))


def test_several_images_share_an_archive_and_their_layers(
    store: Store, other: Store, layered: Image, tmp_path: Path
) -> None:
    tiny = load_file(store, str(images.image("tiny")))
    named = [renamed(tiny, "tiny:1"), renamed(layered, NAME), renamed(tiny, "tiny:2")]
    save_images(store, named, str(tmp_path / "both"))
    with tarfile.open(tmp_path / "both") as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))
    assert (
        sum(name.startswith("blobs/sha256/") for name in names) == len(layered.layers) + 4
    )  # the layer of tiny is shared
    loaded = load_images(other, str(tmp_path / "both"))
    assert [image.digest for image in loaded][:1] != [loaded[-1].digest]
    assert sorted(str(ref) for ref, _ in other.names()) == [
        "docker.io/library/tiny:1",
        "docker.io/library/tiny:2",
        NAME,
    ]
    one, two = (load_images(other, str(tmp_path / "both"), wanted=f"tiny:{n}")[0] for n in (1, 2))
    assert one.digest == two.digest
    third = load_images(other, str(tmp_path / "both"), wanted=NAME)[0]
    assert third.config == layered.config
    told = load_named(other, str(tmp_path / "both"))
    assert {str(name): each.image.digest for each in told for name in each.names} == {
        "docker.io/library/tiny:1": one.digest,
        "docker.io/library/tiny:2": one.digest,
        NAME: third.digest,
    }


def renamed(image: Image, name: str) -> Image:
    return msgspec.structs.replace(image, reference=name)


def test_a_layout_is_added_to(store: Store, other: Store, layered: Image, tmp_path: Path) -> None:
    tiny = load_file(store, str(images.image("tiny")))
    place = str(tmp_path / "layout")
    save_images(store, [tiny], place, "oci", name="one")
    save_images(store, [layered], place, "oci", name="two")
    save_images(store, [layered], place, "oci", name="one")  # the tag moves
    found = [load_images(other, place, wanted=tag)[0].config for tag in ("one", "two")]
    assert found == [layered.config, layered.config]
    copy(f"oci:{place}:two", f"oci:{tmp_path}/theirs:x")


def test_a_root_tar_is_the_image_of_one_layer(store: Store, other: Store, layered: Image, tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(whole(layered))
    again = import_tar(other, str(tmp_path / "root.tar"))
    assert len(again.layers) == 1
    assert whole(again) == whole(layered)
    assert import_tar(open_at(str(tmp_path / "third")), str(tmp_path / "root.tar")).digest == again.digest


def test_an_imported_image_goes_out_as_it_came_in(store: Store, other: Store, layered: Image, tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(whole(layered))
    again = import_tar(store, str(tmp_path / "root.tar"), Imported(changes=('CMD ["a"]', "ENV B=2"), message="why"))
    save_images(store, [again], str(tmp_path / "saved"))
    third = load_file(other, str(tmp_path / "saved"))
    assert third.config.config.cmd == ("a",) and "B=2" in third.config.config.env
    assert third.config.history[0].comment == "why"
    assert whole(third) == whole(layered)


def test_a_tar_that_its_tree_does_not_give_back_is_kept(store: Store, other: Store, tmp_path: Path) -> None:
    """A file that a later entry of the same tar replaces, as ``tar -r`` leaves it."""
    twice = tar_of([directory("bin"), file("bin/x", b"one"), file("bin/x", b"two"), file("bin/x", b"three" * 999)])
    (tmp_path / "root.tar").write_bytes(twice)
    image = import_tar(store, str(tmp_path / "root.tar"))
    assert not image.layers[0].meta.rebuildable
    save_images(store, [image], str(tmp_path / "saved"))
    assert whole(load_file(other, str(tmp_path / "saved"))) == whole(image)


def test_a_folder_is_the_image_that_its_tar_is(store: Store, other: Store, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin/x").write_bytes(b"#!/bin/sh\n")
    (root / "bin/x").chmod(0o755)
    (root / "bin/again").hardlink_to(root / "bin/x")
    (root / "link").symlink_to("/bin/x")
    (root / ("long" * 60)).write_bytes(b"y" * 1000)
    image = import_folder(store, str(root))
    with tarfile.open(fileobj=BytesIO(whole(image))) as tar:
        found = {member.name: member for member in tar}
    assert found["bin/x"].islnk() and found["bin/again"].mode == 0o755 and found["bin/again"].uid == 0
    assert found["link"].linkname == "/bin/x" and found["long" * 60].size == 1000
    (tmp_path / "root.tar").write_bytes(b"".join(folder_tar(str(root))))
    assert import_tar(other, str(tmp_path / "root.tar")).digest == image.digest


def test_what_others_make_of_an_export_is_the_same(store: Store, tmp_path: Path) -> None:
    """GNU tar unpacks it to the same names, links and contents."""
    items: list[Item] = [
        directory("bin"),
        file("bin/" + "n" * 130, b"x" * 3000, 0o755),
        hardlink("again", "bin/" + "n" * 130),
        symlink("s", "t" * 150),
        file("caf\u00e9", b"1"),
        file("old", b"1", mtime=1.25),
        file("gone", b"2"),
    ]
    layout = write_layout(tmp_path / "layout", [tar_of(items), tar_of([whiteout("gone")])], form="gzip")
    image = load_file(store, str(layout))
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xf", "-", "-C", str(tmp_path / "out")], input=whole(image), check=True)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == sorted(["again", "bin", "caf\u00e9", "old", "s"])
    assert (out / "again").samefile(out / "bin" / ("n" * 130)) and (out / "s").readlink() == Path("t" * 150)
    assert (out / "old").stat().st_mtime == 1.25
    make_removable(out)


def test_devices_go_out_as_far_as_nothing_hides_them(store: Store, tmp_path: Path) -> None:
    """No tree holds them: the tables of the layers decide."""
    lower = [directory("dev"), directory("gone"), directory("opaque")]
    names = ("dev/null", "dev/removed", "dev/replaced", "gone/null", "opaque/null")
    lower += [Item(name, tarfile.CHRTYPE, device=(1, 3), mode=0o666) for name in names]
    upper = [whiteout("dev/removed"), file("dev/replaced"), whiteout("gone"), directory("opaque")]
    upper += [file("opaque/.wh..wh..opq"), Item("opaque/new", tarfile.BLKTYPE, device=(8, 1))]
    image = load_file(store, str(write_layout(tmp_path / "layout", [tar_of(lower), tar_of(upper)])))
    with tarfile.open(fileobj=BytesIO(whole(image))) as tar:
        found = {member.name: (member.type, member.devmajor, member.devminor) for member in tar if member.isdev()}
    assert found == {"dev/null": (tarfile.CHRTYPE, 1, 3), "opaque/new": (tarfile.BLKTYPE, 8, 1)}
