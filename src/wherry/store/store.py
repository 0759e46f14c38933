"""One store: looking up, adding, naming. Collecting is ``collect``, waiting ``flight``, measuring ``space``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from wherry.base.digest import Digest
from wherry.base.errors import DigestMismatch, InvalidName, NotFound, StoreError
from wherry.store import names
from wherry.store.durable import read_small
from wherry.store.opening import FORMAT, check_format, create, locate, locate_sites
from wherry.store.values import (
    ImageRecord,
    Layer,
    LayerMeta,
    LayerSource,
    Lease,
    Name,
    decode_meta,
    decode_record,
    encode_meta,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from wherry.base.outside import Outside
    from wherry.base.progress import Progress
    from wherry.base.reference import Reference
    from wherry.base.settings import Settings
    from wherry.store.faults import reported
    from wherry.store.flight import Timing

__all__ = ["FORMAT", "Store", "open_at", "open_store"]


def open_store(settings: Settings, outside: Outside, *, make: bool = True) -> Store:
    """The user's store over the site's, made when there is none; without ``make`` it is then empty, and for looking.

    Raises :class:`StoreVersion` when a newer Wherry wrote one of them, :class:`StoreError` when it cannot be made.
    """
    return open_at(locate(settings, outside), locate_sites(settings, outside), make=make)


def open_at(path: str, sites: Iterable[str] = (), *, make: bool = True) -> Store:
    """The store at ``path``, made when there is none (unless not ``make``), over read-only ones at ``sites``."""
    below = tuple(Store(site) for site in sites if site != path and check_format(site))
    if not check_format(path) and make:
        create(path)
    return Store(path, below)


class Store:
    """A store at ``path``; ``site`` are read-only ones below it, asked in order for what it lacks itself.

    Cheap to make and without state: everything is on disk. All methods may be called from several threads, processes
    and nodes at once. What they add is durable and complete when they return, and invisible before. Each
    :class:`OSError` becomes a :class:`StoreError` (:class:`StoreFull` for space and quota) that names the folder.
    """

    def __init__(self, path: str, site: tuple[Store, ...] = ()) -> None:
        self.path = path
        self.site = site

    def __repr__(self) -> str:
        return f"Store({self.path!r})"

    @property
    def writable(self) -> bool:
        """Whether this process may change the store (its mount may be read-only, or it is somebody else's)."""
        return os.access(self.path, os.W_OK | os.X_OK)

    @property
    def _stack(self) -> tuple[Store, ...]:
        return (self, *self.site)

    # ---- blobs: small files named by their digest -------------------------------------------------------------------

    def blob_path(self, digest: Digest) -> str | None:
        """Where the blob is, None when it is nowhere; its bytes are not verified."""
        return self._first(f"blobs/{digest.algorithm}/{digest.hex}")

    def has_blob(self, digest: Digest) -> bool:
        return self.blob_path(digest) is not None

    def read_blob(self, digest: Digest) -> bytes:
        """The blob's bytes, verified. Raises :class:`NotFound`, :class:`DigestMismatch` (then it is taken away)."""
        path = self.blob_path(digest)
        data = None if path is None else self._read(path)
        if path is None or data is None:
            raise NotFound(f"'{digest}' is not in the store '{self.path}'", hint="pull the image again")
        if not digest.is_of(data):
            if path.startswith(f"{self.path}/") and self.writable:
                self.discard(path)  # so that the next pull brings it anew
            raise DigestMismatch(f"'{path}' was damaged on disk", why=f"it is {Digest.of(data)} now", hint="pull again")
        return data

    def put_blob(self, data: bytes) -> Digest:
        """Add a blob. Idempotent; one that is there already becomes young again, so that no collector takes it."""
        from wherry.store.durable import write_file

        digest = Digest.of(data)
        path = f"{self.path}/blobs/{digest.algorithm}/{digest.hex}"
        with self._reported("write a blob"):
            try:
                if os.stat(path).st_size == len(data):
                    os.utime(path)
                    return digest
            except FileNotFoundError:
                pass
            write_file(self.path, path, data)
        return digest

    def keep_blob(self, path: str, digest: Digest) -> None:
        """Move a verified file of this store (below tmp/ or partial/) among the blobs; an existing one wins."""
        from wherry.store.durable import move, sync_folders

        target = f"{self.path}/blobs/{digest.algorithm}/{digest.hex}"
        with self._reported("keep a blob"):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            made = move(path, target)
            sync_folders(os.path.dirname(target), self.path if made else None)

    def partial_path(self, digest: Digest) -> str:
        """Where a compressed layer's bytes gather until they are whole; what is there is resumed, and not trusted."""
        from wherry.store.durable import make_folder

        folder = f"{self.path}/partial"
        with self._reported("download a layer"):
            make_folder(folder)
        return f"{folder}/{digest.hex}"

    @contextmanager
    def partial(self, digest: Digest) -> Iterator[str]:
        """:meth:`partial_path` for one who writes there, until the block ends; another place while somebody else does.

        What has come is verified by whoever keeps it.
        """
        from wherry.store.partials import held_partial

        path = self.partial_path(digest)
        with ExitStack() as stack:
            with self._reported("download a layer"):
                path = stack.enter_context(held_partial(path))
            yield path

    # ---- layers: unpacked trees ------------------------------------------------------------------------------------

    def find_layer(self, key: str) -> Layer | None:
        """The complete layer ``key`` (hex digits), None when there is none. One file is read."""
        for store in self._stack:
            folder = f"{store.path}/layers/{key}"
            data = self._read(f"{folder}/meta.json")
            if data is None:
                continue
            try:
                return Layer(key, f"{folder}/tree", f"{folder}/table.zst", decode_meta(data))
            except (ValueError, InvalidName):
                continue  # cannot happen to what was synced; then it is as good as absent
        return None

    def new_work(self) -> str:
        """A fresh folder on the store's file system; swept when this process dies without publishing it."""
        from wherry.store.discard import sweep_once
        from wherry.store.durable import fresh_path

        with self._reported("begin work"):
            sweep_once(self.path)
            work = fresh_path(self.path)
            os.mkdir(work)
        return work

    def publish_layer(self, work: str, key: str, meta: LayerMeta, *, lasting: bool = True) -> Layer:
        """Make ``work`` (holding ``tree`` and ``table.zst``) the layer ``key``; an existing one wins. One that is not
        ``lasting`` may be gone after a crash of the machine, until an image's record names it."""
        return self.publish_layers([(work, key, meta)], lasting=lasting)[0]

    def publish_layers(
        self, finished: Iterable[tuple[str, str, LayerMeta]], *, lasting: bool = True
    ) -> tuple[Layer, ...]:
        """As :meth:`publish_layer` for several, with one sync for all. On failure the works are removed."""
        from wherry.store.publish import publish

        items = list(finished)
        with self._reported("keep a layer"):
            found = [(work, f"layers/{key}", encode_meta(meta)) for work, key, meta in items]
            publish(self.path, found, lasting=lasting)
        return tuple(self._published(key) for _, key, _ in items)

    def _published(self, key: str) -> Layer:
        layer = self.find_layer(key)
        if layer is None:
            raise StoreError(f"layer '{key[:12]}' went from '{self.path}' as it came", hint="pull the image again")
        return layer

    def flat_path(self, chain: str | Digest) -> str | None:
        """The flattened tree of a chain of layers, None when there is none."""
        return self._first(f"flat/{_hex(chain)}/tree")

    def publish_flat(self, work: str, chain: str | Digest, size: int = 0) -> str:
        """Make ``work`` (holding ``tree``, ``size`` bytes) the flattened tree of ``chain``; return the tree's path."""
        from wherry.store.publish import publish

        with self._reported("keep a flattened tree"):
            publish(self.path, [(work, f"flat/{_hex(chain)}", b'{"size":%d}' % size)])
        return f"{self.path}/flat/{_hex(chain)}/tree"

    def discard(self, path: str) -> None:
        """Remove a work folder or anything else of this store's: out of sight at once, then deleted."""
        from wherry.store.discard import delete_tree, put_aside

        with self._reported("remove what is not needed"):
            if path.startswith(f"{self.path}/tmp/"):
                delete_tree(path)
            elif aside := put_aside(self.path, path):
                delete_tree(aside)

    # ---- where compressed layers can be had --------------------------------------------------------------------------

    def sources(self, layer: Layer) -> tuple[LayerSource, ...]:
        """Where the layer's bytes are, in whatever compression, the last learnt first; hints, no promises."""
        from wherry.store.sources import merged, recall

        learnt = (source for store in self._stack for source in recall(store.path, layer.key))
        return merged((*learnt, *layer.meta.sources))

    def remember_source(self, layer: Layer, source: LayerSource) -> None:
        """Learn one more; the oldest are forgotten. Never fails: without it a push may compress anew."""
        from wherry.store.sources import remember

        place = (source.digest, source.repository)
        known = [one for one in self.sources(layer) if (one.digest, one.repository) == place]
        if not any(one.verified >= source.verified for one in known):
            remember(self.path, layer.key, source)

    def owners_note(self, key: str) -> bytes | None:
        """What was noted of the owners in layer ``key``, None when nothing was; only a hint."""
        from wherry.store.owners import recall

        return next((note for store in self._stack if (note := recall(store.path, key)) is not None), None)

    def note_owners(self, key: str, note: bytes) -> None:
        """Note it. Never fails: without it the layer's table is read."""
        from wherry.store.owners import remember

        remember(self.path, key, note)

    def image_of_file(self, key: Digest) -> tuple[Digest, str] | None:
        """The image that came of a file, and what it is called; ``key`` says which bytes were read. Only a hint."""
        from wherry.store.files import recall

        return next((found for store in self._stack if (found := recall(store.path, key))), None)

    def remember_file(self, key: Digest, image: Digest, shown: str) -> None:
        """Learn it. Never fails: without it the file is read again."""
        from wherry.store.files import remember

        remember(self.path, key, image, shown)

    # ---- names and images --------------------------------------------------------------------------------------------

    def name(self, ref: Reference) -> Name | None:
        """What ``ref`` leads to here; a reference with a digest leads to itself, if that manifest is here."""
        if ref.digest is not None:
            return Name(ref.digest) if self.image_record(ref.digest) else None
        path = f"names/{names.path_of(ref)}"
        for store in self._stack:
            data = self._read(f"{store.path}/{path}")
            found = None if data is None else names.decode(data)
            if found is not None:
                return found
        return None

    def name_path(self, ref: Reference) -> str:
        """The file of this store that changes when ``ref`` leads elsewhere (for a digest: its image record)."""
        if ref.digest is not None:
            return self.record_path(ref.digest)
        return f"{self.path}/names/{names.path_of(ref)}"

    def name_paths(self, ref: Reference) -> tuple[str, ...]:
        """:meth:`name_path` here and in the site's stores, in the order of look-up."""
        return tuple(store.name_path(ref) for store in self._stack)

    def set_name(self, ref: Reference, name: Name) -> None:
        """Let ``ref`` lead to ``name``, also when it led elsewhere. Put the image's record before.

        A file that says so already is left as it is: saved plans look at its stamp.
        """
        from wherry.store.durable import write_file

        if ref.digest is not None:
            raise InvalidName(f"'{ref}' cannot be a name", why="its digest says already what it is")
        with self._reported("write a name"):
            path, content = self.name_path(ref), names.encode(name)
            if read_small(path) != content:
                write_file(self.path, path, content)

    def remove_name(self, ref: Reference) -> bool:
        """Forget a name of this store; False when there is none."""
        path = self.name_path(ref)
        with self._reported("remove a name"):
            try:
                os.unlink(path)
            except (FileNotFoundError, NotADirectoryError):
                return False
            folder = os.path.dirname(path)
            while folder != f"{self.path}/names":
                try:
                    os.rmdir(folder)
                except OSError:
                    break
                folder = os.path.dirname(folder)
        return True

    def names(self) -> Iterator[tuple[Reference, Name]]:
        """All names, this store's first; the site's as far as they are not hidden by the user's own."""
        seen = set()
        for store in self._stack:
            for path in names.walk(f"{store.path}/names"):
                ref = names.reference_of(path)
                data = self._read(f"{store.path}/names/{path}")
                found = None if data is None else names.decode(data)
                if ref is not None and found is not None and ref not in seen:
                    seen.add(ref)
                    yield ref, found

    def record_path(self, digest: Digest) -> str:
        """The file of this store that exists while the image does; its mtime is the image's last use."""
        return f"{self.path}/images/{digest.hex}"

    def image_record(self, digest: Digest) -> ImageRecord | None:
        for store in self._stack:
            data = self._read(store.record_path(digest))
            if data is None:
                continue
            try:
                return decode_record(digest, data)
            except (ValueError, InvalidName):
                continue
        return None

    def image_records(self) -> Iterator[ImageRecord]:
        """All images, this store's first, each once."""
        seen = set()
        for store in self._stack:
            try:
                found = sorted(os.listdir(f"{store.path}/images"))
            except (FileNotFoundError, NotADirectoryError):
                continue
            for name in found:
                digest = digest_of_file(name)
                if digest is None or digest in seen:
                    continue
                seen.add(digest)
                record = self.image_record(digest)
                if record is not None:
                    yield record

    def put_image_record(self, record: ImageRecord) -> None:
        """Say what belongs together; put layers and blobs before, names after. Idempotent.

        Raises :class:`StoreError` when a collector took one of the layers or blobs meanwhile: fetch it again.
        """
        from wherry.store.publish import publish_record

        with self._reported("write an image's record"):
            gone = publish_record(self, record)
        if gone:
            raise StoreError(
                f"the image '{record.digest}' is not complete in '{self.path}'",
                why=f"{gone} was removed while the rest was fetched",
                hint="pull again",
            )

    def touch_image(self, digest: Digest) -> None:
        """Remember that the image was used now. Never fails: a store that cannot be written keeps no such order."""
        try:
            os.utime(self.record_path(digest))
        except OSError:
            return

    # ---- those who use, fetch, need space ----------------------------------------------------------------------------

    def lease(self, image_digest: Digest, node: str, boot_id: str, runtime: str = "") -> str:
        """Say that ``node`` may use the image; return the lease's path, empty where none can be or need be taken.

        ``runtime`` is the folder where running containers are noted; who looks into another one must trust the lease.
        None is taken for a site's image or in a store that cannot be written: nothing is removed from here then.
        Raises :class:`NotFound` when the image is being removed: the lease is written first and the record looked up
        after it, the remover takes the record first and looks for leases after it, so one of the two sees the other.
        """
        from wherry.store import leases

        path = self.record_path(image_digest)
        if self._read(path) is None:
            return self._no_lease(image_digest)
        try:
            lease = leases.take(self.path, image_digest, node, boot_id, leases.session_of(runtime))
        except OSError as error:
            if not self.writable:
                return ""
            with self._reported("write a lease"):
                raise error
        if self._read(path) is None:
            return self._no_lease(image_digest)  # the lease stays: it may be another start's, and does no harm
        return lease

    def _no_lease(self, image_digest: Digest) -> str:
        if self.image_record(image_digest) is None:
            raise NotFound(f"image '{image_digest}' is not in the store '{self.path}'", hint="pull it again")
        return ""

    def leases(self, image_digest: Digest) -> list[Lease]:
        """Who may be using the image; stale ones are among them."""
        from wherry.store import leases

        with self._reported("read leases"):
            return leases.all_of(self.path, image_digest)

    def flight(
        self,
        key: str,
        progress: Progress,
        is_done: Callable[[], bool],
        timing: Timing | None = None,
        *,
        subject: str = "",
    ) -> AbstractContextManager[bool]:
        """Of all who ask for ``key`` (``subject`` for people) one is told True and fetches; the others wait until
        ``is_done()``: False."""
        from wherry.store.flight import Timing, flight

        return flight(self.path, key, progress, is_done, timing or Timing(), subject)

    def shared_flight(
        self, key: str, progress: Progress, timing: Timing | None = None, *, subject: str = ""
    ) -> AbstractContextManager[bool]:
        """As :meth:`flight` for a question: False once it was asked anew, and answered, since this call began."""
        from wherry.store.flight import Timing, shared_flight

        return shared_flight(self.path, key, progress, timing or Timing(), subject)

    def require_space(self, bytes_needed: int, what: str) -> None:
        """Raise :class:`StoreFull` unless ``bytes_needed`` fit into free space and quota.

        ``what`` needs them and begins the message: ``the image 'debian:12'``.
        """
        from wherry.store.space import require

        require(self.path, bytes_needed, what)

    # ---- below -------------------------------------------------------------------------------------------------------

    def _first(self, path: str) -> str | None:
        for store in self._stack:
            candidate = f"{store.path}/{path}"
            try:
                os.stat(candidate)
            except OSError:
                continue
            return candidate
        return None

    def _read(self, path: str) -> bytes | None:
        try:
            return read_small(path)
        except OSError as error:
            from wherry.store.faults import translated

            raise translated(error, f"read '{path.removeprefix(self.path + '/')}'", self.path) from error

    def _reported(self, doing: str) -> reported:
        from wherry.store.faults import reported

        return reported(doing, self.path)


def digest_of_file(name: str) -> Digest | None:
    """The digest that a file is named by: its hex digits, whose number tells the algorithm."""
    try:
        return Digest.parse(("sha512:" if len(name) == 128 else "sha256:") + name)
    except InvalidName:
        return None


def _hex(chain: str | Digest) -> str:
    return chain.hex if isinstance(chain, Digest) else chain.rpartition(":")[2]
