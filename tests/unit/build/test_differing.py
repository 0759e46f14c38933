"""Two builds are compared down to the byte, and the likeliest cause is named."""

from __future__ import annotations

import gzip
import io
import os
import py_compile
import struct
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers import Item, directory, file, hardlink, stack, symlink, tar_of
from wherry.build.causes import cause_of, first_difference
from wherry.build.differing import Difference, differences, document_differences

NOW = 1_795_284_000


def compared(folder: Path, one: list[Item], two: list[Item]) -> list[Difference]:
    base = [directory("etc"), file("etc/same", b"same")]
    left = stack([tar_of(base), tar_of(one)], folder / "one")
    right = stack([tar_of(base), tar_of(two)], folder / "two")
    return list(differences(left, right))


def test_equal_builds_have_no_difference(tmp_path: Path) -> None:
    items = [directory("a"), file("a/b", b"x"), symlink("a/c", "b"), hardlink("a/d", "a/b")]
    assert compared(tmp_path, items, items) == []


def test_the_first_byte_that_differs_is_named_with_its_layer_and_file(tmp_path: Path) -> None:
    before = b"x" * (1 << 20) + b"word "
    (found,) = compared(tmp_path, [file("a/b", before + b"one\n")], [file("a/b", before + b"two\n")])
    assert (found.layer, found.path, found.what, found.offset) == (1, "a/b", "content", len(before))
    assert "word one" in found.one
    assert "word two" in found.two
    assert found.cause.why == "nothing in the bytes says why"


def test_a_content_that_goes_on_differs_where_the_shorter_one_ends(tmp_path: Path) -> None:
    (found,) = compared(tmp_path, [file("a", b"12345")], [file("a", b"1234567")])
    assert (found.what, found.offset) == ("content", 5)


@pytest.mark.parametrize(
    ("changed", "what", "one", "two"),
    [
        (file("a", b"x", 0o600), "mode", "0644", "0600"),
        (file("a", b"x", uid=7), "owner", "0:0", "7:0"),
        (file("a", b"x", mtime=5), "time", "1700000000", "5"),
        (symlink("a", "b"), "kind", "file", "symlink"),
        (file("a", b"x", pax={"SCHILY.xattr.user.k": "v"}), "xattr user.k", "", "v"),
    ],
)
def test_what_is_not_content_is_named(tmp_path: Path, changed: Item, what: str, one: str, two: str) -> None:
    found = compared(tmp_path, [file("a", b"x")], [changed])
    assert (found[0].what, found[0].one, found[0].two) == (what, one, two)


def test_a_file_of_one_build_only_is_told(tmp_path: Path) -> None:
    only, other = compared(tmp_path, [file("log/run-4711", b"")], [file("log/run-4712", b"")])
    assert (only.path, only.what, only.one, only.two) == ("log/run-4711", "only in one", "there", "")
    assert (other.one, other.two) == ("", "there")
    assert "random" in only.cause.why


def test_private_keys_and_hashes_are_not_shown(tmp_path: Path) -> None:
    keys = [file("etc/key", b"-----BEGIN PRIVATE KEY-----\n" + letter * 40) for letter in (b"A", b"B")]
    hashes = [file("etc/shadow", b"a:$y$j9T$" + letter * 20 + b":1") for letter in (b"C", b"D")]
    for one, two in (keys, hashes):
        (found,) = compared(tmp_path / one.name.replace("/", "-"), [one], [two])
        assert (found.one, found.two) == ("***", "***")


def test_a_layer_of_one_build_only_is_told(tmp_path: Path) -> None:
    left = stack([tar_of([file("a", b"x")])], tmp_path / "one")
    right = stack([tar_of([file("a", b"x")]), tar_of([file("b", b"x")])], tmp_path / "two")
    (found,) = differences(left, right)
    assert (found.layer, found.what) == (1, "only in one")


def test_entries_in_another_order_are_an_error_of_our_own(tmp_path: Path) -> None:
    (found,) = compared(tmp_path, [file("a", b"x"), file("b", b"x")], [file("b", b"x"), file("a", b"x")])
    assert found.what == "order"


def test_configurations_are_compared_by_where_they_differ() -> None:
    one = {"config": {"Env": ["A=1", "B=2"], "User": "x"}, "created": "2026-11-21T18:00:00Z"}
    two = {"config": {"Env": ["A=1"], "User": "x"}, "created": "2026-11-21T18:09:00Z"}
    found = list(document_differences(one, two))
    assert [(each.path, each.one, each.two) for each in found] == [
        ("config.Env.1", '"B=2"', "null"),
        ("created", '"2026-11-21T18:00:00Z"', '"2026-11-21T18:09:00Z"'),
    ]
    assert found[1].cause.why == "a time in text"


def compiled(folder: Path, source: str, seconds: int) -> bytes:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.py").write_text(source)
    os.utime(folder / "a.py", (seconds, seconds))
    mode = py_compile.PycInvalidationMode.TIMESTAMP
    made = py_compile.compile(str(folder / "a.py"), str(folder / "a.pyc"), invalidation_mode=mode, doraise=True)
    return Path(made).read_bytes()


def test_compiled_python_s_time_and_the_rest_are_told_apart(tmp_path: Path) -> None:
    one, two = compiled(tmp_path / "x", "x = 1", NOW), compiled(tmp_path / "x", "x = 1", NOW + 9)
    assert cause_of("lib/a.pyc", one, two).why == "the source's time inside a .pyc"
    assert cause_of("lib/a.pyc", one, two).rule == "python-compiled"
    assert "order of chance" in cause_of("lib/a.pyc", one, compiled(tmp_path / "x", "x = 2", NOW)).hint


def test_a_gzip_head_and_what_is_packed_are_told_apart() -> None:
    one, two = gzip.compress(b"x", mtime=NOW), gzip.compress(b"x", mtime=NOW + 1)
    assert cause_of("a.gz", one, two).why == "the time in a gzip head"
    one, two = gzip.compress(b"at 18:00:00\n", mtime=0), gzip.compress(b"at 18:00:01\n", mtime=0)
    assert cause_of("a.gz", one, two).why == "within the packed data: a time in text"


def test_data_that_is_packed_again_is_not_followed_for_ever() -> None:
    inner = [gzip.compress(text, mtime=0) for text in (b"a", b"b")]
    assert "within" in cause_of("a.gz", gzip.compress(inner[0], mtime=0), gzip.compress(inner[1], mtime=0)).why


def test_times_and_owners_in_archives_are_found() -> None:
    def tar(seconds: int, owner: int) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name in ("first", "second"):
                entry = tarfile.TarInfo(name)
                entry.mtime, entry.uid = (seconds, owner) if name == "second" else (5, 5)
                archive.addfile(entry)
        return out.getvalue()

    assert cause_of("a.tar", tar(NOW, 0), tar(NOW + 1, 0)).why == "times of files in a tar archive"
    assert cause_of("a.tar", tar(NOW, 0), tar(NOW, 1)).why == "owners of files in a tar archive"

    def packed(minute: int) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(zipfile.ZipInfo("a", (2026, 11, 21, 18, minute, 0)), b"x" * 500)
        return out.getvalue()

    assert cause_of("a.whl", packed(1), packed(2)).why == "times of files in a zip archive"


def test_members_of_static_libraries_are_found(tmp_path: Path) -> None:
    contents = []
    for seconds in (NOW, NOW + 70):
        (tmp_path / "x.o").write_bytes(b"object")
        os.utime(tmp_path / "x.o", (seconds, seconds))
        subprocess.run(["ar", "rcU", f"{seconds}.a", "x.o"], cwd=tmp_path, check=True)
        contents.append((tmp_path / f"{seconds}.a").read_bytes())
    assert cause_of("lib/libx.a", *contents).why == "the time of a member in a static library"


@pytest.mark.parametrize(
    ("one", "two", "why"),
    [
        (b"built 2026-11-21 18:00\n", b"built 2026-11-21 18:02\n", "a time in text"),
        (b"epoch=1795284000\n", b"epoch=1795284099\n", "a time counted from 1970"),
        (b"b\na\n", b"a\nb\n", "the same lines in another order"),
        (b"{a, b}: a b\n", b"{a, b}: b a\n", "the same words in another order"),
        (b"dir=/tmp/tmpab12cd34/x\n", b"dir=/tmp/tmpzz99yy88/x\n", "the name of a temporary directory or a build path"),
        (
            b"id 123e4567-e89b-12d3-a456-426614174000",
            b"id 923e4567-e89b-12d3-a456-426614174000",
            "an identifier drawn at random",
        ),
        (b"a:$y$j9T$abcdefgh$xyz:1", b"a:$y$j9T$hgfedcba$zyx:1", "a password's salt, which is random"),
        (
            b"-----BEGIN PRIVATE KEY-----\nAAAA",
            b"-----BEGIN PRIVATE KEY-----\nBBBB",
            "a private key that was drawn at random",
        ),
        (b"\0\1head" + struct.pack("<I", NOW), b"\0\1head" + struct.pack("<I", NOW + 300), "a time as a number"),
        (
            b"\0\1head" + struct.pack(">q", NOW * 1000),
            b"\0\1head" + struct.pack(">q", NOW * 1000 + 77),
            "a time as a number",
        ),
        (b"\0\1\2\3\4", b"\0\2\1\3\4", "the same bytes in another order"),
        (b"ssh-rsa AAAAB1 x", b"ssh-rsa AAAAB2 x", "what belongs to a private key that was drawn at random"),
        (b"1795288600736204767\n", b"1795288600888481270\n", "a time counted from 1970"),
    ],
)
def test_usual_causes_are_told_from_the_bytes(one: bytes, two: bytes, why: str) -> None:
    assert cause_of("srv/file", one, two).why == why


def test_the_rule_that_is_about_a_file_is_named() -> None:
    found = cause_of("var/cache/ldconfig/aux-cache", b"\0\1\2", b"\0\1\3")
    assert (found.rule, found.hint) == ("ldconfig-cache", "the rule 'ldconfig-cache' is about this file")


@given(
    one=st.binary(max_size=200),
    two=st.binary(max_size=200),
    head=st.sampled_from([b"", b"PK\3\4", b"!<arch>\n", b"\x1f\x8b\x08"]),
)
def test_any_two_contents_have_an_answer(one: bytes, two: bytes, head: bytes) -> None:
    assert cause_of("a/b.pyc" if len(one) % 2 else "a", head + one, head + two).why
    at = first_difference(one, two)
    assert one[:at] == two[:at]
    assert at == min(len(one), len(two)) or one[at] != two[at]
