"""A file from a web server into a file of ours, resumed where it broke; its digest tells whether it is right."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import IO
from urllib.parse import urlsplit

import msgspec

from wherry.base.decimals import decimal
from wherry.base.digest import Digest, Hasher
from wherry.base.errors import DigestMismatch, NetworkFailed, NotFound, UsageError
from wherry.base.outside import Outside
from wherry.base.progress import Event, Progress, silent
from wherry.base.settings import Settings
from wherry.registry import network
from wherry.registry.client import open_session
from wherry.registry.endpoints import Endpoint, Way, is_loopback
from wherry.registry.failures import Asked, Trouble, explain_status
from wherry.registry.pace import Pace
from wherry.registry.session import Session
from wherry.registry.transport import Answer

__all__ = ["Held", "download"]

_CHUNK = 256 * 1024
_WITHIN = 64 << 20
"""Bytes after which room is looked for again, where the server does not say how much will come."""


class Held(msgspec.Struct, frozen=True):
    """What the caller knows of a file that came before: its digest, and what its server said of it, an entity tag, else
    the time of its last change (RFC 9110, section 8.8). That time is not asked by: to most servers a file that an older
    one took the place of has not changed since."""

    digest: Digest
    tag: str = ""
    modified: str = ""


def download(
    url: str,
    path: str,
    expected: Digest | None,
    *,
    settings: Settings,
    outside: Outside,
    require_space: Callable[[int], None] = lambda size: None,
    pace: Pace | None = None,
    progress: Progress = silent,
    told: Callable[[Mapping[str, str]], None] = lambda headers: None,
    held: Held | None = None,
) -> Digest:
    """Fetch ``url`` into ``path`` and return the digest of what came; what is there already is gone on with, if
    ``expected`` says that it will be the same file.

    Where the server says that it is what is ``held``, nothing comes, and that is the digest.
    ``require_space`` is told how many bytes are about to come, ``told`` the headers of the answer. Plain http is only
    for this machine, and for what is ``expected``. Raises :class:`NetworkFailed`, :class:`NotFound`, and
    :class:`DigestMismatch` (then the file is gone).
    """
    host = urlsplit(url).netloc
    if url.startswith("http:") and expected is None and not is_loopback(host.rpartition("@")[2]):
        raise UsageError(
            f"'{url}' is not fetched",
            why="anybody on the way can change what comes by http",
            hint="write https://, or add its checksum: #sha256=HEX; a registry's image is named without 'http://'",
        )
    session = open_session(settings, outside, pace=pace, progress=progress)
    try:
        found = _Download(session, url, path, expected, require_space, progress, told, held).run()
    finally:
        session.close()
    return found


class _Download:
    def __init__(
        self,
        session: Session,
        url: str,
        path: str,
        expected: Digest | None,
        require_space: Callable[[int], None],
        progress: Progress,
        told: Callable[[Mapping[str, str]], None],
        held: Held | None,
    ) -> None:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self._session = session
        self._url = url
        self._path = path
        self._expected = expected
        self._require_space = require_space
        self._progress = progress
        self._told = told
        self._held = held
        self._unchanged = False
        self._name = os.path.basename(parts.path) or host
        self._asked = Asked(_public(url), "fetch", host, host)
        self._endpoint = Endpoint(host, host, "", self._way(host, parts.scheme))
        self._hasher = expected.hasher() if expected else Hasher()
        self._position = 0
        self._total: int | None = None

    def run(self) -> Digest:
        resumed = self._expected is not None and os.path.exists(self._path)
        with open(self._path, "r+b" if resumed else "wb", buffering=0) as file:
            if resumed:
                self._take_up(file)
                if self._hasher.digest() == self._expected:
                    return self._hasher.digest()
            started_at = self._position
            self._fetch(file)
            if self._unchanged and self._held is not None:
                return self._held.digest
            if self._expected is not None and self._hasher.digest() != self._expected and started_at:
                self._begin_anew(file)  # what was here from an earlier try may have been the wrong part
                self._fetch(file)
        found = self._hasher.digest()
        if self._expected is not None and found != self._expected:
            os.unlink(self._path)
            raise DigestMismatch(
                f"'{_public(self._url)}' is not what its checksum says",
                why=f"what came is {found}, expected {self._expected}",
                hint="ask who gave you the checksum; the file may have been replaced",
            )
        return found

    def _take_up(self, file: IO[bytes]) -> None:
        while chunk := file.read(_CHUNK):
            self._hasher.update(chunk)
            self._position += len(chunk)

    def _begin_anew(self, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()
        self._position = 0
        self._hasher = self._expected.hasher() if self._expected else Hasher()

    def _fetch(self, file: IO[bytes]) -> None:
        pace, failures = self._session.pace, 0
        while True:
            start = self._position
            try:
                answer = self._open(file)
                try:
                    self._read(answer, file)
                finally:
                    answer.close()
                return
            except Trouble as trouble:
                failures = 1 if self._position > start else failures + 1
                limit = pace.connect_attempts if trouble.connect else pace.attempts
                if not trouble.again or failures >= limit:
                    raise self._given_up(trouble, failures) from None
                self._session.wait(self._endpoint, trouble, pace.pause(failures, trouble.after))

    def _open(self, file: IO[bytes]) -> Answer:
        """An answer whose next byte is the one at our position."""
        headers = {"Accept": "*/*"}
        if self._position:
            headers["Range"] = f"bytes={self._position}-"
        elif self._held is not None and self._held.tag:
            headers["If-None-Match"] = self._held.tag
        verified = self._expected is not None
        answer = self._session.transport.request(
            self._endpoint, "GET", self._url, self._asked, headers=headers, verified=verified
        )
        length = decimal(answer.headers.get("content-length", ""))
        if answer.status == 206 and self._position:
            match = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", answer.headers.get("content-range", ""))
            if match and int(match[1]) == self._position:
                self._total = int(match[2]) if match[2] != "*" else None
                return answer
        elif answer.status == 200:
            if self._position:  # it knows no ranges, or has another file now
                self._begin_anew(file)
            self._unchanged = self._is_as_old(answer)
            self._total = 0 if self._unchanged else length
            return answer
        elif answer.status == 304 and self._held is not None and self._held.tag and not self._position:
            self._unchanged, self._total = True, 0
            return answer
        elif answer.status == 416 and self._position:
            answer.drop()
            self._begin_anew(file)
            return self._open(file)
        raise self._refused(answer)

    def _is_as_old(self, answer: Answer) -> bool:
        """Whether a file that comes whole is of the very time of what is held: then its content may stay away."""
        held = self._held
        return held is not None and held.modified != "" and answer.headers.get("last-modified") == held.modified

    def _read(self, answer: Answer, file: IO[bytes]) -> None:
        self._told(answer.headers)
        if self._total is not None:
            self._require_space(self._total - self._position)
        for chunk in self._chunks(answer):
            if self._total is None and self._position % _WITHIN < len(chunk):
                self._require_space(_WITHIN)
            self._hasher.update(chunk)
            left = memoryview(chunk)
            while left:
                left = left[file.write(left) :]
            self._position += len(chunk)
            self._progress(Event(self._name, "fetching", self._position, self._total or 0))
        if self._total is not None and self._position < self._total:
            raise Trouble(network.failure(self._asked, f"'{self._asked.host}' ended too early"), again=True)

    def _chunks(self, answer: Answer) -> Iterator[bytes]:
        """What comes, never more than was promised; raise :class:`Trouble` when almost nothing does."""
        pace = self._session.pace
        waited, in_window = 0.0, 0
        while self._total is None or self._position < self._total:
            before = pace.clock()
            chunk = answer.read_some(_CHUNK if self._total is None else min(_CHUNK, self._total - self._position))
            if not chunk:
                return
            waited += pace.clock() - before
            in_window += len(chunk)
            if waited > pace.stall_window:
                if in_window < pace.least_rate * waited:
                    why = f"'{self._asked.host}' has almost stopped sending"
                    raise Trouble(network.failure(self._asked, why), again=True)
                waited, in_window = 0.0, 0
            yield chunk

    def _refused(self, answer: Answer) -> Trouble:
        said = answer.body(1 << 16)
        status = answer.status
        if status in (401, 403, 404, 410):
            why = f"{self._asked.host} answered {status}"
            hint = "check the address; what needs a login has to be fetched by other means"
            return Trouble(NotFound(f"there is no '{self._asked.subject}'", why=why, hint=hint))
        if status < 400:
            return Trouble(network.failure(self._asked, f"{self._asked.host} answered {status}, which is not a file"))
        pace = self._session.pace
        return explain_status(self._asked, status, answer.headers, said, now=pace.now(), patience=pace.patience)

    def _given_up(self, trouble: Trouble, failures: int) -> Exception:
        error = trouble.error
        if not isinstance(error, NetworkFailed):
            return error
        why = error.why + (f"; tried {failures} times" if failures > 1 else "")
        hint = error.hint
        if self._position and self._expected:
            why += f"; {self._position} bytes had come"
            hint = "run the same command again: it goes on where this one stopped"
        return NetworkFailed(error.what, why=why, hint=hint)

    def _way(self, host: str, scheme: str) -> Way:
        rules = self._session.rules
        way = rules.way(host)
        if scheme == "http" and not rules.settings.has(f"registry.{host}.proxy"):
            return msgspec.structs.replace(way, proxy=rules.proxies.choose(host, "http"))
        return way


def _public(url: str) -> str:
    """Without an account in it, and without the query, which may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
