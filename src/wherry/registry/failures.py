"""What a registry's failures mean, in words: the one place where HTTP and the network become errors. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from wherry.base.decimals import decimal
from wherry.base.errors import (
    Forbidden,
    NetworkFailed,
    NotInRegistry,
    RateLimited,
    RegistryError,
    Unauthorized,
    WherryError,
)
from wherry.registry.endpoints import setting
from wherry.registry.pace import parse_retry_after

__all__ = ["Asked", "Trouble", "explain_status", "registry_words"]

_MAX_WORDS = 300
_MIRRORS = 'mirrors = ["HOST"]'


class Asked(msgspec.Struct, frozen=True):
    """What was asked, for messages.

    ``subject`` is the thing (``debian:bookworm``), ``verb`` what was tried (``pull``, ``push``, ``log in``), ``host``
    who answered, ``login`` the name to log in to, ``used`` the credentials in words (empty: none), ``note`` what stood
    in the way of credentials, ``mirror`` whether it was a mirror of what the user named.
    """

    subject: str
    verb: str
    host: str
    login: str
    used: str = ""
    mirror: bool = False
    note: str = ""

    @property
    def credentials(self) -> str:
        """Which credentials were used, and why none, if that is known."""
        return self.used or "no credentials" + (f" ({self.note})" if self.note else "")


class Trouble(Exception):
    """One endpoint's failure. ``again``: asking it once more may help, after ``after`` seconds if it said so.

    ``connect``: nobody answered at all. ``error`` is what to tell when no other endpoint helps.
    """

    def __init__(
        self, error: WherryError, *, again: bool = False, connect: bool = False, after: float | None = None
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.again = again
        self.connect = connect
        self.after = after


def explain_status(
    asked: Asked, status: int, headers: Mapping[str, str], body: bytes, *, now: float, patience: float, url: str = ""
) -> Trouble:
    """The trouble of an HTTP answer that is not what was asked for (distribution-spec, "Error Codes")."""
    code, words = registry_words(body)
    said = f"{asked.host} answered {status}" + (f" {code}" if code else "") + (f" ({words})" if words else "")
    said += f" to {_public(url)}" if url else ""
    why = f"{said}; used {asked.credentials}"
    after = parse_retry_after(headers.get("retry-after"), now)
    if status == 401:
        return Trouble(_unauthorized(asked, why))
    if status == 403:
        return Trouble(_forbidden(asked, why))
    if status == 404:
        return Trouble(NotInRegistry(f"'{asked.subject}' is not in the registry", why=why))
    if status == 429:
        wait = _limit_ends(headers, after, now)
        again = wait is None or wait <= patience
        return Trouble(_limited(asked, said, headers, wait, now), again=again, after=wait)
    if status == 408 or status >= 500:
        again = status not in (501, 505) and (after is None or after <= patience)
        error = NetworkFailed(f"cannot {asked.verb} '{asked.subject}'", why=why, hint=_outage_hint(asked))
        return Trouble(error, again=again, after=after)
    if status == 413:
        hint = f"a proxy in front of {asked.host} may limit the size of uploads: its operator can raise it"
        return Trouble(RegistryError(f"'{asked.subject}' is too large for the registry", why=why, hint=hint))
    return Trouble(RegistryError(f"cannot {asked.verb} '{asked.subject}'", why=why))


def _public(url: str) -> str:
    """Without what may be a secret: an account in it, and the query, by which storage is told who may read."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def registry_words(body: bytes) -> tuple[str, str]:
    """Code and message of the registry's own error document; of a token server's too; empty where there is none."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    if not isinstance(document, dict):
        return "", ""
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else document
    if not isinstance(first, dict):
        return "", _tidy(first)
    code, message = first.get("code") or first.get("error"), first.get("message") or first.get("details")
    return _tidy(code), _tidy(message) or _tidy(first.get("error_description"))


def _tidy(value: object) -> str:
    """A stranger's words on one line, without control characters, and not too many."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    text = " ".join("".join(character if character.isprintable() else " " for character in str(value)).split())
    return text if len(text) <= _MAX_WORDS else text[:_MAX_WORDS] + "..."


def _unauthorized(asked: Asked, why: str) -> Unauthorized:
    if asked.verb == "log in to":
        hint = "check the user's name and the password; some registries want an access token in place of the password"
        return Unauthorized(f"{asked.host} refuses these credentials", why=why, hint=hint)
    if asked.used:
        return Unauthorized(
            f"{asked.host} refuses the credentials for '{asked.subject}'",
            why=why,
            hint=f"log in anew with 'wherry login {asked.login}', or 'wherry logout {asked.login}' if it is public; "
            "many registries answer so, too, when the name does not exist",
        )
    return Unauthorized(
        f"'{asked.subject}' does not exist, or needs a login",
        why=why,
        hint=f"check its spelling, or 'wherry login {asked.login}'",
    )


def _forbidden(asked: Asked, why: str) -> Forbidden:
    if asked.used:
        hint = f"ask its owner for the right to {asked.verb}, or 'wherry login {asked.login}' as somebody who has it"
    else:
        hint = f"'wherry login {asked.login}', if you have an account there"
    return Forbidden(f"{asked.host} does not let you {asked.verb} '{asked.subject}'", why=why, hint=hint)


def _limited(asked: Asked, said: str, headers: Mapping[str, str], wait: float | None, now: float) -> RateLimited:
    who = asked.used or _limited_address(headers)
    allowed = _limit_words(headers.get("ratelimit-limit", ""))
    why = f"{said}; it allows {allowed or 'no more'} to {who}"
    if wait is not None:
        why += f"; try again {_clock_words(now + wait, wait)}"
    advice = [] if asked.used else [f"log in with 'wherry login {asked.login}' (a count of your own)"]
    advice.append(f"name a mirror in wherry.toml: {setting(asked.login, _MIRRORS)}")
    return RateLimited(f"{asked.host} limits requests for '{asked.subject}'", why=why, hint=", or ".join(advice))


def _limited_address(headers: Mapping[str, str]) -> str:
    source = _tidy(headers.get("docker-ratelimit-source", ""))
    return f"the address {source}" if source else "this network's address, which all of a cluster's nodes may share"


def _limit_words(limit: str) -> str:
    """``100;w=21600`` (Docker Hub) in words."""
    count, _, window = limit.partition(";w=")
    if decimal(count) is None:
        return ""
    return f"{count} in {_duration(float(window))}" if decimal(window) is not None else count


def _limit_ends(headers: Mapping[str, str], after: float | None, now: float) -> float | None:
    if after is not None:
        return after
    reset = headers.get("x-ratelimit-reset", "")
    if decimal(reset) is not None and len(reset) < 12:
        seconds = float(reset)
        return max(0.0, seconds - now) if seconds > 1e9 else seconds
    return None


def _clock_words(when: float, wait: float) -> str:
    import time

    try:
        moment = time.localtime(when)
    except (OverflowError, ValueError, OSError):
        return "much later"
    form = "%H:%M:%S" if wait < 3600 * 12 else "%Y-%m-%d %H:%M"
    return f"in {_duration(wait)}, at {time.strftime(form, moment)}"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _outage_hint(asked: Asked) -> str:
    if asked.mirror:
        return ""
    return f"it may pass: try again later, or name a mirror in wherry.toml: {setting(asked.login, _MIRRORS)}"
