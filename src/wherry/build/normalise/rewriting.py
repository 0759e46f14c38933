"""How a file's noise is taken out, one pure function a kind: content in, content out; None: nothing to change.

Each reads no more than what it knows: what is not of the form that it expects is left as it is.
"""

from __future__ import annotations

import calendar
import hashlib
import re
import struct
import time
import zlib
from collections.abc import Callable, Mapping

import msgspec

from wherry.build.certificates import without_added
from wherry.build.normalise.gitindex import without_places

__all__ = ["ATTRIBUTES", "HEADS", "MACHINE_ID", "REWRITERS", "Times"]

MACHINE_ID = b"57686572727920696d616765206f6e65\n"
"""Any will do that is not all zeros (machine-id(5)); it says "Wherry image one"."""

_DAY = 86_400


class Times(msgspec.Struct, frozen=True):
    """Seconds since 1970: a time at or after ``since`` is of the step, and becomes ``epoch``."""

    epoch: int
    since: int


def _changed(before: bytes, after: bytes) -> bytes | None:
    return after if after != before else None


def _seconds(text: bytes) -> int | None:
    """The time of the first six numbers in ``text``, year first, as UTC; None where there is no such time."""
    year, month, day, hour, minute, second = map(int, re.findall(rb"\d+", text)[:6])
    try:
        return calendar.timegm((year, month, day, hour, minute, second))
    except (ValueError, OverflowError):
        return None


def _machine_id(content: bytes, times: Times) -> bytes | None:
    return _changed(content, MACHINE_ID) if re.fullmatch(rb"[0-9a-f]{32}\n?", content) else None


def _shadow(content: bytes, times: Times) -> bytes | None:
    """shadow(5): the third field counts days since 1970."""
    first = times.since // _DAY

    def line(text: bytes) -> bytes:
        fields = text.split(b":")
        if len(fields) != 9 or not re.fullmatch(rb"\d{1,9}", fields[2]) or int(fields[2]) < first:
            return text
        return b":".join([*fields[:2], b"%d" % (times.epoch // _DAY), *fields[3:]])

    return _changed(content, b"\n".join(line(text) for text in content.split(b"\n")))


def _conda_history(content: bytes, times: Times) -> bytes | None:
    stamp = time.strftime("==> %Y-%m-%d %H:%M:%S <==", time.gmtime(times.epoch)).encode()

    def instead(found: re.Match[bytes]) -> bytes:
        then = _seconds(found[0])
        # Written in the local time of the step: a day of grace.
        return stamp if then is not None and then >= times.since - _DAY else found[0]

    pattern = rb"(?m)^==> \d{4}-\d\d-\d\d \d\d:\d\d:\d\d <==(?=$)"
    return _changed(content, re.sub(pattern, instead, content))


def _zypp_date(content: bytes, times: Times) -> bytes | None:
    stamp = time.asctime(time.gmtime(times.epoch)).encode()
    return _changed(content, re.sub(rb"\A(# AutoInstalled generated )[^\n]*", rb"\g<1>" + stamp, content))


def _sorted_lines(content: bytes, times: Times) -> bytes | None:
    return _changed(content, b"".join(sorted(content.splitlines(keepends=True))))


def _listing(content: bytes, times: Times) -> bytes | None:
    """``ls -R``: a comment, then blocks of ``DIRECTORY:`` and its names, an empty line between."""
    comment, mark, rest = content.partition(b"\n\n") if content.startswith(b"%") else (b"", b"", content)
    blocks: dict[bytes, list[bytes]] = {}
    for block in rest.strip(b"\n").split(b"\n\n"):
        head, *names = block.split(b"\n")
        if not head.endswith(b":"):
            return None
        blocks[head] = sorted({*blocks.get(head, ()), *names})
    ordered = b"\n\n".join(b"\n".join([head, *blocks[head]]) for head in sorted(blocks))
    return _changed(content, comment + mark + ordered + b"\n")


_R_TIME = re.compile(rb"(?<=; )\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?= UTC; (?:unix|windows))")
_R_LOOSE = re.compile(rb"(?<!\d)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?= UTC)")


def _r_times(content: bytes, times: Times, pattern: re.Pattern[bytes]) -> bytes:
    def instead(found: re.Match[bytes]) -> bytes:
        then = _seconds(found[0])
        if then is None or then < times.since:
            return found[0]
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(times.epoch)).encode()

    return pattern.sub(instead, content)


def _r_built(content: bytes, times: Times) -> bytes | None:
    return _changed(content, _r_times(content, times, _R_TIME))


def _r_data(content: bytes, times: Times) -> bytes | None:
    """The same inside a compressed ``package.rds``; put back uncompressed in gzip's form, for compressors differ."""
    try:
        reader = zlib.decompressobj(31)
        plain = reader.decompress(content, 1 << 20)
    except zlib.error:
        return None
    changed = _r_times(plain, times, _R_LOOSE)
    if not reader.eof or changed == plain:
        return None
    writer = zlib.compressobj(0, zlib.DEFLATED, -15)
    body = writer.compress(changed) + writer.flush()
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    return head + body + struct.pack("<II", zlib.crc32(changed), len(changed) & 0xFFFF_FFFF)


def _git_log(content: bytes, times: Times) -> bytes | None:
    """``OLD NEW NAME <MAIL> SECONDS ZONE<tab>MESSAGE`` a line."""

    def instead(found: re.Match[bytes]) -> bytes:
        seconds = int(found[2])
        return b"%s%d +0000" % (found[1], times.epoch) if seconds >= times.since else found[0]

    pattern = rb"(?m)^([0-9a-f]{40,64} [0-9a-f]{40,64} [^\t\n]*> )(\d{1,12}) [+-]\d{4}(?=\t|$)"
    return _changed(content, re.sub(pattern, instead, content))


def _java_store(content: bytes, times: Times) -> bytes | None:
    """A JKS key store of certificates: magic, version, count, entries, and a digest keyed with the usual password."""
    if len(content) < 32 or content[:8] != b"\xfe\xed\xfe\xed\0\0\0\x02":
        return None
    body, digest = bytearray(content[:-20]), content[-20:]
    if _java_digest(bytes(body)) != digest:
        return None
    at = 12
    try:
        for _ in range(int.from_bytes(body[8:12])):
            kind = int.from_bytes(body[at : at + 4])
            alias = int.from_bytes(body[at + 4 : at + 6])
            at += 6 + alias
            (milliseconds,) = struct.unpack_from(">q", body, at)
            if kind != 2:  # a private key: not a set of certificates
                return None
            if milliseconds // 1000 >= times.since:
                struct.pack_into(">q", body, at, times.epoch * 1000)
            at += 8
            at += 2 + int.from_bytes(body[at : at + 2])
            at += 4 + int.from_bytes(body[at : at + 4])
    except struct.error:
        return None
    return _changed(content, bytes(body) + _java_digest(bytes(body))) if at == len(body) else None


def _java_digest(body: bytes) -> bytes:
    return hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + body, usedforsecurity=False).digest()


def _git_index(content: bytes, times: Times) -> bytes | None:
    after = without_places(content)
    return None if after is None else _changed(content, after)


def _authorities(content: bytes, times: Times) -> bytes | None:
    return _changed(content, without_added(content))


def _gzip_time(head: bytes, times: Times) -> bytes | None:
    """RFC 1952: the time is at 4, little end first."""
    if len(head) < 10 or head[:3] != b"\x1f\x8b\x08" or head[3] & 0xE0:
        return None
    seconds = int.from_bytes(head[4:8], "little")
    return head[:4] + struct.pack("<I", times.epoch & 0xFFFF_FFFF) + head[8:] if seconds >= times.since else None


ATTRIBUTES: Mapping[str, str] = {"librepo-attributes": "user.Librepo."}
"""Beginnings of the names of attributes that go; contents stay."""

HEADS: Mapping[str, Callable[[bytes, Times], bytes | None]] = {"gzip-time": _gzip_time}
"""Of files of any size: these are given the first 16 bytes, and give as many."""

REWRITERS: Mapping[str, Callable[[bytes, Times], bytes | None]] = {
    "authorities": _authorities,
    "conda-history": _conda_history,
    "git-index": _git_index,
    "git-log": _git_log,
    "java-store": _java_store,
    "listing": _listing,
    "machine-id": _machine_id,
    "r-built": _r_built,
    "r-data": _r_data,
    "shadow": _shadow,
    "sorted-lines": _sorted_lines,
    "zypp-date": _zypp_date,
}
