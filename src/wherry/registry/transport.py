"""HTTP/1.1 with keep-alive: pools, TLS, proxies, redirects; the seam where urllib3's errors become troubles.

Credentials never follow a redirect to another origin and never travel over plain http unless the way allows it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from wherry.registry import network
from wherry.registry.endpoints import Endpoint, Rules, Way
from wherry.registry.failures import Asked, Trouble
from wherry.registry.pace import Pace

if TYPE_CHECKING:
    import ssl

    from urllib3.response import BaseHTTPResponse

__all__ = ["Answer", "Transport"]

# Who set a registry insecure, or speaks to loopback, has decided it; a warning for each request would help nobody.
urllib3.disable_warnings(InsecureRequestWarning)

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_COMMIT_SECONDS = 300.0
"""A registry may hash and move a whole blob before it answers a PUT."""

_PROBE_SECONDS = 3.0
"""For the TLS handshake with a server that may speak plain http: a simple one waits for a line that never comes."""


class Answer:
    """A response whose body is still to be read, and the URL that gave it. The caller reads or closes it."""

    __slots__ = ("_asked", "headers", "response", "status", "url")

    def __init__(self, response: BaseHTTPResponse, url: str, asked: Asked) -> None:
        self.response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = url
        self._asked = asked

    def body(self, limit: int) -> bytes:
        """The whole body, at most ``limit`` bytes and then one more, so that the caller sees an excess."""
        pieces: list[bytes] = []
        left = limit + 1
        try:
            while left > 0 and (piece := self.response.read(min(left, 1 << 20), decode_content=False)):
                pieces.append(piece)
                left -= len(piece)
        except (HTTPError, OSError, ValueError) as error:
            self.close()
            raise network.explain(self._asked, error) from None
        if left == 0:
            self.close()
        else:
            self.response.release_conn()
        return b"".join(pieces)

    def read_some(self, amount: int) -> bytes:
        """What has arrived, at most ``amount`` bytes, waiting for the first; empty at the end."""
        try:
            return self.response.read1(amount, decode_content=False)
        except (HTTPError, OSError, ValueError) as error:
            self.close()
            raise network.explain(self._asked, error) from None

    def drop(self) -> None:
        """Forget the body, and keep the connection if little of it is left."""
        try:
            self.body(1 << 16)
        except Trouble:
            self.close()

    def close(self) -> None:
        """End the connection unless all was read."""
        self.response.close()

    def interrupt(self) -> None:
        """Make a read that another thread waits in end (urllib3 2.3 and newer; else it ends by its timeout)."""
        shutdown = getattr(self.response, "shutdown", None)
        if shutdown is not None:
            with contextlib.suppress(ValueError, RuntimeError, OSError):
                shutdown()


class Transport:
    """The connections of one session; safe for many threads."""

    def __init__(self, rules: Rules, pace: Pace, connections: int) -> None:
        self._rules = rules
        self._pace = pace
        self._connections = connections
        self._pools: dict[tuple[object, ...], urllib3.PoolManager] = {}
        self._schemes: dict[str, str] = {}
        self._lock = threading.Lock()

    def request(
        self,
        endpoint: Endpoint,
        method: str,
        target: str,
        asked: Asked,
        *,
        authorization: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        verified: bool = False,
    ) -> Answer:
        """One request and its redirects; ``target`` is a path at the endpoint or an absolute URL.

        ``verified``: the content will be compared with a digest, so that it may come over plain http. Any status is an
        answer; raises :class:`Trouble` when there is none.
        """
        if not target.startswith("/"):
            return self._exchange(endpoint, method, target, asked, authorization, headers, body, verified)
        known = self._schemes.get(endpoint.address)
        schemes = (known,) if known in endpoint.way.schemes else endpoint.way.schemes
        for position, scheme in enumerate(schemes):
            url = f"{scheme}://{endpoint.address}{target}"
            probing = position + 1 < len(schemes)
            try:
                answer = self._exchange(endpoint, method, url, asked, authorization, headers, body, verified, probing)
            except network.NotSpoken as trouble:
                # Whoever does not speak TLS may speak plain http; who did once is not asked to do worse.
                if position + 1 == len(schemes):
                    raise trouble.as_final() from None
                continue
            if known is None:
                self._schemes[endpoint.address] = scheme
            return answer
        raise AssertionError("an endpoint has at least one scheme")

    def close(self) -> None:
        """Close all connections; the session is over."""
        for pool in self._pools.values():
            pool.clear()

    def _exchange(
        self,
        endpoint: Endpoint,
        method: str,
        url: str,
        asked: Asked,
        authorization: str,
        headers: Mapping[str, str] | None,
        body: bytes | Iterable[bytes] | None,
        verified: bool,
        probing: bool = False,
    ) -> Answer:
        origin = _origin(url)
        for _ in range(_MAX_REDIRECTS + 1):
            at_home = _origin(url) == origin
            sent = dict(headers or {})
            if authorization and at_home:
                sent["Authorization"] = authorization
            way = endpoint.way if at_home else self._foreign_way(endpoint, url)
            answer = self._once(way, method, url, asked, sent, body, probing)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location or method not in ("GET", "HEAD"):
                return answer
            answer.drop()
            url = self._next_url(url, location, asked, verified)
        raise Trouble(network.failure(asked, f"{asked.host} redirects more than {_MAX_REDIRECTS} times"))

    def _once(
        self,
        way: Way,
        method: str,
        url: str,
        asked: Asked,
        headers: dict[str, str],
        body: bytes | Iterable[bytes] | None,
        probing: bool,
    ) -> Answer:
        connect = min(self._pace.connect_timeout, _PROBE_SECONDS) if probing else self._pace.connect_timeout
        read = max(_COMMIT_SECONDS, self._pace.read_timeout) if method == "PUT" else self._pace.read_timeout
        try:
            response = self._pool(way, url).request(
                method,
                url,
                headers={"User-Agent": _user_agent(), **headers},
                body=body,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=connect, read=read),
            )
        except (HTTPError, OSError, ValueError) as error:
            raise network.explain(asked, error, way) from None
        return Answer(response, url, asked)

    def _next_url(self, url: str, location: str, asked: Asked, verified: bool) -> str:
        try:
            following = urljoin(url, location)
            there, here = urlsplit(following), urlsplit(url)
            there.port  # noqa: B018  (raises ValueError for a bad one)
        except ValueError:
            raise Trouble(network.failure(asked, f"{asked.host} redirects to '{location[:200]}'")) from None
        if there.scheme not in ("http", "https") or not there.hostname:
            raise Trouble(network.failure(asked, f"{asked.host} redirects to '{location[:200]}'"))
        if here.scheme == "https" and there.scheme == "http":
            if there.hostname == here.hostname and there.port is None:  # a proxy that ends TLS and forgets to say so
                return urlunsplit(("https", here.netloc, there.path, there.query, ""))
            if not verified and not self._rules.way(there.netloc).secrets_over_http:
                raise Trouble(network.failure(asked, f"{asked.host} redirects from https to '{there.netloc}' by http"))
        return urlunsplit((there.scheme, there.netloc.rpartition("@")[2], there.path or "/", there.query, ""))

    def _foreign_way(self, endpoint: Endpoint, url: str) -> Way:
        """How a host that the endpoint sends us to is reached: by its own settings, else trusting as the endpoint."""
        there = urlsplit(url)
        own = self._rules.way(there.netloc)
        proxy = own.proxy
        if there.scheme == "http" and not self._rules.settings.has(f"registry.{there.netloc}.proxy"):
            proxy = self._rules.proxies.choose(there.netloc, "http")
        return Way(
            schemes=own.schemes,
            verify=own.verify and (endpoint.way.verify or bool(own.ca)),
            ca=own.ca or endpoint.way.ca,
            proxy=proxy,
            certificates=own.certificates,
        )

    def _pool(self, way: Way, url: str) -> urllib3.PoolManager:
        secure = url.startswith("https:")
        key = (secure, way.verify, way.ca, way.proxy, way.certificates)
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = self._make_pool(way, secure)
            return pool

    def _make_pool(self, way: Way, secure: bool) -> urllib3.PoolManager:
        context = _tls_context(way) if secure else None
        if not way.proxy:
            return urllib3.PoolManager(num_pools=16, maxsize=self._connections, ssl_context=context)
        parts = urlsplit(way.proxy)
        if parts.scheme not in ("http", "https"):
            from wherry.base.errors import SettingsError

            raise SettingsError(
                f"the proxy '{parts.scheme}://{parts.hostname}' cannot be used", why="only http:// and https:// can"
            )
        proxy_headers = None
        if parts.username:
            from urllib.parse import unquote

            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            proxy_headers = urllib3.make_headers(proxy_basic_auth=login)
        url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
        return urllib3.ProxyManager(
            url, num_pools=16, maxsize=self._connections, ssl_context=context, proxy_headers=proxy_headers
        )


def _tls_context(way: Way) -> ssl.SSLContext:
    import os
    import ssl

    from wherry.base.errors import SettingsError, reason

    context = ssl.create_default_context()
    if not way.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    path = way.ca
    try:
        if way.ca:
            context.load_verify_locations(os.path.expanduser(way.ca))
        for name in sorted(os.listdir(way.certificates)) if way.certificates else ():
            path = f"{way.certificates}/{name}"
            if name.endswith(".crt"):
                context.load_verify_locations(path)
            elif name.endswith(".cert"):
                context.load_cert_chain(path, path.removesuffix(".cert") + ".key")
    except (OSError, ssl.SSLError) as error:
        why = reason(error) or "it is not a PEM file"
        hint = "the setting 'ca' of a registry names it" if path == way.ca else ""
        raise SettingsError(f"cannot use the certificates in '{path}'", why=why, hint=hint) from None
    return context


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _user_agent() -> str:
    from wherry import __version__

    return f"wherry/{__version__}"
