"""Each rewriter on what the real program writes, where it is at hand, and on what is not of its form."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.build.normalise import RULES, normalise
from wherry.build.normalise.rewriting import ATTRIBUTES, HEADS, REWRITERS, Times

NOW = int(time.time())
TIMES = Times(epoch=1_000_000_000, since=NOW - 1000)


def git(folder: Path, *arguments: str) -> str:
    quiet = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, env=quiet, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_two_clones_have_one_index_and_git_finds_nothing_changed(tmp_path: Path, version: str) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "-q")
    for number in range(40):
        place = origin / f"folder-{number % 7}" / f"file-{number}"
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"{number}\n")
    git(origin, "add", ".")
    git(origin, "commit", "-qm", "one")
    seen = []
    for name in ("first", "second"):
        git(tmp_path, "clone", "-q", str(origin), name)
        clone = tmp_path / name
        git(clone, "update-index", "--index-version", version)
        if version == "3":  # an entry with extended flags makes git write version 3
            (clone / "later").write_text("x")
            git(clone, "add", "--intent-to-add", "later")
        index = clone / ".git/index"
        after = REWRITERS["git-index"](index.read_bytes(), TIMES)
        assert after is not None
        index.write_bytes(after)
        seen.append(after)
        status = git(clone, "status", "--porcelain")
        assert status == (" A later\n" if version == "3" else "")
        git(clone, "fsck")
    assert seen[0] == seen[1]


def test_an_index_that_is_broken_or_watched_is_left(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "x").write_text("x")
    git(tmp_path, "add", "x")
    content = (tmp_path / ".git/index").read_bytes()
    rewrite = REWRITERS["git-index"]
    assert rewrite(content, TIMES) is not None
    assert rewrite(content[:-1] + bytes([content[-1] ^ 1]), TIMES) is None
    watched = content[:-20] + b"FSMN" + (4).to_bytes(4) + b"abcd"
    assert rewrite(watched + hashlib.sha1(watched).digest(), TIMES) is None


def test_reflogs_of_two_clones_differ_in_their_times_only(tmp_path: Path) -> None:
    log = b"%s %s A B <a@b> %d +0130\tclone: from x\n"
    old = log % (b"0" * 40, b"a" * 40, 1234567890)
    new = log % (b"0" * 40, b"b" * 40, NOW)
    wanted = new.replace(b"%d +0130" % NOW, b"1000000000 +0000")
    assert REWRITERS["git-log"](old + new, TIMES) == old + wanted


def test_a_static_library_made_with_times_becomes_the_deterministic_one(tmp_path: Path) -> None:
    for name in ("one.o", "a-name-longer-than-sixteen-letters.o"):
        (tmp_path / name).write_bytes(b"odd")
    for archive, letters in (("timed.a", "rcU"), ("plain.a", "rcD")):
        files = ["one.o", "a-name-longer-than-sixteen-letters.o"]
        subprocess.run(["ar", letters, archive, *files], cwd=tmp_path, check=True)
    changes = normalise(str(tmp_path), RULES, TIMES.epoch, TIMES.since)
    assert [(change.path, change.rule) for change in changes] == [("timed.a", "archive-times")]
    listed = subprocess.run(["ar", "tv", "timed.a"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert listed.count("2001") == 2
    (tmp_path / "timed.a").write_bytes(b"!<arch>\nno library after all, though it begins as one".ljust(90))
    assert normalise(str(tmp_path), RULES, TIMES.epoch, TIMES.since) == ()


def java_store(entries: list[tuple[bytes, int]], kind: int = 2, password: str = "changeit") -> bytes:
    body = struct.pack(">III", 0xFEEDFEED, 2, len(entries))
    for alias, seconds in entries:
        body += struct.pack(">IH", kind, len(alias)) + alias + struct.pack(">q", seconds * 1000 + 5)
        body += struct.pack(">H", 5) + b"X.509" + struct.pack(">I", 3) + b"der"
    return body + hashlib.sha1(password.encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()


def test_javas_certificates_taken_in_at_two_times_are_the_same() -> None:
    one = REWRITERS["java-store"](java_store([(b"a", NOW), (b"b", NOW)]), TIMES)
    two = REWRITERS["java-store"](java_store([(b"a", NOW + 77), (b"b", NOW + 78)]), TIMES)
    assert one == two is not None
    assert one[-20:] == hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + one[:-20]).digest()


def test_javas_store_of_a_key_or_with_another_password_is_left() -> None:
    assert REWRITERS["java-store"](java_store([(b"a", NOW)], kind=1), TIMES) is None
    assert REWRITERS["java-store"](java_store([(b"a", NOW)], password="mine"), TIMES) is None


def test_conda_s_history_keeps_all_but_the_times() -> None:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOW)).encode()
    text = b"==> 2020-01-02 03:04:05 <==\n# cmd: conda create\n+pkg-1\n==> %s <==\n# update specs: ['x']\n" % stamp
    assert REWRITERS["conda-history"](text, TIMES) == text.replace(stamp, b"2001-09-09 01:46:40")


def test_zypper_s_list_keeps_all_but_its_date() -> None:
    text = b"# AutoInstalled generated Sat Nov 21 22:39:25 2026\n#\nobservatory\n# AutoInstalled generated\n"
    after = REWRITERS["zypp-date"](text, TIMES)
    assert after == text.replace(b"Sat Nov 21 22:39:25 2026", b"Sun Sep  9 01:46:40 2001")
    assert REWRITERS["zypp-date"](after, TIMES) is None
    assert REWRITERS["zypp-date"](b"observatory\n", TIMES) is None


def test_conda_s_downloads_are_listed_in_order() -> None:
    assert REWRITERS["sorted-lines"](b"b\na\n", TIMES) == b"a\nb\n"
    assert REWRITERS["sorted-lines"](b"a\nb\n", TIMES) is None


def test_names_of_tex_files_are_listed_in_order_whatever_the_disk_says() -> None:
    head = b"% ls-R -- filename database for kpathsea; do not change this line.\n\n"
    one = head + b"./:\n.:\nb\na\n\n./web2c:\ny\nx\n"
    two = head + b"./web2c:\nx\ny\n\n./:\na\n.:\nb\n"
    assert REWRITERS["listing"](one, TIMES) is not None
    assert sorted((REWRITERS["listing"](one, TIMES) or b"").split()) == sorted(one.split())
    assert REWRITERS["listing"](one, TIMES) == (REWRITERS["listing"](two, TIMES) or two)


def test_r_packages_say_the_epoch_in_both_places() -> None:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(NOW)).encode()
    line = b"Package: x\nBuilt: R 4.2.2; ; %s UTC; unix\n"
    assert REWRITERS["r-built"](line % stamp, TIMES) == line % b"2001-09-09 01:46:40"
    assert REWRITERS["r-built"](line % b"2020-01-01 00:00:00", TIMES) is None
    data = REWRITERS["r-data"](gzip.compress(b"X\nRDS" + line % stamp), TIMES)
    assert data is not None
    assert gzip.decompress(data) == b"X\nRDS" + line % b"2001-09-09 01:46:40"
    assert REWRITERS["r-data"](b"\x1f\x8b broken", TIMES) is None


def test_a_packed_file_that_the_step_made_has_the_epoch_and_an_older_one_keeps_its_time() -> None:
    new, old = gzip.compress(b"x", mtime=NOW), gzip.compress(b"x", mtime=NOW - 100_000)
    after = HEADS["gzip-time"](new[:16], TIMES)
    assert after is not None
    assert after + new[16:] == gzip.compress(b"x", mtime=TIMES.epoch)
    assert HEADS["gzip-time"](old[:16], TIMES) is None
    assert HEADS["gzip-time"](b"PK not gzip at all", TIMES) is None


@pytest.mark.parametrize("name", sorted(REWRITERS))
@given(content=st.binary(max_size=300))
def test_no_rewriter_fails_on_any_bytes(name: str, content: bytes) -> None:
    for head in (
        b"",
        b"DIRC\0\0\0\2\0\0\0\3",
        b"!<arch>\n",
        b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\3",
        b"==> 2026-99-99 99:99:99 <==\n",
    ):
        REWRITERS[name](head + content, TIMES)


def test_every_rewriter_is_used_and_every_rule_has_one() -> None:
    used = {rule.rewriter for rule in RULES if rule.rewriter}
    assert used == {*REWRITERS, *HEADS, *ATTRIBUTES, "compiled", "archive-times"}
    assert [rule.name for rule in RULES if (rule.action == "rewrite") != bool(rule.rewriter)] == []
    assert len({rule.name for rule in RULES}) == len(RULES)
