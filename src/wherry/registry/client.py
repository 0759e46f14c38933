"""The client: manifests, blobs and tags of registries, in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import NotInRegistry, WherryError
from wherry.base.outside import Outside
from wherry.base.progress import Progress, silent
from wherry.base.reference import Reference
from wherry.base.settings import Settings
from wherry.registry import endpoints, manifests, registriesconf, uploads
from wherry.registry.blobs import BlobStream
from wherry.registry.credentials import Wallet, open_wallet
from wherry.registry.endpoints import Proxies, Rules
from wherry.registry.manifests import Fetched
from wherry.registry.pace import Pace
from wherry.registry.session import Session

__all__ = ["Fetched", "Registry", "connect", "open_session"]

_MOST_PAGES = 1000


def connect(
    settings: Settings,
    outside: Outside,
    *,
    auth_file: str = "",
    pace: Pace | None = None,
    progress: Progress = silent,
) -> Registry:
    """A client for one session; contacts nobody yet. Close it, or use it as a context manager.

    ``progress`` hears of pauses before another try (stage ``waiting``), never of bytes: who iterates counts them.
    Raises :class:`SettingsError` for a broken ``registries.conf`` and :class:`NotFound` for a missing ``auth_file``.
    """
    return Registry(open_session(settings, outside, auth_file, pace, progress=progress))


def open_session(
    settings: Settings,
    outside: Outside,
    auth_file: str = "",
    pace: Pace | None = None,
    wallet: Wallet | None = None,
    progress: Progress = silent,
) -> Session:
    """Everything read that decides how registries are reached; ``wallet`` in place of the user's own."""
    rules = Rules(settings, registriesconf.read(outside), _proxies(outside), _certificates(outside))
    wallet = wallet or open_wallet(settings, outside, auth_file)
    connections = max(8, settings.number("registry.parallel"))
    return Session(rules, wallet, pace or Pace(), connections, progress)


class Registry:
    """Pulls and pushes; remembers connections, tokens and failed mirrors. Safe for many threads.

    All methods raise :class:`Unauthorized`, :class:`Forbidden`, :class:`NotInRegistry`, :class:`RateLimited`,
    :class:`NetworkFailed` or another :class:`RegistryError`.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def parallel(self) -> int:
        """How many layers are fetched or sent at a time: the setting ``registry.parallel``."""
        return max(1, self._session.rules.settings.number("registry.parallel"))

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def get_manifest(self, reference: Reference) -> Fetched:
        """The manifest or index, verified; at most 4 MiB. Raises :class:`DigestMismatch` when it is another one."""
        try:
            return manifests.get(self._session, reference)
        except NotInRegistry as error:
            raise self._with_near_tags(reference, error) from None

    def resolve(self, reference: Reference) -> Digest | None:
        """The digest that a tag has now, by one HEAD request, which Docker Hub does not count as a pull.

        None where the registry does not tell, or refuses: :meth:`get_manifest` gives it then, or the reason. It is what
        the registry says, not verified: good for a comparison with what is held.
        """
        return reference.digest or manifests.resolve(self._session, reference)

    def open_blob(
        self, reference: Reference, digest: Digest, size: int, *, offset: int = 0, hasher: Hasher | None = None
    ) -> BlobStream:
        """A blob's bytes from ``offset`` on, see :class:`BlobStream`; nothing is asked before the first iteration.

        To go on with a file that an earlier process began, pass the number of its bytes as ``offset`` and a ``hasher``
        (``digest.hasher()``) that has seen them; after a :class:`DigestMismatch` throw that file away.
        """
        return BlobStream(self._session, reference, digest, size, offset, hasher)

    def has_blob(self, reference: Reference, digest: Digest) -> bool:
        """Whether the repository has the blob (in the origin: it is asked before a push)."""
        return uploads.has_blob(self._session, reference, digest)

    def push_blob(
        self,
        reference: Reference,
        digest: Digest,
        size: int,
        open_stream: Callable[[], Iterable[bytes]],
        *,
        mount_from: tuple[str, ...] = (),
    ) -> str:
        """Bring a blob into the repository; idempotent. Returns ``exists``, ``mounted`` or ``pushed``.

        ``mount_from`` are repositories of the same registry that may have it already. ``open_stream`` is called for
        each try and gives exactly ``size`` bytes.
        """
        return uploads.push_blob(self._session, reference, digest, size, open_stream, mount_from)

    def put_manifest(self, reference: Reference, media_type: str, data: bytes) -> Digest:
        """Store a manifest under the reference's tag (or its digest), all of whose blobs are there; idempotent."""
        return uploads.put_manifest(self._session, reference, media_type, data)

    def list_tags(self, reference: Reference) -> tuple[str, ...]:
        """All tags of the repository, in the registry's order."""
        return self._tags(reference, _MOST_PAGES)

    def _tags(self, reference: Reference, pages: int) -> tuple[str, ...]:
        return manifests.list_tags(self._session, reference, pages)

    def _with_near_tags(self, reference: Reference, error: NotInRegistry) -> NotInRegistry:
        """The error with the reason, found by one more request: is the tag unknown, or the name?"""
        if not reference.tag or reference.digest is not None:
            return error
        name = reference.familiar.removesuffix(f":{reference.tag}")
        try:
            tags = self._tags(reference, 1)
        except NotInRegistry:
            hint = f"check its spelling; a private one may hide: 'wherry login {reference.registry}'"
            return NotInRegistry(f"there is no repository '{name}' in {reference.registry}", why=error.why, hint=hint)
        except WherryError:
            return error
        import difflib

        near = difflib.get_close_matches(reference.tag, tags, 3, 0.5)
        meant = " or ".join(f"'{name}:{tag}'" for tag in near)
        hint = f"did you mean {meant}?" if near else _some_tags(tags)
        return NotInRegistry(f"'{name}' has no tag '{reference.tag}'", why=error.why, hint=hint)


def _some_tags(tags: tuple[str, ...]) -> str:
    if not tags:
        return "it has no tags at all"
    shown = ", ".join(tags[:8]) + (", ..." if len(tags) > 8 else "")
    return f"it has {shown}"


def _proxies(outside: Outside) -> Proxies:
    def either(name: str) -> str:
        return outside.env(name.lower()) or outside.env(name) or ""

    everything = either("ALL_PROXY")
    exempt = tuple(item.strip() for item in either("NO_PROXY").replace(" ", ",").split(",") if item.strip())
    return Proxies(
        https=endpoints.with_scheme(either("HTTPS_PROXY") or everything),
        http=endpoints.with_scheme(either("HTTP_PROXY") or everything),
        exempt=exempt,
    )


def _certificates(outside: Outside) -> dict[str, str]:
    """The folders of certificates for single hosts (containers-certs.d(5)); the user's win."""
    import os

    config_home = outside.env("XDG_CONFIG_HOME") or f"{outside.env('HOME') or '/nonexistent'}/.config"
    found: dict[str, str] = {}
    for folder in ("/etc/docker/certs.d", "/etc/containers/certs.d", f"{config_home}/containers/certs.d"):
        try:
            found.update({name: f"{folder}/{name}" for name in os.listdir(folder)})
        except OSError:
            continue
    return found
