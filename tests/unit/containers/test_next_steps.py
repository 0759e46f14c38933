"""Mistakes of the hand are answered with what to do next."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from wherry.base.errors import WherryError, remedy
from wherry.base.outside import Outside
from wherry.base.reference import Reference
from wherry.cli import catalogue
from wherry.cli.main import read
from wherry.cli.start import environment
from wherry.containers import load
from wherry.containers.binding import mount, volume
from wherry.containers.caller import write_cidfile
from wherry.containers.names import check_name

HERE = Outside({"HOME": "/home/alice"})
MISTAKES: list[tuple[Callable[[], object], str]] = [
    (lambda: Reference.parse("http://reg.org/lab:1"), "leave out 'http://': reg.org/lab:1"),
    (lambda: Reference.parse("debian 12"), "as debian:12"),
    (lambda: Reference.parse("debian:1 2"), "as debian:12"),
    (lambda: Reference.parse("reg..org/lab"), "as debian:12"),
    (lambda: Reference.parse("Debian"), "did you mean 'debian'?"),
    (lambda: check_name("x"), "as --name"),
    (lambda: load("/nonexistent.tar"), "check the spelling"),
    (lambda: load("/etc/passwd"), "'wherry save'"),
    (lambda: write_cidfile("/nonexistent/id", "0"), "make the folder"),
    (lambda: environment(_given("run", "--env-file", "/nonexistent", "i"), HERE), "check the spelling"),
    (lambda: environment(_given("run", "--env-file", "/etc", "i"), HERE), "name a file in it"),
    (lambda: volume("/a:b:/x", HERE), "--mount type=bind"),
    (lambda: volume("/a:/b:/x", HERE), "--mount type=bind"),
    (lambda: volume("/a:b:c:/x", HERE), "--mount type=bind"),
]


def _given(verb: str, *words: str) -> object:
    return read(catalogue.load(verb), list(words))


@pytest.mark.parametrize(("mistake", "hint"), MISTAKES)
def test_a_mistake_is_answered_with_the_next_step(mistake: Callable[[], object], hint: str) -> None:
    with pytest.raises(WherryError) as caught:
        mistake()
    assert hint in caught.value.hint


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EROFS, errno.EISDIR, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("write", [False, True])
def test_common_faults_of_files_have_a_remedy(number: int, write: bool) -> None:
    assert remedy(OSError(number, "x"), write=write)


def test_a_bind_that_was_called_one_has_no_volumes_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = mount("type=bind,src=data,target=/data", HERE)
    assert getattr(found, "source", "") == f"{tmp_path}/data"
    with pytest.raises(WherryError, match="named volume"):
        volume("data:/data", HERE)
