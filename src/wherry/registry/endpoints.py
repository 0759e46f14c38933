"""Where to ask for a reference: mirrors first, then the origin. Pure: settings and files in, endpoints out."""

from __future__ import annotations

import msgspec

from wherry.base.decimals import decimal
from wherry.base.errors import Forbidden, SettingsError
from wherry.base.reference import DEFAULT_REGISTRY, Reference
from wherry.base.settings import Settings
from wherry.registry.registriesconf import Location, RegistriesConf

__all__ = ["Endpoint", "Proxies", "Rules", "Way", "is_loopback", "setting", "split_host", "with_scheme"]

_HUB_ADDRESS = "registry-1.docker.io"


class Way(msgspec.Struct, frozen=True):
    """How a host is reached.

    ``schemes`` in the order of trial; ``verify`` whether its certificate is checked; ``ca`` a PEM file that is trusted
    besides the system's; ``proxy`` a URL or empty; ``certificates`` a folder with ``*.crt``, ``*.cert`` and ``*.key``
    files, as Docker and Podman have them for a host, or empty.
    """

    schemes: tuple[str, ...] = ("https",)
    verify: bool = True
    ca: str = ""
    proxy: str = ""
    certificates: str = ""

    @property
    def secrets_over_http(self) -> bool:
        """Whether credentials may go over plain http: only to loopback and to registries that are set insecure."""
        return "http" in self.schemes


class Endpoint(msgspec.Struct, frozen=True):
    """One place to ask: ``host`` as people write it, ``address`` as it is contacted, the repository's name there."""

    host: str
    address: str
    repository: str
    way: Way
    mirror: bool = False

    @property
    def name(self) -> str:
        """``host/repository``, for messages."""
        return f"{self.host}/{self.repository}"


class Proxies(msgspec.Struct, frozen=True):
    """What ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` say."""

    https: str = ""
    http: str = ""
    exempt: tuple[str, ...] = ()

    def choose(self, host: str, scheme: str) -> str:
        """The proxy for ``host[:port]``; empty for loopback and for what ``NO_PROXY`` names."""
        name, port = split_host(host)
        if is_loopback(host) or any(_exempts(pattern, name, port) for pattern in self.exempt):
            return ""
        return self.https if scheme == "https" else self.http


class Rules(msgspec.Struct, frozen=True):
    """All that decides where and how registries are reached. Wherry's own settings win over ``registries.conf``."""

    settings: Settings
    conf: RegistriesConf
    proxies: Proxies
    certificates: dict[str, str] = {}

    def endpoints(self, reference: Reference, *, push: bool = False) -> tuple[Endpoint, ...]:
        """Mirrors, then the origin; a push goes to the origin only.

        Raises :class:`Forbidden` for a registry that ``registries.conf`` blocks.
        """
        rule = self.conf.rule(reference.name)
        origin_name, insecure = reference.name, False
        mirrors: list[Location] = []
        if rule is not None:
            if rule.blocked:
                raise Forbidden(f"'{rule.prefix}' is blocked", why=f"'{rule.source}' says so")
            origin_name, insecure = rule.rewrite(reference.name, rule.location), rule.insecure
            mirrors = [
                Location(rule.rewrite(reference.name, mirror.location), mirror.insecure)
                for mirror in rule.mirrors
                if mirror.pulls == "all" or (mirror.pulls == "digest-only") == (reference.digest is not None)
            ]
        key = f"registry.{reference.registry}.mirrors"
        if self.settings.has(key):
            mirrors = [_own_mirror(text, key, reference.repository) for text in self.settings.items(key)]
        origin = self._endpoint(Location(origin_name, insecure), mirror=False)
        if push:
            return (origin,)
        return (*(self._endpoint(mirror, mirror=True) for mirror in mirrors), origin)

    def host(self, host: str) -> Endpoint:
        """The registry itself, without a repository: to log in."""
        rule = self.conf.rule(host)
        return self._endpoint(Location(f"{host}/", rule is not None and rule.insecure), mirror=False)

    def way(self, host: str, *, insecure: bool = False) -> Way:
        """How ``host[:port]`` is reached."""
        ca = self.settings.text(f"registry.{host}.ca")
        insecure = insecure or self.settings.flag(f"registry.{host}.insecure")
        certificates = self.certificates.get(host, "")
        # Loopback may speak plain http without being named, as with Docker; who names an authority means https.
        named = bool(ca or certificates)
        lenient = insecure or (is_loopback(host) and not named)
        return Way(
            schemes=("https", "http") if lenient else ("https",),
            verify=named or not lenient,
            ca=ca,
            proxy=self._proxy(host, lenient),
            certificates=certificates,
        )

    def may_carry_secrets(self, scheme: str, host: str) -> bool:
        """Whether credentials may be sent to ``scheme://host``."""
        return scheme == "https" or (scheme == "http" and self.way(host).secrets_over_http)

    def _proxy(self, host: str, lenient: bool) -> str:
        own = self.settings.text(f"registry.{host}.proxy")
        if own:
            return "" if own == "none" else with_scheme(own)
        proxy = self.proxies.choose(host, "https")
        return self.proxies.choose(host, "http") if lenient and not proxy else proxy

    def _endpoint(self, location: Location, *, mirror: bool) -> Endpoint:
        host, _, repository = location.location.partition("/")
        address = _HUB_ADDRESS if host in (DEFAULT_REGISTRY, "index.docker.io") else host
        way = self.way(host, insecure=location.insecure)
        return Endpoint(host, address, repository.rstrip("/"), way, mirror)


def setting(host: str, line: str) -> str:
    """A registry's setting as it is written in ``wherry.toml``, for messages."""
    return f'[registry."{host}"] {line}'


def split_host(host: str) -> tuple[str, str]:
    """``host[:port]`` as name (without the brackets of IPv6) and port, which may be empty."""
    if host.startswith("["):
        name, _, rest = host[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _, port = host.partition(":")
    return name, port


def is_loopback(host: str) -> bool:
    """Whether ``host[:port]`` is this machine: localhost, 127.0.0.0/8, ::1."""
    name, _ = split_host(host)
    if name == "localhost" or name.endswith(".localhost") or name == "::1":
        return True
    parts = name.split(".")
    return parts[0] == "127" and len(parts) == 4 and all(decimal(part) in range(256) for part in parts)


def _own_mirror(text: str, key: str, repository: str) -> Location:
    scheme, separator, rest = text.partition("://")
    if separator and scheme not in ("http", "https"):
        raise SettingsError(f"setting '{key}' names '{text}'", why="expected host[:port][/prefix]")
    place = (rest if separator else text).strip("/")
    return Location(f"{place}/{repository}", insecure=scheme == "http" and bool(separator))


def with_scheme(proxy: str) -> str:
    """A proxy as people write it (``proxy:3128``) as a URL; empty stays empty."""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


def _exempts(pattern: str, name: str, port: str) -> bool:
    """One item of ``NO_PROXY``: ``*``, a host, a domain with or without its dot, an address block, each with a port."""
    if pattern == "*":
        return True
    if "/" in pattern:
        import ipaddress

        try:
            return ipaddress.ip_address(name) in ipaddress.ip_network(pattern, strict=False)
        except ValueError:
            return False
    wanted, wanted_port = split_host(pattern) if pattern.count(":") <= 1 or pattern.startswith("[") else (pattern, "")
    if wanted_port and wanted_port != (port or "443"):
        return False
    wanted = wanted.lower().removeprefix("*").removeprefix(".")
    return bool(wanted) and (name.lower() == wanted or name.lower().endswith(f".{wanted}"))
