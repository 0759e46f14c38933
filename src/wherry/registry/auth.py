"""Answers to ``WWW-Authenticate``: basic, and bearer tokens with their scopes and expiry.

Sources: RFC 9110 11.6.1, distribution's "Token Authentication Specification" and "OAuth2 Token Authentication".
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from wherry.base.errors import RegistryError
from wherry.registry.credentials import Credential, Wallet
from wherry.registry.endpoints import Endpoint, Rules, setting
from wherry.registry.failures import Asked, Trouble, explain_status
from wherry.registry.pace import Pace
from wherry.registry.transport import Transport

__all__ = ["Auth", "Challenge", "choose_challenge", "merge_scopes", "parse_challenges", "token_url"]

_CLIENT_ID = "wherry"
_LEAST_LIFE = 60.0
"""Seconds that a token lives when its server does not say (the specification's default)."""

_MAX_ANSWER = 1 << 20


class Challenge(msgspec.Struct, frozen=True):
    """One way to authenticate that a server offers; ``scheme`` and the parameters' names in lower case."""

    scheme: str
    parameters: dict[str, str] = {}


class _Token(msgspec.Struct, frozen=True):
    value: str
    expires: float


class Auth:
    """Who we are at each registry of a session; safe for many threads, a token is fetched by one of them."""

    def __init__(self, transport: Transport, rules: Rules, wallet: Wallet, pace: Pace) -> None:
        self._transport = transport
        self._rules = rules
        self._wallet = wallet
        self._pace = pace
        self._lock = threading.RLock()
        self._challenges: dict[str, Challenge] = {}
        self._tokens: dict[tuple[str, tuple[str, ...]], _Token] = {}
        self._scopes: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
        self._used: dict[str, str] = {}

    def authorization(self, endpoint: Endpoint, scopes: tuple[str, ...], asked: Asked) -> str:
        """The header for a first try: empty until the registry has asked who we are."""
        with self._lock:
            challenge = self._challenges.get(endpoint.address)
            if challenge is None:
                return ""
            if challenge.scheme == "basic":
                credential = self._credential(endpoint)
                return credential.basic if credential else ""
            return self._bearer(endpoint, challenge, scopes, asked, rejected="")

    def answer(
        self, endpoint: Endpoint, scopes: tuple[str, ...], offered: Iterable[str], rejected: str, asked: Asked
    ) -> str:
        """The header for a second try after a 401; empty when there is nothing better than what was rejected."""
        challenge = choose_challenge(parse_challenges(offered))
        if challenge is None:
            return ""
        with self._lock:
            self._challenges[endpoint.address] = challenge
            if challenge.scheme == "basic":
                credential = self._credential(endpoint)
                header = credential.basic if credential else ""
            else:
                self._learn(endpoint, challenge, scopes)
                header = self._bearer(endpoint, challenge, scopes, asked, rejected)
        return "" if header == rejected else header

    def used(self, endpoint: Endpoint) -> str:
        """The credentials that were shown to this endpoint, in words; empty for none."""
        return self._used.get(endpoint.name, "")

    def _learn(self, endpoint: Endpoint, challenge: Challenge, scopes: tuple[str, ...]) -> None:
        """Ask from now on for what the registry names, too: some want more than their specification says."""
        key = (f"{endpoint.address}/{endpoint.repository}", scopes)
        named = challenge.parameters.get("scope", "").split()
        self._scopes[key] = merge_scopes((*scopes, *named))

    def _credential(self, endpoint: Endpoint) -> Credential | None:
        credential = self._wallet.find(endpoint.host, endpoint.repository)
        if credential is not None:
            self._used[endpoint.name] = credential.label
        return credential

    def _bearer(
        self, endpoint: Endpoint, challenge: Challenge, scopes: tuple[str, ...], asked: Asked, rejected: str
    ) -> str:
        key = (f"{endpoint.address}/{endpoint.repository}", scopes)
        known = self._tokens.get(key)
        if known and self._pace.clock() < known.expires and f"Bearer {known.value}" != rejected:
            return f"Bearer {known.value}"
        credential = self._credential(endpoint)
        if credential is not None and credential.registry_token:
            return f"Bearer {credential.registry_token}"
        token = self._fetch(endpoint, challenge, self._scopes.get(key, scopes), credential, asked)
        self._tokens[key] = token
        return f"Bearer {token.value}"

    def _fetch(
        self,
        endpoint: Endpoint,
        challenge: Challenge,
        scopes: tuple[str, ...],
        credential: Credential | None,
        asked: Asked,
    ) -> _Token:
        realm, service = challenge.parameters.get("realm", ""), challenge.parameters.get("service", "")
        parts = urlsplit(realm)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Trouble(RegistryError(f"{asked.host} names no proper token server", why=f"its realm is '{realm}'"))
        used = credential.label if credential else ""
        asked = msgspec.structs.replace(asked, host=parts.netloc, used=used, note=self._wallet.note)
        if credential is not None and not self._rules.may_carry_secrets(parts.scheme, parts.netloc):
            raise Trouble(
                RegistryError(
                    f"credentials for '{asked.login}' are not sent to '{parts.scheme}://{parts.netloc}'",
                    why="its token server speaks plain http",
                    hint=f"if you trust the network: {setting(parts.netloc, 'insecure = true')} in wherry.toml",
                )
            )
        server = _token_endpoint(self._rules, parts.netloc, endpoint)
        started = self._pace.clock()
        if credential is not None and credential.identity_token:
            form = {"grant_type": "refresh_token", "client_id": _CLIENT_ID, "service": service}
            form |= {"scope": " ".join(scopes), "refresh_token": credential.identity_token}
            answer = self._transport.request(
                server,
                "POST",
                realm,
                asked,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=urlencode(form).encode(),
            )
        else:
            url = token_url(realm, service, scopes, credential.user if credential else "")
            basic = credential.basic if credential else ""
            answer = self._transport.request(server, "GET", url, asked, authorization=basic)
        body = answer.body(_MAX_ANSWER)
        if answer.status != 200:
            raise explain_status(
                asked,
                answer.status,
                answer.headers,
                body,
                now=self._pace.now(),
                patience=self._pace.patience,
                url=answer.url,
            )
        return _read_token(body, started, asked)


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges in ``WWW-Authenticate`` headers, of which each may hold several."""
    challenges: list[Challenge] = []
    for header in headers:
        for match in _CHALLENGE_PART.finditer(header):
            name, quoted, plain, scheme = match.group("name", "quoted", "plain", "scheme")
            if scheme:
                challenges.append(Challenge(scheme.lower(), {}))
            elif challenges:
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
                challenges[-1].parameters.setdefault(name.lower(), value)
    return tuple(challenges)


_CHALLENGE_PART = re.compile(
    r"""(?P<name>[\w-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))|(?P<scheme>[A-Za-z][\w-]*)"""
)


def choose_challenge(challenges: tuple[Challenge, ...]) -> Challenge | None:
    """A bearer token before basic; None when there is neither."""
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme:
                return challenge
    return None


def merge_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """``repository:a:pull`` and ``repository:a:push`` as ``repository:a:pull,push``; in a settled order."""
    actions: dict[str, set[str]] = {}
    for scope in scopes:
        resource, separator, action = scope.rpartition(":")
        if separator:
            actions.setdefault(resource, set()).update(part for part in action.split(",") if part)
    return tuple(f"{resource}:{','.join(sorted(found))}" for resource, found in sorted(actions.items()))


def token_url(realm: str, service: str, scopes: tuple[str, ...], account: str = "") -> str:
    """The URL to ask for a token; what the realm's own query says stays."""
    parts = urlsplit(realm)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if account:
        query.append(("account", account))
    if service:
        query.append(("service", service))
    query += [("scope", scope) for scope in scopes]
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", urlencode(query, safe="/:,"), ""))


def _token_endpoint(rules: Rules, netloc: str, endpoint: Endpoint) -> Endpoint:
    """The token server, reached by its own settings; on the registry's own host as the registry is."""
    if netloc == endpoint.address:
        return endpoint
    own = rules.host(netloc)
    way = own.way
    if not way.ca and endpoint.way.ca:
        way = msgspec.structs.replace(way, ca=endpoint.way.ca)
    return Endpoint(netloc, netloc, "", way)


def _read_token(body: bytes, started: float, asked: Asked) -> _Token:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    value = (document.get("token") or document.get("access_token")) if isinstance(document, dict) else None
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise Trouble(RegistryError(f"{asked.host} gives no token", why="its answer is not the JSON that it should be"))
    assert isinstance(document, dict)
    life = document.get("expires_in")
    seconds = float(life) if isinstance(life, int | float) and 0 < life < 1e9 else _LEAST_LIFE
    return _Token(value, started + seconds * 0.9)
