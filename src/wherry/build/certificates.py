"""The certificate authorities that this machine trusts of its own accord: a company's proxy, a site's registry.

A command of a build that fetches something has to trust them too, and the image must not. They are found as what is in
the machine's set, or in files that the caller's variables name, and is not the distribution's; they are shown beside
the image's own set, between two marks by which they are taken out again of whatever a command copies.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

import msgspec

from wherry.base.digest import Digest

__all__ = ["BUNDLES", "VARIABLES", "added", "find_own", "remembered_own", "without_added"]

VARIABLES = (
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
)
"""By which callers name a file of authorities; the last one's is beside the system's, the others' in place of it."""

BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora and its kin
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/cert.pem",  # Alpine's LibreSSL
)
"""Where programs look for the whole set in one file."""

_ANCHORS = (
    "/usr/local/share/ca-certificates/**/*.crt",
    "/etc/pki/ca-trust/source/anchors/*",
    "/etc/pki/trust/anchors/*",
    "/etc/ca-certificates/trust-source/anchors/*",
)
"""Where an administrator puts authorities."""

_PACKAGED = (
    "/usr/share/ca-certificates/**/*.crt",
    "/usr/share/pki/ca-trust-source/*",
    "/usr/share/pki/trust/*",
    "/usr/share/ca-certificates/trust-source/*",
)
"""Where distributions put theirs."""

_BEGIN = b"# wherry: authorities of the machine that builds; never part of an image\n"
_END = b"# wherry: end\n"
_LARGEST = 16 << 20
_RACY = 2 * 10**9
_FIRST, _LAST = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_ADDED = re.compile(rb"\n?" + re.escape(_BEGIN) + rb".*?(?:" + re.escape(_END) + rb"|\Z)", re.DOTALL)


def remembered_own(environ: Mapping[str, str], folder: str, root: str = "") -> tuple[bytes, ...]:
    """:func:`find_own`, from a note in ``folder`` as long as nothing of what that reads was changed: some hundred and
    fifty files. What was changed in the last two seconds is not noted: it could change again without a trace."""
    stamps = sorted(_stamps(environ, root))
    stamp = Digest.of(repr((stamps, [environ.get(name) for name in VARIABLES])).encode()).hex
    path = f"{folder}/authorities"
    try:
        with open(path, "rb") as file:
            noted = msgspec.msgpack.decode(file.read(), type=tuple[str, tuple[bytes, ...]])
        if noted[0] == stamp:
            return noted[1]
    except (OSError, ValueError):
        pass
    own = find_own(environ, root)
    if max((time_ns for _, *times in stamps for time_ns in times[:2]), default=0) < time.time_ns() - _RACY:
        with contextlib.suppress(OSError):
            os.makedirs(folder, 0o700, exist_ok=True)
            new = f"{path}.{os.getpid()}"
            with open(new, "wb") as file:
                file.write(msgspec.msgpack.encode((stamp, own)))
            os.rename(new, path)
    return own


def _stamps(environ: Mapping[str, str], root: str) -> Iterator[tuple[str, int, int, int, int]]:
    """Of packaged sets the directories alone: packages replace their files, and do not write into them."""
    paths = [f"{root}{path}" for path in BUNDLES] + [path for name in VARIABLES if (path := environ.get(name))]
    for patterns, files_count in ((_PACKAGED, False), (_ANCHORS, True)):
        for top in [f"{root}{os.path.dirname(pattern.partition('*')[0])}" for pattern in patterns]:
            for directory, _, names in os.walk(top):
                paths += [directory, *(f"{directory}/{name}" for name in names if files_count)]
    for path in paths:
        with contextlib.suppress(OSError):
            found = os.stat(path)
            yield path, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def find_own(environ: Mapping[str, str], root: str = "") -> tuple[bytes, ...]:
    """This machine's own authorities, each as PEM, in a fixed order; none on most machines.

    What is not there, cannot be read or is no certificate is passed over.
    """
    packaged = _in_all(_PACKAGED, root)
    anchors = _in_all(_ANCHORS, root)
    found = dict(anchors)
    if packaged:  # else nobody can say which of a system's set came with it
        bundle = next((path for path in BUNDLES if os.path.exists(f"{root}{path}")), "")
        found |= _read([f"{root}{bundle}"]) if bundle else {}
    found |= _read(path for name in VARIABLES if (path := environ.get(name)))
    return tuple(found[key] for key in sorted(found) if key in anchors or key not in packaged)


@lru_cache(16)
def added(image: bytes, own: tuple[bytes, ...]) -> bytes:
    """A set with ``own`` behind it, between the marks."""
    known = _parse(image)
    more = b"".join(text for text in own if not _parse(text).keys() <= known.keys())
    if not more:
        return image
    return image + b"\n" + _BEGIN + more + _END


def without_added(content: bytes) -> bytes:
    """The same without what :func:`added` put there."""
    return _ADDED.sub(b"", content) if _BEGIN in content else content


def _in_all(patterns: Iterable[str], root: str) -> dict[str, bytes]:
    import glob

    return _read(path for pattern in patterns for path in sorted(glob.glob(f"{root}{pattern}", recursive=True)))


def _read(paths: Iterable[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in paths:
        if not os.path.isfile(path):  # a pipe would wait for its other end
            continue
        try:
            with open(path, "rb") as file:
                found |= _parse(file.read(_LARGEST))
        except OSError:
            continue
    return found


def _parse(content: bytes) -> dict[str, bytes]:
    """Certificates by the digest of what they are, however their lines are broken."""
    found = {}
    for part in content.split(_FIRST)[1:]:
        body, end, _ = part.partition(_LAST)
        text = b"".join(body.split())
        if not end or not re.fullmatch(rb"[A-Za-z0-9+/]+={0,2}", text):
            continue
        lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
        found[Digest.of(text).hex] = b"\n".join((_FIRST, lines, _LAST, b""))
    return found
