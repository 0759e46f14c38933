"""Manifests and tags: fetched, verified, and never larger than a manifest may be (distribution-spec, "Pull")."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import msgspec

from wherry.base.decimals import decimal
from wherry.base.digest import Digest
from wherry.base.errors import DigestMismatch, ImageError, InvalidName, RegistryError, UnsupportedImage
from wherry.base.reference import Reference
from wherry.registry.endpoints import Endpoint
from wherry.registry.failures import Trouble
from wherry.registry.session import Session, pull_scope
from wherry.registry.transport import Answer

__all__ = ["MAX_MANIFEST", "Fetched", "get", "list_tags", "resolve"]

MAX_MANIFEST = 4 << 20
"""Bytes; what registries must accept at least (distribution-spec, "Pushing Manifests")."""

ACCEPT = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)

_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"
_MAX_PAGE = 8 << 20
_HEADERS = {"Accept": ", ".join(ACCEPT)}


class Fetched(msgspec.Struct, frozen=True):
    """A manifest or index as it came: ``data`` has the digest ``digest``; ``source`` is the ``host/repository``."""

    media_type: str
    digest: Digest
    data: bytes
    source: str


def get(session: Session, reference: Reference) -> Fetched:
    """Fetch and verify; see :meth:`wherry.registry.client.Registry.get_manifest`."""

    def attempt(endpoint: Endpoint) -> Fetched:
        answer = _send(session, endpoint, "GET", reference)
        data = _whole(answer, endpoint, reference)
        digest = _verify(data, reference, answer.headers.get("docker-content-digest"), endpoint)
        media_type = _media_type(data, answer.headers.get("content-type", ""), reference, endpoint)
        return Fetched(media_type, digest, data, endpoint.name)

    return session.ask(session.rules.endpoints(reference), attempt)


def resolve(session: Session, reference: Reference) -> Digest | None:
    """The digest behind a tag by a HEAD request; None where the registry does not tell."""

    def attempt(endpoint: Endpoint) -> Digest | None:
        try:
            answer = _send(session, endpoint, "HEAD", reference)
        except Trouble as trouble:
            if endpoint.mirror or trouble.again:
                raise
            return None  # some know no HEAD; and a refusal has words only where there is a body
        answer.drop()
        try:
            return Digest.parse(answer.headers.get("docker-content-digest", ""))
        except InvalidName:
            return None

    return session.ask(session.rules.endpoints(reference), attempt)


def list_tags(session: Session, reference: Reference, pages: int) -> tuple[str, ...]:
    """The tags on at most so many pages (distribution-spec, "Listing Tags"), each once."""

    def attempt(endpoint: Endpoint) -> tuple[str, ...]:
        tags: dict[str, None] = {}
        target, seen = f"/v2/{endpoint.repository}/tags/list?n=1000", set[str]()
        while target and target not in seen and len(seen) < pages:
            seen.add(target)
            scopes = (pull_scope(endpoint.repository),)
            answer = session.send(endpoint, "GET", target, scopes, reference.familiar, ok=frozenset({200}), verb="list")
            tags.update(dict.fromkeys(_page(answer, endpoint)))
            target = _next_page(answer)
        return tuple(tags)

    return session.ask(session.rules.endpoints(reference, push=True), attempt)


def _send(session: Session, endpoint: Endpoint, method: str, reference: Reference) -> Answer:
    target = f"/v2/{endpoint.repository}/manifests/{reference.digest or reference.tag}"
    return session.send(
        endpoint,
        method,
        target,
        (pull_scope(endpoint.repository),),
        reference.familiar,
        ok=frozenset({200}),
        headers=_HEADERS,
        verified=reference.digest is not None,
    )


def _whole(answer: Answer, endpoint: Endpoint, reference: Reference) -> bytes:
    length = decimal(answer.headers.get("content-length", ""))
    if length is not None and length > MAX_MANIFEST:
        answer.close()
        raise Trouble(_too_large(endpoint, reference, f"{length} bytes"))
    data = answer.body(MAX_MANIFEST)
    if len(data) > MAX_MANIFEST:
        raise Trouble(_too_large(endpoint, reference, f"over {MAX_MANIFEST} bytes"))
    if length is not None and len(data) != length:
        why = f"'{endpoint.name}' ended after {len(data)} of {length} bytes"
        raise Trouble(RegistryError(f"the manifest of '{reference.familiar}' is incomplete", why=why), again=True)
    return data


def _too_large(endpoint: Endpoint, reference: Reference, size: str) -> ImageError:
    why = f"'{endpoint.name}' sends {size}, a manifest has at most {MAX_MANIFEST}"
    return ImageError(f"the manifest of '{reference.familiar}' is too large", why=why)


def _verify(data: bytes, reference: Reference, header: str | None, endpoint: Endpoint) -> Digest:
    """The digest, after comparison with the reference's, else with the one that the registry itself names."""
    expected, by = reference.digest, "asked for"
    if expected is None and header:
        try:
            expected, by = Digest.parse(header), "announced"
        except InvalidName:
            raise Trouble(
                RegistryError(f"'{endpoint.name}' names no proper digest", why=f"it is '{header[:100]}'")
            ) from None
    if expected is None:
        return Digest.of(data)
    hasher = expected.hasher()
    hasher.update(data)
    found = hasher.digest()
    if found != expected:
        raise Trouble(
            DigestMismatch(
                f"the manifest of '{reference.familiar}' is not what its digest says",
                why=f"'{endpoint.name}' sent {found}, {by} was {expected}",
                hint="pull again; if it stays so, a mirror or proxy changes content, or the registry is damaged",
            )
        )
    return expected


def _media_type(data: bytes, header: str, reference: Reference, endpoint: Endpoint) -> str:
    """What the document says of itself, which its digest covers; else what the registry says; else by its look."""
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = f"'{endpoint.name}' sent something that is no JSON: {error}"
        portal = "it is a web page: a proxy, or a portal where this network wants a login, may have answered"
        hint = portal if data.lstrip()[:1] == b"<" else ""
        raise Trouble(
            ImageError(f"the manifest of '{reference.familiar}' cannot be read", why=why, hint=hint)
        ) from None
    if not isinstance(document, dict):
        why = f"'{endpoint.name}' sent JSON that is no object"
        raise Trouble(ImageError(f"the manifest of '{reference.familiar}' cannot be read", why=why))
    announced = header.partition(";")[0].strip().lower()
    if announced.startswith(_SCHEMA_1) or document.get("schemaVersion") == 1:
        hint = "have it pushed again by any builder of the last years, or copy it with 'skopeo copy --format oci'"
        why = "it has Docker's schema 1, given up in 2017"
        raise Trouble(UnsupportedImage(f"'{reference.familiar}' is too old", why=why, hint=hint))
    own = document.get("mediaType")
    if isinstance(own, str) and own:
        return own
    if announced in ACCEPT:
        return announced
    return ACCEPT[0] if "manifests" in document else ACCEPT[1]


def _page(answer: Answer, endpoint: Endpoint) -> list[str]:
    data = answer.body(_MAX_PAGE)
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    tags = document.get("tags") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(tags, list | None):
        raise Trouble(
            RegistryError(f"the tags of '{endpoint.name}' cannot be read", why="the answer is no list of tags")
        )
    return [tag for tag in tags or () if isinstance(tag, str)]


def _next_page(answer: Answer) -> str:
    """The path in ``Link: <...>; rel="next"``; the host, if it names one, is not followed."""
    link = answer.headers.get("link", "")
    if not link.startswith("<") or "rel=" not in link or "next" not in link:
        return ""
    parts = urlsplit(urljoin(answer.url, link[1:].partition(">")[0]))
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
