"""Who we are at a registry: the files of Docker and Podman, and credential helpers.

Files, the first that knows the host wins: a file named by ``--authfile`` or ``REGISTRY_AUTH_FILE`` alone, else
``$DOCKER_CONFIG/config.json`` (``~/.docker/config.json``), then ``$XDG_RUNTIME_DIR/containers/auth.json``. Within a
file a helper for the host (``credHelpers``) wins over the file's general one (``credsStore``), that over ``auths``;
keys may be ``host``, ``host/path`` (the longest prefix wins) or old URLs such as ``https://index.docker.io/v1/``
(docker-login(1), containers-auth.json(5)).
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping

import msgspec

from wherry.base.errors import NotFound, SettingsError, reason
from wherry.base.outside import Outside
from wherry.base.settings import Settings
from wherry.registry import helpers

__all__ = ["HUB_KEY", "Credential", "Wallet", "entry_keys", "open_wallet", "read_auth_file"]

HUB_KEY = "https://index.docker.io/v1/"
"""Docker's name for Docker Hub in its files and helpers."""

_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")


class Credential(msgspec.Struct, frozen=True):
    """User and secret, or an identity (refresh) token, or a token to show as it is; ``source`` says where it lay."""

    source: str
    user: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    @property
    def basic(self) -> str:
        """The value of a basic ``Authorization`` header; empty when there is no password."""
        if not self.password:
            return ""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def label(self) -> str:
        """For messages: never the secret."""
        return f"those of '{self.user}' from {self.source}" if self.user else f"a token from {self.source}"

    def __repr__(self) -> str:
        return f"Credential(source={self.source!r}, user={self.user!r}, ...)"


class Wallet:
    """Finds credentials; each file is read once, each helper asked once. Guard it by a lock when threads share it.

    ``notes`` collects what stood in the way (a helper that is not installed), for messages.
    """

    def __init__(self, files: tuple[str, ...], write_to: str, environ: Mapping[str, str] | None = None) -> None:
        self.files = files
        self.write_to = write_to
        self.notes: list[str] = []
        self._environ = os.environ if environ is None else environ
        self._documents: dict[str, dict[str, object]] = {}
        self._answers: dict[tuple[str, str], Credential | None] = {}

    @property
    def note(self) -> str:
        """What stood in the way, in one line; empty mostly."""
        return "; ".join(self.notes)

    def find(self, host: str, repository: str = "") -> Credential | None:
        """The credentials for ``host/repository``, None when there are none.

        Raises :class:`SettingsError` for a file that cannot be read or parsed.
        """
        for path in self.files:
            found = self._find_in(path, host, repository)
            if found is not None:
                return found
        return None

    def _find_in(self, path: str, host: str, repository: str) -> Credential | None:
        if path not in self._documents:
            self._documents[path] = self._read(path)
        document = self._documents[path]
        keys = entry_keys(host, repository)
        helper, server = _helper_for(document, keys, host)
        if helper:
            found = self._ask_helper(helper, server, path)
            if found is not None:
                return found
        auths = document.get("auths")
        if not isinstance(auths, dict):
            return None
        entries = {_normal(key): entry for key, entry in auths.items() if isinstance(entry, dict)}
        for key in keys:
            credential = _from_entry(entries.get(key), path)
            if credential is not None:
                return credential
        return None

    def _read(self, path: str) -> dict[str, object]:
        if os.path.exists(path) and not os.access(path, os.R_OK):
            # Left behind by 'sudo docker login': it must not stop an anonymous pull.
            self.notes.append(f"'{path}' may not be read")
            return {}
        return read_auth_file(path)

    def _ask_helper(self, helper: str, server: str, path: str) -> Credential | None:
        if (helper, server) not in self._answers:
            self._answers[helper, server] = self._call_helper(helper, server, path)
        return self._answers[helper, server]

    def _call_helper(self, helper: str, server: str, path: str) -> Credential | None:
        try:
            secret = helpers.get(helper, server, self._environ)
        except NotFound as error:
            # Often a config.json that was copied from a laptop: it must not stop an anonymous pull.
            self.notes.append(f"{error} (named in '{path}')")
            return None
        if secret is None:
            return None
        source = f"docker-credential-{helper}"
        if secret.user == "<token>":
            return Credential(source, identity_token=secret.secret)
        return Credential(source, user=secret.user, password=secret.secret)


def open_wallet(settings: Settings, outside: Outside, auth_file: str = "") -> Wallet:
    """The wallet of this user; ``auth_file`` is what ``--authfile`` names and must exist to be read.

    The files themselves are read when a registry asks who we are, not before.
    """
    home = outside.env("HOME") or "/nonexistent"
    docker = f"{outside.env('DOCKER_CONFIG') or home + '/.docker'}/config.json"
    named = auth_file or settings.text("registry.auth_file")
    if named:
        if auth_file and not os.path.exists(auth_file):
            raise NotFound(
                f"there is no file '{auth_file}'", why="--authfile names it", hint="write it: 'wherry login'"
            )
        return Wallet((os.path.expanduser(named),), os.path.expanduser(named))
    runtime = outside.env("XDG_RUNTIME_DIR")
    files = (docker, f"{runtime}/containers/auth.json") if runtime else (docker,)
    return Wallet(files, docker)


def read_auth_file(path: str) -> dict[str, object]:
    """The document of a ``config.json`` or ``auth.json``; empty when there is no file; raise :class:`SettingsError`."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"cannot read the credentials in '{path}'", why=reason(error)) from None
    if not content.strip():
        return {}
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the credentials in '{path}'", why=str(error)) from None
    if not isinstance(document, dict):
        raise SettingsError(f"cannot read the credentials in '{path}'", why="it is not a JSON object")
    return document


def entry_keys(host: str, repository: str = "") -> tuple[str, ...]:
    """The keys under which credentials may lie, the most special first."""
    hosts = _HUB_NAMES if host in _HUB_NAMES else (host,)
    parts = [part for part in repository.split("/") if part]
    paths = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return tuple(f"{name}/{path}" for path in paths for name in hosts) + hosts


def _normal(key: str) -> str:
    """A key without scheme and API version: ``https://index.docker.io/v1/`` is ``index.docker.io``."""
    _, separator, rest = key.partition("://")
    bare = (rest if separator else key).rstrip("/")
    for version in ("/v1", "/v2"):
        if separator and bare.endswith(version):
            return bare.removesuffix(version)
    return bare


def _helper_for(document: Mapping[str, object], keys: tuple[str, ...], host: str) -> tuple[str, str]:
    """The helper to ask and the name under which to ask; empty when the file names none."""
    special = document.get("credHelpers")
    if isinstance(special, dict):
        named = {_normal(key): (str(value), key) for key, value in special.items() if value}
        for key in keys:
            if key in named:
                helper, server = named[key]
                return helper, HUB_KEY if host in _HUB_NAMES else server
    general = document.get("credsStore")
    if isinstance(general, str) and general:
        return general, HUB_KEY if host in _HUB_NAMES else host
    return "", ""


def _from_entry(entry: Mapping[str, object] | None, source: str) -> Credential | None:
    if not entry:
        return None
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    encoded = entry.get("auth")
    if isinstance(encoded, str) and encoded:
        try:
            decoded = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise SettingsError(f"cannot read the credentials in '{source}'", why="an 'auth' is not base64") from None
        user, _, password = decoded.partition(":")
        password = password.rstrip("\0")
    identity, token = str(entry.get("identitytoken") or ""), str(entry.get("registrytoken") or "")
    if not (password or identity or token):
        return None
    return Credential(source, "" if user == "<token>" else user, password, identity, token)
