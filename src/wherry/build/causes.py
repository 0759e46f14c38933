"""Why two builds gave other bytes: the usual causes, told from the bytes themselves. Pure."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from typing import Literal

import msgspec

from wherry.build.normalise import RULES
from wherry.build.normalise.matching import Matcher

__all__ = ["Cause", "cause_of", "first_difference"]

_NEAR = 30 * 86_400
"""Seconds: two builds that are compared are not further apart."""

_DAYS = (1_577_836_800, 2_208_988_800)
"""2020 to 2040: a number in other years is rather something else."""

_TIME = re.compile(
    rb"\d{4}-\d\d-\d\d|\d\d:\d\d(:\d\d)?|\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.? +\d{1,2}\b"
    rb"|\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b|\b(19|20)\d{6}(T?\d{4,6}Z?)?\b"
)
_UUID = re.compile(rb"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_TEMPORARY = re.compile(rb"/(tmp|var/tmp|build|dev/shm)/[^\s'\"\0:;,]*|\btmp[a-z0-9_]{6,12}\b|pip-[a-z-]+-[a-z0-9_]{8}")
_SALTED = re.compile(rb"\$(y|1|5|6|2[aby]|gy|7)\$[^:\s]{8,}")
_PUBLIC = re.compile(rb"(ssh|ecdsa|sk-ssh|sk-ecdsa)-\S+ AAAA|-----BEGIN (TRUSTED )?(CERTIFICATE|PUBLIC KEY)-----")
_WORD = re.compile(rb"[^\s'\"\0<>(),;=\[\]{}]+")


_FORMS: tuple[tuple[Literal["little", "big"], int, int], ...] = (
    ("little", 4, 1),
    ("big", 4, 1),
    ("big", 8, 1000),
    ("little", 8, 1000),
    ("little", 8, 1_000_000_000),
)
"""Byte order, size, and parts of a second."""


class Cause(msgspec.Struct, frozen=True):
    """``why`` in a few words, ``hint`` what a recipe can do about it, ``rule`` the one that names this file.

    ``secret``: the bytes are not for logs.
    """

    why: str
    hint: str = ""
    rule: str = ""
    secret: bool = False


def cause_of(path: str, one: bytes, two: bytes) -> Cause:
    """The likeliest cause for two contents of ``path`` (below the root) that differ; whole ones, or what is at hand."""
    rule = Matcher(RULES).of(path.rpartition("/")[0])(path.rpartition("/")[2])
    named = rule.name if rule is not None else ""
    at = first_difference(one, two)
    for test in (_compiled, _gzip, _archive, _zip, _key, _salted, _order, _text, _number, _chance):
        found = test(path, one, two, at)
        if found is not None:
            return msgspec.structs.replace(found, rule=named)
    if rule is not None:
        return Cause(rule.why, f"the rule '{rule.name}' is about this file", named)
    return Cause("nothing in the bytes says why", f"compare '{path}' of both with a tool that knows its format")


def first_difference(one: bytes, two: bytes) -> int:
    """How many bytes they begin with in common."""
    low, high = 0, min(len(one), len(two))
    if one[:high] == two[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if one[low:middle] == two[low:middle] else (low, middle)
    return low


def _compiled(path: str, one: bytes, two: bytes, at: int) -> Cause | None:
    if not path.endswith(".pyc") or one[2:4] != b"\r\n":
        return None
    if 8 <= at < 12 and one[4:8] == two[4:8] == bytes(4):
        return Cause("the source's time inside a .pyc", "compile after the sources have their last time")
    return Cause(
        "compiled Python whose constants or paths differ",
        "a set in an order of chance (PYTHONHASHSEED), or compiled from another directory",
    )


def _gzip(path: str, one: bytes, two: bytes, at: int) -> Cause | None:
    if one[:3] != b"\x1f\x8b\x08" or two[:3] != b"\x1f\x8b\x08":
        return None
    if 4 <= at < 8:
        return Cause("the time in a gzip head", "gzip -n")
    plain = [_unpacked(content) for content in (one, two)]
    if not plain[0] or plain[0] == plain[1]:
        return Cause(
            "packed by another version or level of gzip, or with a name in its head", "gzip -n, and one version"
        )
    if any(
        content.startswith(b"\x1f\x8b") for content in plain
    ):  # there are files that hold themselves, without an end
        return Cause("packed data within the packed data", "gzip -n for each")
    within = cause_of(path.removesuffix(".gz").removesuffix(".tgz"), plain[0], plain[1])
    return Cause(f"within the packed data: {within.why}", within.hint)


def _unpacked(content: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(content, 16 << 20)
    except zlib.error:
        return b""


def _archive(path: str, one: bytes, two: bytes, at: int) -> Cause | None:
    if one[:8] == two[:8] == b"!<arch>\n":
        start = 8
        while start + 60 <= min(len(one), len(two)) and one[start + 48 : start + 58].strip().isdigit():
            if start + 16 <= at < start + 48:
                what = "the time" if at < start + 28 else "the owner"
                return Cause(f"{what} of a member in a static library", "ar with D (deterministic), as 'ar rcD'")
            size = int(one[start + 48 : start + 58])
            start += 60 + size + size % 2
        return None
    if one[257:262] == two[257:262] == b"ustar":
        head = at % 512
        if 136 <= head < 156:
            return Cause("times of files in a tar archive", 'tar --mtime="@$SOURCE_DATE_EPOCH" --sort=name')
        if 108 <= head < 124 or 265 <= head < 329:
            return Cause("owners of files in a tar archive", "tar --owner=0 --group=0 --numeric-owner")
        return None
    return None


def _zip(path: str, one: bytes, two: bytes, at: int) -> Cause | None:
    if one[:4] != b"PK\x03\x04" or two[:4] != b"PK\x03\x04":
        return None
    local, central = one.rfind(b"PK\x03\x04", 0, at + 4), one.rfind(b"PK\x01\x02", 0, at + 4)
    head, begin = (local, 10) if local > central else (central, 12)
    if head + begin <= at < head + begin + 4:
        return Cause("times of files in a zip archive", "zip -X after touching its files with -d @$SOURCE_DATE_EPOCH")
    return None


def _key(path: str, one: bytes, two: bytes, at: int) -> Cause | None:
    if b"PRIVATE KEY" in one[:4096] and b"PRIVATE KEY" in two[:4096]:
        hint = "make keys where a container starts: images are for many"
        return Cause("a private key that was drawn at random", hint, secret=True)
    if all(_PUBLIC.match(content) for content in (one, two)):
        return Cause("what belongs to a private key that was drawn at random", "make keys where a container starts")
    return None


def _salted(path: str, one: bytes, two: bytes, at: int) -> Cause | None:
    left, right = ({match[0] for match in _SALTED.finditer(content[: 1 << 20])} for content in (one, two))
    if left != right and left and right and _SALTED.sub(b"", one) == _SALTED.sub(b"", two):
        hint = "give the hash itself: 'usermod -p HASH', or no password"
        return Cause("a password's salt, which is random", hint, secret=True)
    return None


def _order(path: str, one: bytes, two: bytes, at: int) -> Cause | None:
    if len(one) != len(two) or len(one) > 64 << 20:
        return None
    for split in (b"\n", None):
        left, right = one.split(split), two.split(split)
        if len(left) > 1 and sorted(left) == sorted(right):
            what = "lines" if split else "words"
            return Cause(
                f"the same {what} in another order",
                "that of a directory or of a hash (sort it; PYTHONHASHSEED, PERL_HASH_SEED), or of work side by side",
            )
    return None


def _text(path: str, one: bytes, two: bytes, at: int) -> Cause | None:
    left, right = _around(one, at), _around(two, at)
    if left is None or right is None:
        return None
    word, other = _word(one, at), _word(two, at)
    if _TEMPORARY.search(left) and _TEMPORARY.search(right) and _TEMPORARY.sub(b"", left) == _TEMPORARY.sub(b"", right):
        return Cause("the name of a temporary directory or a build path", "build in a directory of a fixed name")
    if _UUID.search(word) and _UUID.search(other):
        return Cause("an identifier drawn at random", "")
    if _TIME.search(left) and _TIME.search(right):
        return Cause("a time in text", "see whether the program honours SOURCE_DATE_EPOCH, or remove the file")
    if all(text.isdigit() and len(text) in (10, 13, 16, 19) for text in (word, other)):
        seconds = [int(text[:10]) for text in (word, other)]
        if all(_DAYS[0] < number < _DAYS[1] for number in seconds) and abs(seconds[0] - seconds[1]) < _NEAR:
            return Cause("a time counted from 1970", "see whether the program honours SOURCE_DATE_EPOCH")
    return None


def _around(content: bytes, at: int) -> bytes | None:
    """The line around ``at``, at most 200 bytes each side; None where it is no text."""
    begin = max(content.rfind(b"\n", 0, at) + 1, at - 200)
    end = content.find(b"\n", at)
    line = content[begin : min(end if end >= 0 else len(content), at + 200)]
    strange = sum((byte < 32 and byte not in (9, 13)) or byte == 127 for byte in line)
    return line if line and not strange else None


def _word(content: bytes, at: int) -> bytes:
    begin = max(0, at - 100)
    for match in _WORD.finditer(content[begin : at + 100]):
        if begin + match.start() <= at < begin + match.end():
            return match[0]
    return b""


def _number(path: str, one: bytes, two: bytes, at: int) -> Cause | None:
    """A time of our days as a number of four or eight bytes, either end first, only a little later in one of them."""
    if _around(one, at) is not None and _around(two, at) is not None:
        return None
    for start in range(max(0, at - 7), at + 1):
        for order, size, unit in _FORMS:
            left = int.from_bytes(one[start : start + size], order)
            right = int.from_bytes(two[start : start + size], order)
            if len(one) < start + size or len(two) < start + size:
                continue
            if _DAYS[0] < left // unit < _DAYS[1] and 0 < abs(left - right) < _NEAR * unit:
                return Cause("a time as a number", "see whether the program honours SOURCE_DATE_EPOCH")
    return None


def _chance(path: str, one: bytes, two: bytes, at: int) -> Cause | None:
    if len(one) == len(two) and Counter(one) == Counter(two):
        return Cause("the same bytes in another order", "that of a hash or of work side by side")
    return None
