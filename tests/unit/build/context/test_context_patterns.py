"""Patterns: Go's ``filepath.Match``, and ``**`` as ignore files have it; never slower than name times pattern."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wherry.base.errors import UsageError
from wherry.build.context.patterns import Glob, clean, has_wildcards, matcher, unescaped


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("abc", "abc", True),
        ("*", "abc", True),
        ("*c", "abc", True),
        ("a*", "a", True),
        ("a*", "abc", True),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("ab[c]", "abc", True),
        ("ab[b-d]", "abc", True),
        ("ab[e-g]", "abc", False),
        ("ab[^c]", "abc", False),
        ("ab[^b-d]", "abc", False),
        ("ab[^e-g]", "abc", True),
        (r"a\*b", "a*b", True),
        (r"a\*b", "ab", False),
        ("a?b", "a\u263ab", True),
        ("a[^a]b", "a\u263ab", True),
        ("a???b", "a\u263ab", False),
        ("[a-\u03b6]*", "\u03b1", True),
        ("*[a-\u03b6]", "A", False),
        (r"[\]a]", "]", True),
        (r"[\-x]", "-", True),
        (r"[x\-]", "z", False),
        ("[b-a]", "a", False),
        ("hom?.txt", "home.txt", True),
        ("arr[[]0].txt", "arr[0].txt", True),
        ("*.txt", ".txt", True),
        ("a.c", "abc", False),
        ("a+b(c)|$", "a+b(c)|$", True),
        ("*\n", "x\n", True),
    ],
)
def test_a_name_is_matched_as_go_matches_it(pattern: str, name: str, expected: bool) -> None:
    assert (matcher(pattern).match(name) is not None) is expected


@pytest.mark.parametrize(
    "pattern", ["[", "[]a]", "[-]", "[x-]", "[-x]", "[^", "[^bc", "a[", "[a-b-c]x[", "a\\", "[a-]"]
)
def test_a_malformed_pattern_is_an_error(pattern: str) -> None:
    with pytest.raises(UsageError, match="is no pattern"):
        matcher(pattern)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**", "file", True),
        ("**", "dir/file", True),
        ("**/", "dir/file", True),
        ("**/**", "dir/file", True),
        ("dir/**", "dir/file", True),
        ("dir/**", "dir/dir2/file", True),
        ("dir/**", "dir", False),
        ("**/dir", "dir", True),
        ("**/dir2/*", "dir/dir2/file", True),
        ("**/dir2/*", "dir/dir2/dir2/file", True),
        ("**file", "file", True),
        ("**file", "dir/file", True),
        ("**/file", "dir/dir/file", True),
        ("**/file*", "dir/dir/file.txt", True),
        ("**/file*txt", "dir/dir/file.txt", True),
        ("**/file*.txt*", "dir/dir/file.txt", True),
        ("**/*.txt", "file.text", False),
        ("a**/*.txt", "a/file.txt", True),
        ("a**/*.txt", "a/dir/dir/file.txt", True),
        ("a/*.txt", "a/dir/file.txt", False),
        ("a/*/b/**/c", "a/x/b/c", True),
        ("a/*/b/**/c", "a/x/b/y/z/c", True),
        ("a/*/b/**/c", "a/x/y/b/c", False),
        (".*", ".foo", True),
        (".*", "foo", False),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", True),
        ("abc.def", "abcZdef", False),
        ("**/foo/bar", "foo/bar", True),
        ("**/foo/bar", "dir/dir2/foo/bar", True),
        ("abc/**", "abc/def/ghi", True),
        ("**/.foo", ".foo", True),
        ("**/.foo", "bar.foo", False),
        ("*/*", "a/b", True),
        ("*/*", "a", False),
        ("a(b)c/def", "a(b)c/xyz", False),
    ],
)
def test_a_path_is_matched_as_moby_matches_it(pattern: str, path: str, expected: bool) -> None:
    assert Glob(clean(pattern)).match(path) is expected


@pytest.mark.parametrize(
    ("pattern", "folder", "expected"),
    [("a/b", "a", True), ("a/b", "b", False), ("a", "a", False), ("**/x", "a/b", True), ("a*/x/y", "abc/x", True)],
)
def test_it_is_known_where_a_pattern_can_match_below(pattern: str, folder: str, expected: bool) -> None:
    assert Glob(pattern).may_match_below(folder) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("", ""), ("/", ""), ("./a", "a"), ("a//b/./c/", "a/b/c"), ("../../a", "a"), ("a/../../b", "b"), ("/..", "")],
)
def test_paths_stay_below_their_root(path: str, expected: str) -> None:
    assert clean(path) == expected


def test_an_escaped_wildcard_is_none() -> None:
    assert has_wildcards("a*")
    assert has_wildcards(r"a\\*")
    assert not has_wildcards(r"a\*\?\[")
    assert unescaped(r"a\*\\b") == r"a*\b"


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*a" * 60 + "b", "a" * 250),
        ("**/" + "*a" * 40 + "b", "x/" + "a" * 250),
        ("**/a/" * 60 + "b", "a/" * 1000 + "c"),
        ("?*" * 100 + "b", "a" * 250),
    ],
)
def test_no_pattern_takes_long(pattern: str, name: str) -> None:
    began = time.process_time()
    assert not Glob(pattern).match(name)
    assert time.process_time() - began < 1


def test_stars_that_could_be_anything_are_limited() -> None:
    with pytest.raises(UsageError, match="more than 8 times"):
        Glob("a**b" * 9)


def plainly(pattern: str) -> re.Pattern[str]:
    """The rule without thought of time: ``**`` and a slash after it are any directories, at the end anything."""
    if pattern.startswith("**") and not set("*?") & set(pattern[2:]):
        rest = re.escape(pattern[2:])
        return re.compile(rf".*{rest}\Z" if not rest.startswith("/") else rf"(.*/)?{rest[1:]}\Z")
    whole, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            at += 2
            at += pattern.startswith("/", at)
            whole += "(.*/)?" if at < len(pattern) else ".*"
        else:
            whole += {"*": "[^/]*", "?": "[^/]"}.get(pattern[at], re.escape(pattern[at]))
            at += 1
    return re.compile(whole + r"\Z")


_NAMES = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)
_PARTS = st.one_of(st.just("**"), st.text("ab*?", min_size=1, max_size=4))


@settings(max_examples=400)
@given(st.lists(_PARTS, min_size=1, max_size=4).map("/".join), _NAMES)
@example("**/a*b/**/a", "b/aab/a/b/a")
@example("a**b", "a/b/b")
def test_quick_matching_is_plain_matching(pattern: str, path: str) -> None:
    if "***" in pattern:
        return  # nobody says what that is
    assert Glob(pattern).match(path) is (plainly(pattern).match(path) is not None)
