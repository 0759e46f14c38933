"""Platforms: how they are spelled, and which manifest of an index suits a machine (image-index.md; containerd's rules).

Pure, but for :func:`here`.
"""

from __future__ import annotations

import os

import msgspec

from wherry.base.decimals import decimal
from wherry.base.errors import InvalidName, UnsupportedImage
from wherry.image.model import Descriptor, Index, PlatformFields

__all__ = ["Platform", "choose", "here", "normalised", "runs"]

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "armhf": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv6l": ("arm", "v6"),
    "ppc64el": ("ppc64le", ""),
}
_SYSTEMS = frozenset(("linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "aix"))
_DEFAULT_VARIANTS = {"arm": "v7", "arm64": "v8", "amd64": "v1"}

# psABI micro-architecture levels, by the flags that /proc/cpuinfo shows.
_LEVELS = (
    ("v2", frozenset(("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"))),
    ("v3", frozenset(("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"))),
    ("v4", frozenset(("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"))),
)


class Platform(msgspec.Struct, frozen=True):
    """An operating system, an architecture by Go's name, and a variant, empty for the usual one."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read ``[OS/]ARCH[/VARIANT]``, in any spelling that people use."""
        parts = text.lower().split("/")
        if parts[0] not in _SYSTEMS:
            parts.insert(0, "linux")
        if not 2 <= len(parts) <= 3 or not all(
            part and part.replace("-", "").replace("_", "").isalnum() for part in parts
        ):
            raise InvalidName(f"'{text}' is not a platform", hint="for example linux/amd64 or linux/arm64")
        return normalised(cls(*parts))

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def normalised(platform: Platform) -> Platform:
    """One spelling for each platform; the usual variant of an architecture becomes empty, but for arm's."""
    architecture, variant = _ARCHITECTURES.get(platform.architecture, (platform.architecture, ""))
    variant = platform.variant or variant
    if decimal(variant) is not None:
        variant = f"v{variant}"
    if architecture == "arm":
        variant = variant or "v7"
    elif variant == _DEFAULT_VARIANTS.get(architecture):
        variant = ""
    return Platform(platform.os or "linux", architecture, variant)


def here() -> Platform:
    """What this machine runs best."""
    machine = os.uname().machine
    platform = normalised(Platform("linux", machine))
    return Platform("linux", "amd64", _level()) if platform.architecture == "amd64" else platform


def runs(wanted: Platform, offered: Platform) -> int:
    """How well ``offered`` suits: 0 not at all, else the higher the better."""
    if wanted.os != offered.os or wanted.architecture != offered.architecture:
        return 0
    have, need = _rank(wanted), _rank(offered)
    if have == need:
        return 1000
    return need + 1 if 0 <= need < have else 0


def choose(index: Index, wanted: Platform, subject: str, *, strict: bool) -> Descriptor:
    """The manifest that suits ``wanted`` best; the first of equals, as Docker chooses.

    ``strict``: the user asked for this platform, so a lesser variant does not do.
    Raises :class:`UnsupportedImage` that names what there is.
    """
    best: Descriptor | None = None
    best_rank = 0
    for descriptor in index.manifests:
        offered = _offered(descriptor)
        if offered is None:
            continue
        rank = runs(wanted, offered)
        if strict and offered != wanted and not (rank and not wanted.variant):
            rank = 0
        if rank > best_rank:
            best, best_rank = descriptor, rank
    if best is not None:
        return best
    known = [str(offered) for offered in map(_offered, index.manifests) if offered]
    lone = [item for item in index.manifests if item.platform is None and not item.artifact_type]
    if not known and len(lone) == 1:
        return lone[0]
    raise UnsupportedImage(
        f"'{subject}' is not made for {wanted}",
        why=f"it is made for {', '.join(dict.fromkeys(known))}" if known else "its index names no platform",
        hint=f"--platform {known[0]} fetches it all the same" if known else "",
    )


def _offered(descriptor: Descriptor) -> Platform | None:
    fields: PlatformFields | None = descriptor.platform
    # BuildKit keeps attestations in the index, as manifests of a platform 'unknown/unknown'.
    if fields is None or not fields.architecture or fields.architecture == "unknown":
        return None
    return normalised(Platform(fields.os.lower(), fields.architecture.lower(), (fields.variant or "").lower()))


def _rank(platform: Platform) -> int:
    text = (platform.variant or _DEFAULT_VARIANTS.get(platform.architecture, "v0")).removeprefix("v").partition(".")[0]
    level = decimal(text)
    return -1 if level is None else level


def _level() -> str:
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            text = file.read(16384).decode(errors="replace")
    except OSError:
        return ""
    flags = frozenset(next((line for line in text.splitlines() if line.startswith("flags")), "").split())
    level = ""
    for name, needed in _LEVELS:
        if not needed <= flags:
            break
        level = name
    return level
