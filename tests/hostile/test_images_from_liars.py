"""Files and web servers that lie: an error of ours, the store as it was, nothing left over, nobody waits for ever."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import socketserver
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layers import Item, directory, file, hardlink, symlink, tar_of, write_layout
from stores import left_over
from waiting import until
from wherry.base.digest import Digest
from wherry.base.errors import (
    DigestMismatch,
    ImageError,
    NetworkFailed,
    NotFound,
    RegistryError,
    UsageError,
    WherryError,
)
from wherry.base.outside import Outside
from wherry.base.progress import Event
from wherry.base.settings import load as load_settings
from wherry.containers import World, scratch_size
from wherry.containers.downloading import downloaded
from wherry.containers.trees import remove_tree
from wherry.image import (
    Source,
    flatten,
    folder_tar,
    form_of,
    import_folder,
    import_tar,
    load_images,
    open_directory,
    pack,
    root_tar,
    save_images,
    write_out,
)
from wherry.image.saving import FORMATS
from wherry.registry import Pace, download
from wherry.store import Store, open_at
from wherry_command import Wherry

CONTENT = tar_of([directory("bin"), file("bin/sh", b"x" * 5000, 0o755)])
SUM = Digest.of(CONTENT)
ROOT = [directory("bin"), file("bin/sh", b"x", 0o755)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


def assert_unchanged(store: Store) -> None:
    assert not list(store.image_records()) and not list(store.names()) and not left_over(store)
    assert not os.path.isdir(f"{store.path}/layers") or not os.listdir(f"{store.path}/layers")


# ---- files


def _archive(path: Path, form: str) -> Path:
    """An honest image of one layer in each form."""
    other = open_at(f"{path}-making")
    (image,) = load_images(other, str(write_layout(Path(f"{path}-layout"), [tar_of(ROOT)])))
    save_images(other, [image], str(path), form, name="lab:1" if form == "docker-archive" else "v1")
    return path


@pytest.mark.parametrize("name", ["index.json", "manifest.json", "oci-layout"])
def test_a_piece_that_is_there_twice_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    path = _archive(tmp_path / "a", "docker-archive")
    with tarfile.open(path, "a") as tar:
        tar.addfile(tarfile.TarInfo(f"./{name}"))
    with pytest.raises(ImageError, match="twice"):
        load_images(store, str(path))
    assert_unchanged(store)


@pytest.mark.parametrize("form", FORMATS)
def test_what_lacks_a_layer_is_refused(store: Store, tmp_path: Path, form: str) -> None:
    path = _archive(tmp_path / "a", form)
    layer = Digest.of(tar_of(ROOT)).hex
    if path.is_dir():
        next(found for found in path.rglob("*") if found.name == layer).unlink()
    else:
        with tarfile.open(path) as old, tarfile.open(tmp_path / "b", "w") as new:
            for member in old:
                if not member.name.endswith(layer):
                    new.addfile(member, old.extractfile(member) if member.isreg() else None)
        path = tmp_path / "b"
    with pytest.raises(ImageError, match="missing"):
        load_images(store, str(path))
    assert_unchanged(store)


@pytest.mark.parametrize("form", FORMATS)
def test_what_has_another_layer_than_it_says_is_refused(store: Store, tmp_path: Path, form: str) -> None:
    path = _archive(tmp_path / "a", form)
    for place in [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]:
        place.write_bytes(place.read_bytes().replace(b"bin/sh\0", b"bin/su\0"))
    with pytest.raises(ImageError):
        load_images(store, str(path))
    assert_unchanged(store)


@pytest.mark.parametrize("form", ["oci", "dir"])
def test_a_folder_whose_blobs_lead_out_gives_nothing_away(store: Store, tmp_path: Path, form: str) -> None:
    path = _archive(tmp_path / "a", form)
    (tmp_path / "secret").write_bytes(b"secret")
    for target in (str(tmp_path / "secret"), "/dev/zero", "/"):
        for place in [found for found in path.rglob("*") if found.name == Digest.of(tar_of(ROOT)).hex]:
            place.unlink()
            place.symlink_to(target)
        with pytest.raises(ImageError) as caught:
            load_images(store, str(path))
        assert "secret" not in str(caught.value).replace(str(tmp_path), "")
    assert_unchanged(store)


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_was_cut_is_refused_wherever(store: Store, tmp_path: Path, form: str, pack: type[bytes]) -> None:
    whole = pack(_archive(tmp_path / "a", form).read_bytes())
    for part in (1, 100, 600, len(whole) // 3, len(whole) // 2, len(whole) * 2 // 3):
        (tmp_path / "cut").write_bytes(whole[:part])
        with contextlib.suppress(OSError), pytest.raises(WherryError):
            form_of(str(tmp_path / "cut"))
            load_images(store, str(tmp_path / "cut"))
        assert_unchanged(store)


@pytest.mark.parametrize("cut", [700, 2000, -1500])
def test_a_root_tar_that_was_cut_is_refused(store: Store, tmp_path: Path, cut: int) -> None:
    (tmp_path / "root").write_bytes(CONTENT[:cut])
    with pytest.raises(ImageError):
        import_tar(store, str(tmp_path / "root"))
    assert_unchanged(store)


@pytest.mark.parametrize(
    "items",
    [
        [file("../outside", b"x")],
        [symlink("d", "/"), file("d/tmp/wherry-was-here", b"x")],
        [hardlink("l", "../../secret")],
        [directory("d"), hardlink("d/l", "/etc/passwd")],
        [Item("a/../../b")],
    ],
)
def test_a_root_tar_never_leads_out(store: Store, tmp_path: Path, items: list[Item]) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root").write_bytes(tar_of([directory("bin"), *items]))
    before = sorted(os.listdir(tmp_path))
    with contextlib.suppress(ImageError):
        image = import_tar(store, str(tmp_path / "root"))
        assert b"secret" not in b"".join(
            Path(f).read_bytes() for f in Path(image.layers[0].tree).rglob("*") if f.is_file()
        )
    assert sorted(os.listdir(tmp_path)) == before and not os.path.exists("/tmp/wherry-was-here")
    assert not left_over(store)


def test_a_root_tar_that_is_a_bomb_is_stopped(store: Store, tmp_path: Path) -> None:
    header = tarfile.TarInfo("bin/zeros")
    header.size = 10 << 30
    with gzip.open(tmp_path / "bomb", "wb", 1) as packed:
        packed.write(header.tobuf(tarfile.GNU_FORMAT))
        packed.write(bytes(1 << 28))
    with pytest.raises(ImageError):
        import_tar(store, str(tmp_path / "bomb"))
    assert_unchanged(store)


def test_a_folder_of_odd_things_is_taken_as_it_is(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    os.mkfifo(root / "pipe")
    (root / "loop").symlink_to("loop")
    (root / "out").symlink_to("/etc/passwd")
    (root / os.fsdecode(b"\xff\n")).write_bytes(b"x")
    tree = Path(import_folder(store, str(root)).layers[0].tree)
    assert (tree / "out").is_symlink() and (tree / "pipe").is_fifo() and (tree / os.fsdecode(b"\xff\n")).exists()
    (root / "bin").chmod(0)
    with pytest.raises(WherryError):
        import_folder(store, str(root))
    (root / "bin").chmod(0o700)
    assert not left_over(store)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/tty", "/proc/self/mem", "/proc/kmsg"])
@pytest.mark.parametrize("verb", ["load", "import", "run"])
def test_devices_and_the_like_are_not_read(tmp_path: Path, path: str, verb: str) -> None:
    result = Wherry(tmp_path / "user")(verb, path, timeout=20)
    assert result.status == 125 and "Traceback" not in result.stderr and path in result.stderr


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=2000), st.sampled_from([0, 1, 2]))
def test_any_bytes_have_a_form_or_none(tmp_path: Path, data: bytes, how: int) -> None:
    start = (b"", CONTENT[:512], b"#!x\n")[how]
    (tmp_path / "any").write_bytes(start + data)
    found = form_of(str(tmp_path / "any"))
    assert bool(found.kind) != bool(found.looks)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 4000), st.binary(min_size=1, max_size=40))
def test_a_damaged_layout_is_read_whole_or_refused(tmp_path: Path, position: int, rubbish: bytes) -> None:
    path = tmp_path / "a"
    if not path.exists():
        _archive(path, "oci-archive")
    data = bytearray(path.read_bytes())
    data[position : position + len(rubbish)] = rubbish
    (tmp_path / "damaged").write_bytes(data)
    store = open_at(str(tmp_path / "damaged-store"))
    with contextlib.suppress(WherryError):
        for image in load_images(store, str(tmp_path / "damaged")):
            assert os.path.exists(f"{image.layers[0].tree}/bin/sh")
    assert not left_over(store)


@pytest.mark.parametrize("piece", [b"\n", b" ", b"#\n", b" \n#", b"\t#\n ", b"<", b"\r\n"])
def test_much_of_little_is_looked_at_in_no_time(tmp_path: Path, piece: bytes) -> None:
    (tmp_path / "any").write_bytes(piece * 100_000)
    started = time.monotonic()
    assert form_of(str(tmp_path / "any")).looks
    assert time.monotonic() - started < 2


def test_a_list_without_an_end_is_refused(store: Store, tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout", [CONTENT])
    (layout / "index.json").write_text("[" * 100_000)
    with pytest.raises(ImageError):
        load_images(store, str(layout))
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [{"digest": 1}]}))
    with pytest.raises(ImageError):
        load_images(store, str(layout))
    assert_unchanged(store)


def test_a_list_that_nests_without_an_end_is_refused(store: Store, tmp_path: Path) -> None:
    path = _archive(tmp_path / "a", "docker-archive")
    nested = b'[{"Extra": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]"
    with tarfile.open(path) as old, tarfile.open(tmp_path / "b", "w") as new:
        for member in old:
            content = old.extractfile(member) if member.isreg() else None
            if member.name == "manifest.json":
                member.size, content = len(nested), io.BytesIO(nested)
            if member.name not in ("index.json", "oci-layout"):
                new.addfile(member, content)
    with pytest.raises(ImageError, match=r"manifest\.json"):
        load_images(store, str(tmp_path / "b"))
    assert_unchanged(store)


@pytest.mark.parametrize(
    ("item", "form"),
    [
        (Item("oci-layout", pax={"comment": "x" * (2 << 20)}), tarfile.PAX_FORMAT),
        (Item("x" * (2 << 20)), tarfile.GNU_FORMAT),
        (symlink("a", "x" * (2 << 20)), tarfile.GNU_FORMAT),
    ],
)
def test_a_header_that_claims_to_be_huge_is_refused(store: Store, tmp_path: Path, item: Item, form: int) -> None:
    """It would have to be held in memory."""
    (tmp_path / "a").write_bytes(tar_of([file("oci-layout", b"{}"), item], form))
    with pytest.raises(ImageError, match="has a header of"):
        load_images(store, str(tmp_path / "a"))
    assert_unchanged(store)


# ---- folders


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder whose content may be deeper than pytest can remove."""
    (tmp_path / "place").mkdir()
    yield tmp_path / "place"
    remove_tree(str(tmp_path / "place"))


def _deep(folder: Path, levels: int = 1100) -> Path:
    """Deeper than calls can nest; ``bin`` makes it a root file system."""
    (folder / "bin").mkdir(parents=True)
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("end", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    return folder


def test_a_folder_deeper_than_calls_nest_comes_in_and_goes_out(place: Path) -> None:
    store = open_at(str(place / "store"))
    image = import_folder(store, str(_deep(place / "deep")))
    end = "d/" * 1100 + "end"
    assert os.path.exists(f"{image.layers[0].tree}/{end}")
    assert sum(map(len, root_tar(image))) > 1100 * 512
    write_out(image, str(place / "out"))
    assert os.path.exists(f"{place}/out/{end}")
    assert os.path.exists(f"{flatten(store, image, plain=True)}/{end}")
    pack(store, open_directory(str(place / "out")), str(place / "file.sqfs"))
    assert scratch_size([str(place / "out")]) == 0
    with open(f"{place}/out/{end}", "w") as file:
        file.write("x" * 4096)
    assert scratch_size([str(place / "out")]) == 4096


@pytest.mark.parametrize("other", ["another", "link", "pipe", "nothing"])
def test_a_file_that_is_replaced_while_it_is_read_ends_the_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """A link that came there would give away what it leads to, a pipe would never end."""
    place = tmp_path / "root/bin/file"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x" * 100)
    (tmp_path / "secret").write_bytes(b"y" * 100)
    chunks = folder_tar(str(tmp_path / "root"))
    while b"bin/file" not in next(chunks):
        pass
    place.rename(tmp_path / "old")
    if other == "another":
        place.write_bytes(b"z" * 100)
    elif other == "link":
        place.symlink_to(tmp_path / "secret")
    elif other == "pipe":
        os.mkfifo(place)
    with pytest.raises(ImageError, match="replaced"):
        list(chunks)


# ---- what is written


@pytest.mark.parametrize("form", FORMATS)
def test_what_cannot_be_written_leaves_nothing(store: Store, tmp_path: Path, form: str) -> None:
    (image,) = load_images(store, str(write_layout(tmp_path / "layout", [tar_of(ROOT), tar_of([file("more")])])))
    Path(image.layers[1].tree, "more").unlink()  # somebody spoilt the store
    Path(image.layers[0].tree, "bin/sh").write_bytes(b"y")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(WherryError):
        save_images(store, [image], str(tmp_path / "saved"), form)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("form", ["oci", "dir"])
def test_a_folder_of_somebody_elses_is_left_alone(store: Store, tmp_path: Path, form: str) -> None:
    (image,) = load_images(store, str(write_layout(tmp_path / "layout", [tar_of(ROOT)])))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("1")
    with pytest.raises(WherryError, match="holds something"):
        save_images(store, [image], str(tmp_path / "thesis"), form)
    assert os.listdir(tmp_path / "thesis") == ["chapter"]


# ---- web servers

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


@contextlib.contextmanager
def _server(*answers: bytes | Callable[[socketserver.StreamRequestHandler], None]) -> Iterator[str]:
    """A server that gives these answers in turn, the last one for ever; each ends its connection."""
    left = list(answers)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                continue
            answer = left.pop(0) if len(left) > 1 else left[0]
            with contextlib.suppress(OSError):
                self.wfile.write(answer) if isinstance(answer, bytes) else answer(self)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/image"
        finally:
            server.shutdown()
            thread.join()


def _fetch(url: str, path: Path, expected: Digest | None = SUM, room: int = 1 << 30) -> Digest:
    outside = Outside({"HOME": "/nonexistent"})
    pace = Pace(attempts=4, read_timeout=0.3, stall_window=0.2, sleep=lambda seconds: None)

    def require(size: int) -> None:
        if size > room:
            raise UsageError("no room")

    settings_ = load_settings(outside)
    return download(url, str(path), expected, settings=settings_, outside=outside, pace=pace, require_space=require)


def test_an_honest_server_gives_its_file(tmp_path: Path) -> None:
    with _server(_OK % len(CONTENT) + CONTENT) as url:
        assert _fetch(url, tmp_path / "file") == SUM
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_broken_connection_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    def rest(handler: socketserver.StreamRequestHandler) -> None:
        head = b"HTTP/1.1 206 Partial\r\nContent-Length: %d\r\nContent-Range: bytes 1000-%d/%d\r\n\r\n"
        handler.wfile.write(head % (len(CONTENT) - 1000, len(CONTENT) - 1, len(CONTENT)) + CONTENT[1000:])

    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with _server(_OK % len(CONTENT) + CONTENT[:1000], b"", busy, rest) as url:
        assert _fetch(url, tmp_path / "file") == SUM


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", NotFound),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", NotFound),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", RegistryError),
        (b"HTTP/1.1 204 No Content\r\n\r\n", RegistryError),
        (b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 7-9/10\r\nContent-Length: 3\r\n\r\nabc", RegistryError),
        (_OK % (len(CONTENT) + 9) + CONTENT, RegistryError),
        (_OK % 100 + CONTENT, ImageError),
        (_OK % len(CONTENT) + CONTENT[::-1], ImageError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", WherryError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx", WherryError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", RegistryError),
        (b"rubbish\r\n\r\n", RegistryError),
        (b"", RegistryError),
        (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", RegistryError),
        (b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/x\r\nContent-Length: 0\r\n\r\n", RegistryError),
        (b"HTTP/1.1 302 Found\r\nLocation: /image\r\nContent-Length: 0\r\n\r\n", RegistryError),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[::bad\r\nContent-Length: 0\r\n\r\n", RegistryError),
    ],
)
def test_a_server_that_lies_is_found_out(tmp_path: Path, answer: bytes, kind: type[Exception]) -> None:
    with _server(answer) as url, pytest.raises(kind) as caught:
        _fetch(url, tmp_path / "file")
    assert isinstance(caught.value, WherryError) and "root:" not in str(caught.value)


def test_a_server_that_stalls_is_left(tmp_path: Path) -> None:
    """Silent, and so slow that it would take years."""
    done = threading.Event()

    def silent(handler: socketserver.StreamRequestHandler) -> None:
        handler.wfile.write(_OK % len(CONTENT))
        done.wait(20)

    def slow(handler: socketserver.StreamRequestHandler) -> None:
        handler.wfile.write(_OK % len(CONTENT))
        for position in range(len(CONTENT)):
            handler.wfile.write(CONTENT[position : position + 1])
            if done.wait(0.1):
                return

    try:
        for answer in (silent, slow):
            with _server(answer) as url, pytest.raises(NetworkFailed):
                _fetch(url, tmp_path / "file")
    finally:
        done.set()


def test_a_file_without_an_end_stops_where_there_is_no_room(tmp_path: Path) -> None:
    def endless(handler: socketserver.StreamRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            handler.wfile.write(bytes(1 << 20))

    with _server(endless) as url, pytest.raises(UsageError, match="no room"):
        _fetch(url, tmp_path / "file", room=1 << 20)
    with _server(_OK % (1 << 40)) as url, pytest.raises(UsageError, match="no room"):
        _fetch(url, tmp_path / "file")
    assert (tmp_path / "file").stat().st_size <= 1 << 28


def test_plain_http_from_elsewhere_needs_a_checksum(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="by http"):
        _fetch("http://192.0.2.1/image", tmp_path / "file", None)


def test_a_wrong_file_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    wherry = Wherry(tmp_path / "user")
    with _server(_OK % len(CONTENT) + CONTENT) as url:
        for verb in (("run", "{}", "true"), ("load", "-i", "{}"), ("import", "{}", "lab:1"), ("inspect", "{}")):
            result = wherry(*(word.format(f"{url}#sha256={'0' * 64}") for word in verb))
            assert result.status == 125 and "is not what its checksum says" in result.stderr, str(result)
    store = open_at(str(wherry.folder / "store"))
    assert_unchanged(store)
    assert os.listdir(f"{store.path}/partial") == []


def test_bombs_behind_a_url_are_stopped(tmp_path: Path) -> None:
    header = tarfile.TarInfo("manifest.json")
    header.size = 10 << 30
    bomb = gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 27), 9)
    wherry = Wherry(tmp_path / "user")
    with _server(_OK % len(bomb) + bomb) as url:
        result = wherry("load", f"{url}#sha256={Digest.of(bomb).hex}")
    assert result.status == 125 and "Traceback" not in result.stderr
    assert_unchanged(open_at(str(wherry.folder / "store")))


def test_another_address_with_the_same_checksum_writes_nowhere_else(tmp_path: Path) -> None:
    """It waits for the first one, and its answer is never mixed with that one's."""
    waiting, world = threading.Event(), World(Outside({"HOME": str(tmp_path)}), make_store=True)
    world.store = open_at(str(tmp_path / "store"))
    got: list[bytes] = []

    def honest(handler: socketserver.StreamRequestHandler) -> None:
        handler.wfile.write(_OK % len(CONTENT) + CONTENT[:1000])
        waiting.wait(20)
        handler.wfile.write(CONTENT[1000:])

    def fetch(url: str) -> None:
        def tell(event: Event) -> None:
            if event.stage == "waiting":
                waiting.set()

        with contextlib.suppress(WherryError), downloaded(world, Source("url", url, checksum=SUM), tell) as path:
            got.append(Path(path).read_bytes())

    with _server(honest) as good, _server(_OK % len(CONTENT) + CONTENT[::-1]) as evil:
        first = threading.Thread(target=fetch, args=(good,))
        first.start()
        until(lambda: os.path.exists(partial := world.store.partial_path(SUM)) and os.path.getsize(partial) >= 1000)
        second = threading.Thread(target=fetch, args=(evil,))
        second.start()
        for thread in (first, second):
            thread.join(30)
    assert got == [CONTENT]


def test_what_was_changed_behind_its_back_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no lock keeps others off, the file is compared once more."""

    def changed(url: str, path: str, expected: Digest, **more: object) -> Digest:
        found = _fetch(url, Path(path), expected)
        Path(path).write_bytes(CONTENT[::-1])
        return found

    world = World(Outside({"HOME": str(tmp_path)}))
    world.store = open_at(str(tmp_path / "store"))
    monkeypatch.setattr("wherry.registry.download", changed)
    honest = _OK % len(CONTENT) + CONTENT
    with _server(honest) as url, pytest.raises(DigestMismatch), downloaded(world, Source("url", url, checksum=SUM)):
        pytest.fail("it was given out")
    assert os.listdir(f"{world.store.path}/partial") == []
