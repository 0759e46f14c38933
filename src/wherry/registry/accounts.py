"""Logging in and out: try the credentials at the registry, then keep them where Docker and Podman look for them."""

from __future__ import annotations

import base64
import os

import msgspec

from wherry.base.errors import NotFound, RegistryError, SettingsError, UsageError, reason
from wherry.base.outside import Outside
from wherry.base.reference import DEFAULT_REGISTRY
from wherry.base.settings import Settings
from wherry.registry import client, helpers
from wherry.registry.credentials import HUB_KEY, Credential, Wallet, entry_keys, open_wallet, read_auth_file
from wherry.registry.pace import Pace
from wherry.registry.session import Session

__all__ = ["Login", "login", "login_place", "logout"]


class Login(msgspec.Struct, frozen=True):
    """What a login did: where the secret is now, and whether the registry asked for it at all.

    ``encoded`` says that it lies in a file that everybody who can read the file can decode.
    """

    host: str
    kept_in: str
    verified: bool
    encoded: bool


def login(
    host: str,
    username: str,
    password: str,
    *,
    settings: Settings,
    outside: Outside,
    auth_file: str = "",
    pace: Pace | None = None,
) -> Login:
    """Verify the credentials with the registry and keep them; idempotent, the file is replaced atomically (0600).

    Raises :class:`Unauthorized` when the registry refuses them; then nothing is kept.
    """
    host = _host(host)
    if not username or not password:
        raise UsageError(f"cannot log in to '{host}'", why="a user's name and a password are needed")
    tried = Credential("the command line", username, password)
    session = client.open_session(settings, outside, pace=pace, wallet=_OneCredential(tried))
    try:
        verified = _verify(session, host)
    finally:
        session.close()
    return _keep(_file(settings, outside, auth_file), host, tried, dict(os.environ), verified)


def login_place(host: str, *, settings: Settings, outside: Outside, auth_file: str = "") -> tuple[str, str]:
    """The registry that ``host`` means, and the file or helper where :func:`login` would keep its credentials."""
    path, host = _file(settings, outside, auth_file), _host(host)
    helper = _helper(read_auth_file(path), host)
    return host, f"docker-credential-{helper}" if helper else path


def logout(
    host: str, *, settings: Settings, outside: Outside, auth_file: str = "", dry_run: bool = False
) -> tuple[str, ...]:
    """Forget the credentials of a registry in every place where they are looked up; returns these places.

    Idempotent: an empty result says that there were none. ``dry_run`` only says where they are.
    """
    host = _host(host)
    wallet = open_wallet(settings, outside, auth_file)
    places: list[str] = []
    for path in wallet.files:
        places += _forget(path, host, dict(os.environ), dry_run=dry_run)
    return tuple(places)


def _file(settings: Settings, outside: Outside, auth_file: str) -> str:
    path = os.path.expanduser(auth_file or settings.text("registry.auth_file"))
    return path or open_wallet(settings, outside).write_to


def _server(host: str) -> str:
    return HUB_KEY if host == DEFAULT_REGISTRY else host


def _helper(document: dict[str, object], host: str) -> str:
    """The credential helper that a credentials file names for the host; empty for none."""
    special = document.get("credHelpers")
    found = (special.get(_server(host)) or special.get(host)) if isinstance(special, dict) else None
    found = found or document.get("credsStore")
    return found if isinstance(found, str) else ""


class _OneCredential(Wallet):
    """A wallet with the credentials that are to be tried, whatever the files say."""

    def __init__(self, credential: Credential) -> None:
        super().__init__((), "")
        self._credential = credential

    def find(self, host: str, repository: str = "") -> Credential | None:
        return self._credential


def _host(host: str) -> str:
    """What people paste: ``https://registry.example/v2/`` is ``registry.example``; empty is Docker Hub."""
    bare = host.partition("://")[2] or host
    bare = bare.partition("/")[0].strip()
    return DEFAULT_REGISTRY if bare in ("", "index.docker.io", "registry-1.docker.io") else bare


def _verify(session: Session, host: str) -> bool:
    """Ask the registry's front door (distribution-spec, "Determining Support"); False when it is open to all."""
    endpoint = session.rules.host(host)
    ok = frozenset({200, 404})  # some registries have no front door, but ask for the credentials all the same
    session.ask((endpoint,), lambda found: session.send(found, "GET", "/v2/", (), host, ok=ok, verb="log in to").drop())
    return bool(session.auth.used(endpoint))


def _keep(path: str, host: str, credential: Credential, environ: dict[str, str], verified: bool) -> Login:
    document = read_auth_file(path)
    server = _server(host)
    auths = _table(document, "auths")
    helper = _helper(document, host)
    if helper:
        try:
            helpers.store(helper, server, helpers.Secret(credential.user, credential.password), environ)
        except NotFound as error:
            hint = f"install it, or take 'credsStore' out of '{path}'"
            raise RegistryError(f"cannot keep the password for '{host}'", why=str(error), hint=hint) from None
        if server not in auths or auths[server]:
            auths[server] = {}
            _write(path, document)
        return Login(host, f"docker-credential-{helper}", verified, encoded=False)
    encoded = base64.b64encode(f"{credential.user}:{credential.password}".encode()).decode()
    auths[server] = {"auth": encoded}
    _write(path, document)
    return Login(host, path, verified, encoded=True)


def _forget(path: str, host: str, environ: dict[str, str], *, dry_run: bool) -> list[str]:
    document = read_auth_file(path)
    if not document:
        return []
    places: list[str] = []
    server = _server(host)
    helper = _helper(document, host)
    if helper:
        try:
            if helpers.get(helper, server, environ) is not None:
                if not dry_run:
                    helpers.erase(helper, server, environ)
                places.append(f"docker-credential-{helper}")
        except NotFound:
            pass
    auths = document.get("auths")
    if isinstance(auths, dict):
        names = {name for key in entry_keys(host) for name in (key, f"https://{key}", f"https://{key}/v1/")}
        gone = [auths.pop(name) for name in sorted(names) if name in auths]
        if gone:
            if not dry_run:
                _write(path, document)
            if any(gone):
                places.append(path)
    return places


def _table(document: dict[str, object], name: str) -> dict[str, object]:
    found = document.setdefault(name, {})
    if not isinstance(found, dict):
        raise SettingsError(f"cannot use the credentials file: its '{name}' is no object")
    return found


def _write(path: str, document: dict[str, object]) -> None:
    """Replace the file in one step, readable by its owner only; a symbolic link to it stays one."""
    import tempfile

    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".wherry-login-")  # made with mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise RegistryError(f"cannot write '{path}'", why=reason(error)) from None
