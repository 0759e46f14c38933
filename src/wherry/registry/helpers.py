"""Credential helpers: programs ``docker-credential-NAME`` that get, store and erase secrets (JSON over pipes)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from wherry.base.errors import NotFound, RegistryError, SettingsError, reason

__all__ = ["Secret", "erase", "get", "store"]

_SECONDS = 60
"""A helper may ask the user to unlock a key ring."""

_NOT_THERE = ("credentials not found", "no credentials server url", "no credentials username", "not found in native")


class Secret(msgspec.Struct, frozen=True):
    """What a helper keeps; the user ``<token>`` says that the secret is an identity token."""

    user: str
    secret: str

    def __repr__(self) -> str:
        return f"Secret(user={self.user!r}, ...)"


def get(helper: str, server: str, environ: Mapping[str, str]) -> Secret | None:
    """The secret for ``server``, None when the helper has none.

    Raises :class:`NotFound` when the helper is not installed, :class:`RegistryError` when it fails.
    """
    status, output = _call(helper, "get", server.encode(), environ)
    if status != 0:
        if any(words in output.lower() for words in _NOT_THERE):
            return None
        raise RegistryError(f"'docker-credential-{helper}' fails for '{server}'", why=output or f"status {status}")
    try:
        answer = msgspec.json.decode(output)
    except msgspec.DecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise RegistryError(f"'docker-credential-{helper}' fails for '{server}'", why="its answer is not JSON")
    user, secret = str(answer.get("Username") or ""), str(answer.get("Secret") or "")
    return Secret(user, secret) if secret else None


def store(helper: str, server: str, secret: Secret, environ: Mapping[str, str]) -> None:
    """Have the helper keep a secret; raises as :func:`get` does."""
    document = {"ServerURL": server, "Username": secret.user, "Secret": secret.secret}
    status, output = _call(helper, "store", msgspec.json.encode(document), environ)
    if status != 0:
        raise RegistryError(f"'docker-credential-{helper}' does not keep it", why=output or f"status {status}")


def erase(helper: str, server: str, environ: Mapping[str, str]) -> None:
    """Have the helper forget; that it knew nothing is no error."""
    status, output = _call(helper, "erase", server.encode(), environ)
    if status != 0 and not any(words in output.lower() for words in _NOT_THERE):
        raise RegistryError(f"'docker-credential-{helper}' does not forget it", why=output or f"status {status}")


def _call(helper: str, verb: str, message: bytes, environ: Mapping[str, str]) -> tuple[int, str]:
    import shutil
    import subprocess

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", helper):
        raise SettingsError(f"'{helper}' is not the name of a credential helper")
    program = shutil.which(f"docker-credential-{helper}", path=environ.get("PATH"))
    if program is None:
        raise NotFound(f"the credential helper 'docker-credential-{helper}' is not installed")
    try:
        done = subprocess.run([program, verb], input=message, capture_output=True, timeout=_SECONDS, env=dict(environ))
    except subprocess.TimeoutExpired:
        raise RegistryError(f"'docker-credential-{helper}' does not answer", why=f"within {_SECONDS} s") from None
    except OSError as error:
        why = reason(error)
        raise RegistryError(f"'docker-credential-{helper}' cannot be executed", why=why) from None
    output = done.stdout if done.returncode == 0 else done.stdout or done.stderr
    return done.returncode, output.decode(errors="replace").strip()
