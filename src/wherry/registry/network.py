"""What goes wrong below HTTP, in words: urllib3's exceptions become troubles here and nowhere else."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from urllib.parse import urlsplit

from urllib3 import exceptions

from wherry.base.errors import NetworkFailed, reason
from wherry.registry.endpoints import Way, is_loopback, setting
from wherry.registry.failures import Asked, Trouble

__all__ = ["NotSpoken", "explain", "failure"]


_AGAIN = "it may pass: run the same command again"


class NotSpoken(Trouble):
    """No word was understood: where plain http is allowed, that may be what the other side speaks."""

    def as_final(self) -> Trouble:
        """The same, where there is nothing else to try."""
        return Trouble(self.error, again=self.again, connect=self.connect)


def failure(asked: Asked, why: str, hint: str = "") -> NetworkFailed:
    """The error for a ``why``; retries are said by the session, which counts them."""
    return NetworkFailed(f"cannot {asked.verb} '{asked.subject}'", why=why, hint=hint)


def explain(asked: Asked, error: Exception, way: Way | None = None) -> Trouble:
    """The trouble that a foreign exception means; ``way`` is how the host was to be reached."""
    if isinstance(error, exceptions.ProxyError):
        cause = error.original_error
        proxy = urlsplit(way.proxy).netloc.rpartition("@")[2] if way else ""
        why = f"the proxy '{proxy}' to '{asked.host}' fails: {_words(cause)}"
        return NotSpoken(failure(asked, why, _proxy_hint(asked)), again=True, connect=True)
    if isinstance(error, exceptions.NameResolutionError):
        why = f"the name of '{asked.host}' cannot be resolved"
        return Trouble(failure(asked, why, _no_way_out(asked)), again=True, connect=True)
    if isinstance(error, exceptions.ConnectTimeoutError) and not isinstance(error, exceptions.NewConnectionError):
        why = f"'{asked.host}' does not answer"
        return NotSpoken(failure(asked, why, _no_way_out(asked)), again=True, connect=True)
    if isinstance(error, exceptions.NewConnectionError):
        why = f"cannot connect to '{asked.host}': {_words(error.__cause__ or error)}"
        return NotSpoken(failure(asked, why, _no_way_out(asked)), again=True, connect=True)
    if isinstance(error, exceptions.SSLError):
        return _tls(asked, error, way.ca if way else "")
    if isinstance(error, exceptions.ReadTimeoutError | TimeoutError):
        return NotSpoken(failure(asked, f"'{asked.host}' went silent", _AGAIN), again=True)
    if isinstance(error, exceptions.LocationParseError | exceptions.LocationValueError):
        return Trouble(failure(asked, f"not an address: {_words(error)}"))
    if isinstance(error, exceptions.ProtocolError | OSError):
        return NotSpoken(failure(asked, f"'{asked.host}' broke the connection: {_words(error)}", _AGAIN), again=True)
    return Trouble(failure(asked, f"'{asked.host}' gave no proper answer: {_words(error)}"), again=True)


def _tls(asked: Asked, error: Exception, ca: str) -> Trouble:
    inner = error.args[0] if error.args else error
    if isinstance(inner, ssl.SSLCertVerificationError):
        reason = inner.verify_message or str(inner)
        hint = "name its authority's PEM file in wherry.toml: " + setting(asked.login, 'ca = "FILE"')
        if ca:
            hint = f"{setting(asked.login, 'ca')} in wherry.toml is '{ca}': is it the authority that signed?"
        return Trouble(failure(asked, f"the certificate of '{asked.host}' is not trusted: {reason}", hint))
    reason = getattr(inner, "reason", None) or str(inner)
    hint = f"if it speaks plain http: {setting(asked.login, 'insecure = true')} in wherry.toml"
    return NotSpoken(
        failure(asked, f"'{asked.host}' does not speak TLS as expected: {reason}", hint), again=True, connect=True
    )


def _words(error: object) -> str:
    """The innermost cause in a few words."""
    if isinstance(error, exceptions.ProtocolError) and len(error.args) > 1:
        return _words(error.args[1])
    if isinstance(error, exceptions.NewConnectionError) and error.__cause__ is not None:
        return _words(error.__cause__)
    if isinstance(error, exceptions.IncompleteRead):
        return "it ended too early"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it was closed without an answer"
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return "connection refused (nothing listens there)"
    if isinstance(error, OSError) and error.strerror:
        return reason(error)
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:200]


def _no_way_out(asked: Asked) -> str:
    if is_loopback(asked.host):
        return "that is this machine: is its registry started, and is the port right?"
    return (
        "computing nodes often have no way out: do it on a login node, or name the site's proxy in HTTPS_PROXY or in "
        "wherry.toml: " + setting(asked.login, 'proxy = "URL"')
    )


def _proxy_hint(asked: Asked) -> str:
    return f"see HTTPS_PROXY, NO_PROXY and {setting(asked.login, 'proxy')} in wherry.toml"
