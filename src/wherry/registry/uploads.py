"""Pushing: blobs by mount or in one piece, then manifests (distribution-spec, "Push")."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from wherry.base.digest import Digest
from wherry.base.errors import DigestMismatch, RegistryError, WherryError
from wherry.base.reference import Reference
from wherry.registry.endpoints import Endpoint
from wherry.registry.failures import Trouble
from wherry.registry.session import Session, pull_scope, push_scope
from wherry.registry.transport import Answer

__all__ = ["has_blob", "push_blob", "put_manifest"]


def has_blob(session: Session, reference: Reference, digest: Digest) -> bool:
    """Whether the origin's repository has the blob."""
    endpoints = session.rules.endpoints(reference, push=True)

    def attempt(endpoint: Endpoint) -> bool:
        return _exists(session, endpoint, reference, digest, (pull_scope(endpoint.repository),))

    return session.ask(endpoints, attempt)


def push_blob(
    session: Session,
    reference: Reference,
    digest: Digest,
    size: int,
    open_stream: Callable[[], Iterable[bytes]],
    mount_from: tuple[str, ...],
) -> str:
    """See :meth:`wherry.registry.client.Registry.push_blob`."""

    def attempt(endpoint: Endpoint) -> str:
        scopes = (push_scope(endpoint.repository), *(pull_scope(name) for name in mount_from))
        if _exists(session, endpoint, reference, digest, scopes[:1]):
            return "exists"
        location = ""
        for name in mount_from:
            if name != endpoint.repository:
                location = _begin(session, endpoint, reference, scopes, f"?mount={digest}&from={quote(name, safe='/')}")
                if not location:
                    return "mounted"
        location = location or _begin(session, endpoint, reference, scopes[:1], "")
        body = _Body(open_stream, size, digest)
        try:
            session.send(
                endpoint,
                "PUT",
                _with_digest(location, digest),
                scopes[:1],
                f"blob {digest.short} of {_name(reference)}",
                ok=frozenset({201, 204}),
                verb="push",
                headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
                body=iter(body),
            ).drop()
        except Trouble:
            if body.failure is not None:
                raise body.failure from None
            raise
        return "pushed"

    return session.ask(session.rules.endpoints(reference, push=True), attempt)


def put_manifest(session: Session, reference: Reference, media_type: str, data: bytes) -> Digest:
    """See :meth:`wherry.registry.client.Registry.put_manifest`."""
    digest = Digest.of(data) if reference.digest is None else _checked(reference.digest, data)
    name = reference.tag or str(digest)

    def attempt(endpoint: Endpoint) -> Digest:
        answer = session.send(
            endpoint,
            "PUT",
            f"/v2/{endpoint.repository}/manifests/{name}",
            (push_scope(endpoint.repository),),
            reference.familiar,
            ok=frozenset({200, 201, 202, 204}),
            verb="push",
            headers={"Content-Type": media_type},
            body=data,
        )
        answer.drop()
        stored = answer.headers.get("docker-content-digest")
        if stored and stored != str(digest) and stored.partition(":")[0] == digest.algorithm:
            why = f"'{endpoint.name}' says {stored}, it was {digest}"
            raise Trouble(DigestMismatch(f"the manifest of '{reference.familiar}' was changed on its way", why=why))
        return digest

    return session.ask(session.rules.endpoints(reference, push=True), attempt)


def _exists(
    session: Session, endpoint: Endpoint, reference: Reference, digest: Digest, scopes: tuple[str, ...]
) -> bool:
    answer = session.send(
        endpoint,
        "HEAD",
        f"/v2/{endpoint.repository}/blobs/{digest}",
        scopes,
        f"blob {digest.short} of {_name(reference)}",
        ok=frozenset({200, 404}),
        verb="push" if scopes[0].endswith("push") else "look at",
        verified=True,
    )
    answer.drop()
    return answer.status == 200


def _begin(session: Session, endpoint: Endpoint, reference: Reference, scopes: tuple[str, ...], query: str) -> str:
    """Begin an upload, or mount (``query``); the URL to send to, empty when the blob was mounted."""
    answer = session.send(
        endpoint,
        "POST",
        f"/v2/{endpoint.repository}/blobs/uploads/{query}",
        scopes,
        _name(reference),
        ok=frozenset({201, 202}) if query else frozenset({202}),
        verb="push to",
        headers={"Content-Length": "0"},
        body=b"",
    )
    answer.drop()
    return "" if answer.status == 201 else _location(answer, endpoint)


def _location(answer: Answer, endpoint: Endpoint) -> str:
    """Where the upload goes; a proxy that ends TLS often makes the registry say http for itself."""
    try:
        there, here = urlsplit(urljoin(answer.url, answer.headers.get("location", ""))), urlsplit(answer.url)
        port = there.port
    except ValueError:
        raise Trouble(RegistryError(f"'{endpoint.name}' names no proper place for the upload")) from None
    if there.scheme not in ("http", "https") or not there.hostname or not answer.headers.get("location"):
        raise Trouble(RegistryError(f"'{endpoint.name}' names no place for the upload"))
    if here.scheme == "https" and there.scheme == "http":
        if there.hostname != here.hostname:
            why = f"'{endpoint.name}' wants the upload at 'http://{there.netloc}'"
            raise Trouble(RegistryError("nothing is pushed from https to plain http on another host", why=why))
        there = there._replace(scheme="https", netloc=here.netloc if port in (None, 80) else there.netloc)
    return urlunsplit(there)


def _with_digest(location: str, digest: Digest) -> str:
    parts = urlsplit(location)
    query = f"{parts.query}&" if parts.query else ""
    return urlunsplit(parts._replace(query=f"{query}digest={quote(str(digest), safe='')}"))


def _checked(digest: Digest, data: bytes) -> Digest:
    hasher = digest.hasher()
    hasher.update(data)
    if hasher.digest() != digest:
        raise DigestMismatch(f"the manifest is not '{digest}'", why=f"its bytes have {hasher.digest()}")
    return digest


def _name(reference: Reference) -> str:
    return Reference(reference.registry, reference.repository).familiar


class _Body:
    """The bytes of one try. An error in reading them is the caller's, not the network's: it is kept in ``failure``."""

    def __init__(self, open_stream: Callable[[], Iterable[bytes]], size: int, digest: Digest) -> None:
        self._open_stream = open_stream
        self._size = size
        self._digest = digest
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        left = self._size
        try:
            for chunk in self._open_stream():
                left -= len(chunk)
                if left < 0:
                    raise self._wrong("more")
                yield chunk
            if left:
                raise self._wrong("less")
        except (OSError, WherryError) as error:
            self.failure = error
            raise OSError("the layer's source failed") from error

    def _wrong(self, how: str) -> DigestMismatch:
        return DigestMismatch(
            f"layer '{self._digest.short}' cannot be pushed", why=f"it has {how} than {self._size} bytes"
        )
