"""What a command of a build finds around it: a name, a clock's start, the way to the net; and nothing of it stays.

Only what does not change the meaning of a recipe is set, and a recipe's own word wins. What is shown as files lies in a
layer of its own between the image and the step's changes: nothing is bound, so that package managers may replace each
of these files, and nothing has to be made in the image to show them.
"""

from __future__ import annotations

import os
import posixpath
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from wherry.build.certificates import BUNDLES, added

if TYPE_CHECKING:
    from wherry.image import Tree
    from wherry.launch import RunOptions

__all__ = ["HOST_NAME", "Around", "Shown", "around", "surrounded"]

HOST_NAME = "build"
"""The same everywhere: programs write it into what they make."""

_PLACE = "/run/wherry"
_SET = f"{_PLACE}/ca.crt"
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")

_TRUST = (
    "SSL_CERT_FILE",  # OpenSSL, Python, Go, Ruby, curl, Julia, uv
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",  # pip before 24 does not look at SSL_CERT_FILE
    "REQUESTS_CA_BUNDLE",  # Python's requests, conda
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO",
    "PERL_LWP_SSL_CA_FILE",
)

_REPEAT = (("PYTHONHASHSEED", "0"), ("PERL_HASH_SEED", "0"), ("FORCE_SOURCE_DATE", "1"))
"""Orders of chance in what programs write become fixed ones; TeX takes the date from SOURCE_DATE_EPOCH."""


class Around(msgspec.Struct, frozen=True):
    """``env`` (NAME=value) goes before the step's own, which wins. ``files`` are shown: (path, content)."""

    env: tuple[str, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()


def around(
    environ: Mapping[str, str],
    own: tuple[bytes, ...],
    below: Tree,
    *,
    epoch: int,
    network: str,
    home: str = "/root",
    pretend: bool = False,
) -> Around:
    """Pure: the caller's variables and the machine's ``own`` authorities, for a step upon the files ``below``. Who can
    only ``pretend`` to become another user must not try."""
    env = [f"HOSTNAME={HOST_NAME}", f"SOURCE_DATE_EPOCH={epoch}", *(f"{name}={value}" for name, value in _REPEAT)]
    apt = ""
    if pretend and below.exists("/usr/bin/apt-get"):
        apt = 'APT::Sandbox::User "root";\n'  # it looks whether it really became another
    if network != "none":
        env += _proxies(environ)
    if network == "none" or not own:
        return Around(*_with_apt(env, [], apt))
    bundles = _bundles(below)
    images = next(iter(bundles.values()), b"")
    trusted = added(images, own)
    files = [(_SET, trusted)]
    files += [(path, text) for path, content in bundles.items() if (text := added(content, own)) != content]
    env += [f"{name}={_SET}" for name in _TRUST]
    if below.exists("/usr/bin/apt-get"):
        # GnuTLS looks at no variable, and an image without the set has no file to show it in.
        apt += f'Acquire::https::CaInfo "{_SET}";\n'
    if not below.exists(f"{home}/.wgetrc"):
        files.append((f"{_PLACE}/wgetrc", f"ca_certificate = {_SET}\n".encode()))
        env.append(f"WGETRC={_PLACE}/wgetrc")
    return Around(*_with_apt(env, files, apt))


def _with_apt(
    env: list[str], files: list[tuple[str, bytes]], apt: str
) -> tuple[tuple[str, ...], tuple[tuple[str, bytes], ...]]:
    if apt:
        files = [*files, (f"{_PLACE}/apt.conf", apt.encode())]
        env = [*env, f"APT_CONFIG={_PLACE}/apt.conf"]
    return tuple(env), tuple(files)


class Shown:
    """Layers of files that are shown, in folders that ``make`` gives, each written once: steps that are shown the same
    share it."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make
        self._written: dict[tuple[Any, ...], str] = {}
        self._lock = threading.Lock()

    def folder(self, files: tuple[tuple[str, bytes], ...], below: Tree) -> str:
        """The layer of ``files``; directories that the image has look as they do there."""
        folders: dict[str, tuple[int, int]] = {}
        for path, _ in files:
            parent = path
            while parent != "/" and (parent := posixpath.dirname(parent)) not in folders:
                entry = below.stat(parent)
                is_known = entry is not None and entry.is_dir
                folders[parent] = (entry.mode & 0o1777, entry.mtime_ns) if entry and is_known else (0o755, 0)
        looks = tuple(
            (entry.mode & 0o777, entry.mtime_ns) if (entry := below.stat(path)) else (0o644, -1) for path, _ in files
        )
        known = (files, looks, tuple(folders.items()))
        with self._lock:
            if known not in self._written:
                folder = self._make()
                _write(folder, folders, zip(files, looks, strict=True))
                self._written[known] = folder
            return self._written[known]


def _write(
    folder: str, folders: dict[str, tuple[int, int]], files: Iterable[tuple[tuple[str, bytes], tuple[int, int]]]
) -> None:
    for parent in sorted(folders):
        os.makedirs(f"{folder}{parent}", exist_ok=True)
    for (path, content), (mode, mtime) in files:
        place = f"{folder}{path}"
        with open(place, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        if mtime >= 0:
            os.utime(place, ns=(mtime, mtime))
    for parent in sorted(folders, reverse=True):
        mode, mtime = folders[parent]
        os.chmod(f"{folder}{parent}", mode)
        os.utime(f"{folder}{parent}", ns=(mtime, mtime))


def surrounded(options: RunOptions, below: Tree, epoch: int, shown: Shown, own: tuple[bytes, ...]) -> RunOptions:
    """The options of a step's container with its surroundings; ``own`` are the authorities that are shown."""
    home = next((text[5:] for text in reversed(options.env) if text.startswith("HOME=")), "/root")
    found = around(
        os.environ, own, below, epoch=epoch, network=options.network or "host", home=home, pretend=options.pretend
    )
    layers = options.extra_layers
    if found.files:
        layers = (*layers, shown.folder(found.files, below))
    return msgspec.structs.replace(
        options, env=(*found.env, *options.env), extra_layers=layers, hostname=options.hostname or HOST_NAME
    )


def _proxies(environ: Mapping[str, str]) -> list[str]:
    """In both cases, for programs read one or the other; curl reads ``http_proxy`` in small letters only."""
    found = []
    for name in _PROXIES:
        value = environ.get(name) or environ.get(name.upper())
        if value:
            found += [f"{name}={value}", f"{name.upper()}={value}"]
    return found


def _bundles(below: Tree) -> dict[str, bytes]:
    """The image's own sets, by where they really lie."""
    found: dict[str, bytes] = {}
    for path in BUNDLES:
        real = below.resolve(path)
        content = below.read(real, 16 << 20) if real not in found else None
        if content:
            found[real] = content
    return found
