"""What a command of a build finds around it: a name, a clock's start, the way to the net; and nothing of it stays.

Only what does not change the meaning of a recipe is set, and a recipe's own word wins. What is shown as files lies in a
layer of its own between the image and the step's changes: nothing is bound, so that package managers may replace each
of these files, and nothing has to be made in the image to show them.
"""

from __future__ import annotations

import functools
import os
import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from wherry.build.certificates import BUNDLES, added, find_own

if TYPE_CHECKING:
    from wherry.image import Tree
    from wherry.launch import RunOptions

__all__ = ["HOST_NAME", "Around", "around", "shown_in", "surrounded"]

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


def shown_in(folder: str, files: tuple[tuple[str, bytes], ...], below: Tree) -> None:
    """Write ``files`` as a layer in ``folder``; directories that the image has look as they do there."""
    os.mkdir(folder, 0o755)
    made: dict[str, tuple[int, int]] = {}
    for path, content in files:
        place = f"{folder}{path}"
        parents = [posixpath.dirname(path)]
        while parents[-1] != "/":
            parents.append(posixpath.dirname(parents[-1]))
        for parent in reversed(parents):
            if parent not in made:
                entry = below.stat(parent)
                is_known = entry is not None and entry.is_dir
                made[parent] = (entry.mode & 0o1777, entry.mtime_ns) if entry and is_known else (0o755, 0)
                os.makedirs(f"{folder}{parent}", exist_ok=True)
        entry = below.stat(path)
        with open(place, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), entry.mode & 0o777 if entry is not None else 0o644)
        if entry is not None:
            os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns))
    for parent in sorted(made, reverse=True):
        mode, mtime = made[parent]
        os.chmod(f"{folder}{parent}", mode)
        os.utime(f"{folder}{parent}", ns=(mtime, mtime))


def surrounded(options: RunOptions, below: Tree, epoch: int, *, authorities: bool = True) -> RunOptions:
    """The options of a step's container with its surroundings; files for them lie in the folder ``options.upper``.
    ``authorities``: this machine's own are trusted."""
    home = next((text[5:] for text in reversed(options.env) if text.startswith("HOME=")), "/root")
    own = _own() if authorities else ()
    found = around(
        os.environ, own, below, epoch=epoch, network=options.network or "host", home=home, pretend=options.pretend
    )
    layers = options.extra_layers
    if found.files:
        folder = f"{options.upper}/surroundings"
        shown_in(folder, found.files, below)
        layers = (*layers, folder)
    return msgspec.structs.replace(
        options, env=(*found.env, *options.env), extra_layers=layers, hostname=options.hostname or HOST_NAME
    )


@functools.cache
def _own() -> tuple[bytes, ...]:
    return find_own(os.environ)


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
