"""Every error that a user can see.

::

    WherryError                   125
    +-- UsageError                125   the command line does not say what to do
    +-- SettingsError             125   a settings file or variable cannot be used
    +-- InvalidName               125   a reference, digest, or container name is malformed
    +-- NotFound                  125   no such image, container, file
    +-- Conflict                  125   the name is taken, the thing is in use
    +-- StoreError                125   the store cannot do it
    |   +-- StoreFull             125   not enough space or quota
    |   +-- StoreVersion          125   written by a newer Wherry
    +-- RegistryError             125   the registry did not give what was asked
    |   +-- Unauthorized          125   401
    |   +-- Forbidden             125   403
    |   +-- NotInRegistry         125   404
    |   +-- RateLimited           125   429
    |   +-- NetworkFailed         125   no answer, or not all of it
    +-- ImageError                125   the image is not what it claims to be
    |   +-- DigestMismatch        125   bytes differ from their digest
    |   +-- BrokenArchive         125   truncated, corrupt, not an archive
    |   +-- HostileArchive        125   an entry that tries to leave its layer, a bomb
    |   +-- UnsupportedImage      125   a media type, platform, feature that is not understood
    +-- HostLacks                 125   the machine cannot do what was asked
    +-- PolicyDenied              125   a rule says no
    +-- LaunchError               125   a step of the start failed
    |   +-- CannotExecute         126
    |   +-- CommandNotFound       127
    +-- CommandFailed             its own   a command that should succeed did not (Python only)
    +-- Interrupted               130   the user pressed Ctrl-C

Messages are lower case, without a full stop, with their subject in quotes, and say first what failed. ``why`` gives
the cause where it is known; ``hint`` says what to do next, best as a command to type. Foreign exceptions are
translated where they enter (a seam's own module); only ``cli/main.py`` and ``native/launcher/main.c`` turn an error
into text and a status.
"""

from __future__ import annotations

import errno

__all__ = [
    "BrokenArchive",
    "CannotExecute",
    "CommandFailed",
    "CommandNotFound",
    "Conflict",
    "DigestMismatch",
    "Forbidden",
    "HostLacks",
    "HostileArchive",
    "ImageError",
    "Interrupted",
    "InvalidName",
    "LaunchError",
    "NetworkFailed",
    "NotFound",
    "NotInRegistry",
    "PolicyDenied",
    "RateLimited",
    "RegistryError",
    "SettingsError",
    "StoreError",
    "StoreFull",
    "StoreVersion",
    "Unauthorized",
    "UnsupportedImage",
    "UsageError",
    "WherryError",
    "reason",
    "remedy",
]


def reason(error: OSError) -> str:
    """Why, in the kernel's words, as our messages are written: without the capital letter."""
    text = error.strerror or str(error)
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def remedy(error: OSError, *, write: bool = False) -> str:
    """What to do next about a file that cannot be read, or be written; empty where nothing is known."""
    if error.errno == errno.ENOENT:
        return "make the folder that it is to be in, or check the spelling" if write else "check the spelling"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "name a place of your own" if write else "'ls -l' shows who may read it"
    if error.errno == errno.EROFS:
        return "name a place that can be written"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space there, or name a file on another file system"
    return "name a file in it" if error.errno == errno.EISDIR else ""


class WherryError(Exception):
    """What happened, why, and what to do next; :attr:`exit_code` follows Docker's.

    :attr:`shown` are lines of what was wrong, as they are, to show below.
    """

    exit_code = 125
    shown: tuple[str, ...] = ()

    def __init__(self, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" if self.why else self.what


class UsageError(WherryError):
    """The command line does not say what to do."""


class SettingsError(WherryError):
    """A settings file or variable cannot be used."""


class InvalidName(WherryError):
    """A reference, a digest or a container's name is malformed."""


class NotFound(WherryError):
    """There is no such image, container or file."""


class Conflict(WherryError):
    """The name is taken, or the thing is in use."""


class StoreError(WherryError):
    """The store cannot do what was asked."""


class StoreFull(StoreError):
    """Space or quota does not suffice; names directory and bytes."""


class StoreVersion(StoreError):
    """The store was written by a newer Wherry."""


class RegistryError(WherryError):
    """The registry did not give what was asked."""


class Unauthorized(RegistryError):
    """HTTP 401: credentials are missing or wrong."""


class Forbidden(RegistryError):
    """HTTP 403: these credentials may not do this."""


class NotInRegistry(RegistryError):
    """HTTP 404: no such repository, tag or digest."""


class RateLimited(RegistryError):
    """HTTP 429: too many requests from this address or account."""


class NetworkFailed(RegistryError):
    """No answer, or not all of it, after the retries."""


class ImageError(WherryError):
    """The image is not what it claims to be."""


class DigestMismatch(ImageError):
    """Bytes differ from the digest that names them."""


class BrokenArchive(ImageError):
    """Truncated, corrupt, or no archive at all."""


class HostileArchive(ImageError):
    """An entry tries to leave its layer, or the archive is a bomb."""


class UnsupportedImage(ImageError):
    """A media type, platform or feature that Wherry does not understand."""


class HostLacks(WherryError):
    """The machine cannot do what was asked; says what its administrator could change."""


class PolicyDenied(WherryError):
    """A policy rule denies the action; names the rule."""


class LaunchError(WherryError):
    """A step of a container's start failed."""


class CannotExecute(LaunchError):
    """The command exists and cannot be executed."""

    exit_code = 126


class CommandNotFound(LaunchError):
    """The command does not exist in the container."""

    exit_code = 127


class CommandFailed(WherryError):
    """A command that the caller wants to succeed ended with :attr:`status`."""

    def __init__(self, what: str, *, why: str = "", hint: str = "", status: int = 1) -> None:
        super().__init__(what, why=why, hint=hint)
        self.status = status
        self.exit_code = status


class Interrupted(WherryError):
    """The user pressed Ctrl-C."""

    exit_code = 130
