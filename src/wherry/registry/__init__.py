"""The OCI distribution client: manifests and blobs from registries and into them, verified against their digests.

Words: an *endpoint* is one place to ask (a mirror or the origin) for one repository; a *trouble* is one endpoint's
failure, which may be worth another try; the *wallet* finds credentials in the files that Docker and Podman keep.

It never unpacks, knows nothing of the store and of what a manifest says. It may import only :mod:`wherry.base`.
Importing this package is cheap: the HTTP library is loaded by the first request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.registry.accounts import Login, login, login_place, logout
    from wherry.registry.blobs import BlobStream
    from wherry.registry.client import Fetched, Registry, connect
    from wherry.registry.downloads import Held, download
    from wherry.registry.names import parse_reference
    from wherry.registry.pace import Pace

__all__ = [
    "BlobStream",
    "Fetched",
    "Held",
    "Login",
    "Pace",
    "Registry",
    "connect",
    "download",
    "login",
    "login_place",
    "logout",
    "parse_reference",
]

_HOMES = {
    "BlobStream": "blobs",
    "Fetched": "client",
    "Held": "downloads",
    "Login": "accounts",
    "Pace": "pace",
    "Registry": "client",
    "connect": "client",
    "download": "downloads",
    "login": "accounts",
    "login_place": "accounts",
    "logout": "accounts",
    "parse_reference": "names",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
