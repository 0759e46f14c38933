"""Addresses of git repositories, and what could be an option or a command in them."""

from __future__ import annotations

import pytest

from wherry.base.errors import UsageError
from wherry.build.context.giturl import GitSource, parse_git

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host/a/repo.git", GitSource("https://host/a/repo.git")),
        ("https://host/repo.git#v1:sub/dir", GitSource("https://host/repo.git", "v1", "sub/dir")),
        ("https://host/repo.git#:dir", GitSource("https://host/repo.git", "", "dir")),
        ("https://host/repo.git#feature/x", GitSource("https://host/repo.git", "feature/x")),
        ("https://github.com/o/r", GitSource("https://github.com/o/r")),
        ("github.com/o/r#main", GitSource("https://github.com/o/r", "main")),
        ("git://host/repo", GitSource("git://host/repo")),
        ("ssh://git@host:2222/repo#x", GitSource("ssh://git@host:2222/repo", "x")),
        ("git@host:o/repo.git#x:y", GitSource("git@host:o/repo.git", "x", "y")),
        ("git@host:/srv/repo", GitSource("git@host:/srv/repo")),
        ("file:///srv/repo", GitSource("file:///srv/repo")),
        ("../repo.git#x", GitSource("../repo.git", "x")),
        ("https://h/r.git?branch=b&subdir=d", GitSource("https://h/r.git", "refs/heads/b", "d")),
        ("https://h/r.git?tag=v1", GitSource("https://h/r.git", "refs/tags/v1")),
        (f"https://h/r.git?commit={COMMIT}", GitSource("https://h/r.git", COMMIT, commit=COMMIT)),
        (f"https://h/r.git?branch=b&commit={COMMIT}", GitSource("https://h/r.git", "refs/heads/b", commit=COMMIT)),
        ("https://h/r.git?keep-git-dir", GitSource("https://h/r.git", keep_git_dir=True)),
        ("https://h/r.git?submodules=0#x", GitSource("https://h/r.git", "x", submodules=False)),
        ("https://host/archive.tar.gz", None),
        ("https://host/page", None),
        ("directory", None),
        ("./a@b:c/d", None),
    ],
)
def test_what_an_address_says(text: str, expected: GitSource | None) -> None:
    assert parse_git(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "--upload-pack=touch x.git",
        "ext::sh -c touch% x.git",
        "fd::17/repo.git",
        "ssh://-oProxyCommand=x/repo.git",
        "https://h/r.git#--upload-pack=x",
        "https://h/r.git#-x",
        "https://h/r.git#a..b",
        "https://h/r.git#a b",
        "https://h/r.git#+a",
        "https://h/r.git#a^{}",
        "https://h/r.git?ref=%2Dx",
        "https://h/r.git?unknown=x",
        "https://h/r.git?ref=a&ref=b",
        "https://h/r.git?branch=a&tag=b",
        "https://h/r.git?ref=a#b",
        "https://h/r.git?commit=xyz",
        "https://h/r.git?submodules=maybe",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_git(text)


def test_an_account_is_not_shown() -> None:
    assert GitSource("https://user:token@host/r.git").name == "https://host/r.git"
    assert GitSource("file:///x.git").is_local
    assert not GitSource("git@host:x").is_local
