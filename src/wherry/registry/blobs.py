"""A blob as a stream of verified bytes, which survives broken connections."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from types import TracebackType
from urllib.parse import urlsplit

from wherry.base.decimals import decimal
from wherry.base.digest import Digest, Hasher
from wherry.base.errors import DigestMismatch, NetworkFailed, NotInRegistry, WherryError
from wherry.base.reference import Reference
from wherry.registry.endpoints import Endpoint, setting
from wherry.registry.failures import Trouble
from wherry.registry.session import Session, pull_scope
from wherry.registry.transport import Answer

__all__ = ["BlobStream"]

_CHUNK = 256 * 1024
"""Bytes asked for at once: the fastest size on loopback, and small enough for many layers at a time."""

_SMALL = 64 * 1024
"""Pieces below this are put together (TLS delivers 16 KiB at a time)."""

_PROGRESS = 64 * 1024
"""A try that brought this many bytes does not count as failed."""


class BlobStream:
    """Iterates over a blob's bytes in chunks of at most 256 KiB; ends normally only if size and digest are right.

    Broken and stalled connections are resumed where they broke, at another endpoint if one fails. The bytes may be
    used as they come, but must not be trusted before the end: raises :class:`DigestMismatch` there, and
    :class:`NetworkFailed`, :class:`Unauthorized`, :class:`NotInRegistry` or :class:`RateLimited` on the way.

    ``position`` counts the bytes so far, from the blob's beginning. Close it, or use it as a context manager. One
    thread iterates.
    """

    def __init__(
        self, session: Session, reference: Reference, digest: Digest, size: int, offset: int, hasher: Hasher | None
    ) -> None:
        if not 0 <= offset <= size or (offset and hasher is None):
            raise ValueError("an offset lies within the blob and needs a hasher that has seen the bytes before it")
        self.digest = digest
        self.size = size
        self.position = offset
        self.source = ""
        self._session = session
        self._reference = reference
        self._hasher = hasher or digest.hasher()
        self._answer: Answer | None = None
        self._endpoint: Endpoint | None = None
        self._closed = False
        self._chunks = self._stream()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def __enter__(self) -> BlobStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop; a connection that still has bytes to come is closed. Idempotent, and safe from another thread."""
        try:
            self._chunks.close()
        except ValueError:  # another thread is reading: it gets a NetworkFailed, or stops between two chunks
            self._closed = True
            answer = self._answer
            if answer is not None:
                answer.interrupt()
            return
        self._hang_up()

    def _stream(self) -> Generator[bytes, None, None]:
        failures = 0
        update = self._hasher.update
        try:
            while self.position < self.size:
                start = self.position
                answer = self._open()
                try:
                    for chunk in self._read(answer):
                        update(chunk)
                        self.position += len(chunk)
                        yield chunk
                        if self._closed:
                            raise self._failure("it was closed")
                except Trouble as trouble:
                    failures = 1 if self.position - start >= _PROGRESS else failures + 1
                    self._after_break(trouble, failures)
        finally:
            self._hang_up()
        self._check()

    def _after_break(self, trouble: Trouble, failures: int) -> None:
        self._hang_up()
        endpoint = self._endpoint
        assert endpoint is not None
        if self._closed:
            raise self._failure("it was closed") from None
        if endpoint.mirror and (failures > 1 or not trouble.again):
            self._session.put_aside(endpoint)
            return
        if not trouble.again or failures >= self._session.pace.attempts:
            raise self._given_up(trouble, failures) from None
        self._session.wait(endpoint, trouble, self._session.pace.pause(failures, trouble.after))

    def _given_up(self, trouble: Trouble, failures: int) -> WherryError:
        why = f"{trouble.error.why}, {self.position} of {self.size} bytes had come"
        if failures > 1:
            why += f"; tried {failures} times"
        hint = "run the same command again: it goes on where this one stopped"
        return type(trouble.error)(trouble.error.what, why=why, hint=hint)

    def _open(self) -> Answer:
        """An answer whose next byte is the blob's byte at ``position``."""
        try:
            self._answer = self._session.ask(self._session.rules.endpoints(self._at()), self._request)
        except NotInRegistry as error:
            what = f"'{self._reference.registry}' lacks a part of '{self._reference.familiar}'"
            hint = "the image is incomplete there: somebody has to push it again"
            raise NotInRegistry(what, why=error.why, hint=hint) from None
        return self._answer

    def _at(self) -> Reference:
        return self._reference.at(self.digest)

    def _request(self, endpoint: Endpoint) -> Answer:
        headers = {"Accept": "*/*"}
        if self.position:
            headers["Range"] = f"bytes={self.position}-{self.size - 1}"
        answer = self._session.send(
            endpoint,
            "GET",
            f"/v2/{endpoint.repository}/blobs/{self.digest}",
            (pull_scope(endpoint.repository),),
            self._subject,
            ok=frozenset({200, 206}),
            headers=headers,
            verified=True,
        )
        try:
            self._skip(answer, self._begins_at(answer))
        except Trouble:
            answer.close()
            raise
        self._endpoint = endpoint
        self.source = endpoint.name
        return answer

    @property
    def _subject(self) -> str:
        return f"blob {self.digest.short} of {self._reference.familiar.partition('@')[0]}"

    def _begins_at(self, answer: Answer) -> int:
        """Where in the blob the body begins, after a look at what the headers promise."""
        host = urlsplit(answer.url).netloc
        length = decimal(answer.headers.get("content-length", ""))
        if answer.status == 206:
            match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", answer.headers.get("content-range", ""))
            if match is None or int(match[1]) > self.position:
                raise Trouble(self._lie(f"'{host}' gives another range than was asked for"))
            total = match[3]
            if total != "*" and int(total) != self.size:
                raise Trouble(self._lie(f"'{host}' has {total} bytes where the manifest says {self.size}"))
            return int(match[1])
        if length is not None and length != self.size and not answer.headers.get("content-encoding"):
            raise Trouble(self._lie(f"'{host}' has {length} bytes where the manifest says {self.size}"))
        return 0

    def _lie(self, why: str) -> DigestMismatch:
        return DigestMismatch(f"'{self._subject}' is not what its digest says", why=why)

    def _skip(self, answer: Answer, begins_at: int) -> None:
        """Read over what is there already: some servers know no ranges."""
        left = self.position - begins_at
        while left:
            got = len(answer.read_some(min(left, _CHUNK)))
            if not got:
                raise self._ended_early(answer)
            left -= got

    def _read(self, answer: Answer) -> Iterator[bytes]:
        """What comes, never more than the blob's size, in chunks worth handling; raise :class:`Trouble` on a stall."""
        pace = self._session.pace
        left = self.size - self.position
        pieces: list[bytes] = []
        gathered = 0
        waited, in_window = 0.0, 0
        while left:
            before = pace.clock()
            # Small pieces come from slow networks and from TLS; asking for little saves their large buffers.
            try:
                piece = answer.read_some(min(_SMALL if pieces else _CHUNK, left))
                if not piece:
                    raise self._ended_early(answer)
            except Trouble:
                if pieces:
                    yield b"".join(pieces)
                raise
            waited += pace.clock() - before
            left -= len(piece)
            in_window += len(piece)
            if waited > pace.stall_window:
                if in_window < pace.least_rate * waited:
                    raise Trouble(self._stalled(answer), again=True)
                waited, in_window = 0.0, 0
            if not pieces and len(piece) >= _SMALL:
                yield piece
                continue
            pieces.append(piece)
            gathered += len(piece)
            if gathered >= _CHUNK - _SMALL or not left:
                yield b"".join(pieces)
                pieces, gathered = [], 0

    def _ended_early(self, answer: Answer) -> Trouble:
        return Trouble(self._failure(f"'{urlsplit(answer.url).netloc}' ended too early"), again=True)

    def _stalled(self, answer: Answer) -> WherryError:
        return self._failure(f"'{urlsplit(answer.url).netloc}' has almost stopped sending")

    def _failure(self, why: str) -> WherryError:
        return NetworkFailed(f"cannot pull '{self._subject}'", why=why)

    def _check(self) -> None:
        found = self._hasher.digest()
        if found == self.digest:
            return
        endpoint = self._endpoint
        hint = "pull again; if it happens again, tell the registry's operator"
        if endpoint is not None and endpoint.mirror:
            self._session.put_aside(endpoint)
            hint = f"it is a mirror: take it out of {setting(self._reference.registry, 'mirrors')} in wherry.toml"
        why = f"'{self.source or 'what was there'}' gave bytes with the digest {found}"
        raise DigestMismatch(f"'{self._subject}' is not what its digest says", why=why, hint=hint)

    def _hang_up(self) -> None:
        """Close the answer; a connection whose body was read to its end has gone back to the pool already."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None
