from __future__ import annotations

import os
import pwd
import shlex
import stat
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from wherry.base.errors import SettingsError, StoreError, StoreVersion
from wherry.base.outside import Outside
from wherry.base.settings import load
from wherry.store import open_at, open_store


def settings_and_outside(**environ: str) -> tuple:
    outside = Outside({"WHERRY_SITE_SETTINGS": "/nonexistent/site.toml", **environ})
    return load(outside), outside


def test_a_new_store_is_its_users_alone(tmp_path: Path) -> None:
    open_at(str(tmp_path / "deep" / "store"))
    assert stat.S_IMODE(os.stat(tmp_path / "deep" / "store").st_mode) == 0o700
    assert (tmp_path / "deep" / "store" / "format").read_text() == "1\n"
    assert os.listdir(tmp_path / "deep" / "store") == ["format"]


@pytest.mark.parametrize("umask", [0o777, 0o077, 0o000])
def test_the_umask_does_not_decide_who_may_enter_a_new_store(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        open_at(str(tmp_path / "very" / "deep" / "store"))
    finally:
        os.umask(before)
    store = tmp_path / "very" / "deep" / "store"
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    assert store.parent.stat().st_mode & 0o700 == 0o700
    assert (store / "format").read_text() == "1\n"


def test_opening_an_existing_store_changes_nothing(tmp_path: Path) -> None:
    open_at(str(tmp_path / "s"))
    before = os.stat(tmp_path / "s").st_mtime_ns
    open_at(str(tmp_path / "s"))
    assert os.stat(tmp_path / "s").st_mtime_ns == before


@pytest.mark.parametrize("text", ["2\n", "17", " 999 \n"])
def test_a_newer_format_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "format").write_text(text)
    with pytest.raises(StoreVersion) as caught:
        open_at(str(tmp_path))
    assert str(tmp_path) in caught.value.what
    assert f"format {int(text)}" in caught.value.why
    assert "WHERRY_STORE" in caught.value.hint


@pytest.mark.parametrize("text", ["", "zero", "0", "-1", "1.5", "\0"])
def test_a_format_that_is_no_number_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "format").write_text(text)
    with pytest.raises(StoreError, match="cannot open the store") as caught:
        open_at(str(tmp_path))
    assert not isinstance(caught.value, StoreVersion)
    assert "WHERRY_STORE" in caught.value.hint


def test_a_newer_site_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "format").write_text("2\n")
    with pytest.raises(StoreVersion, match="site"):
        open_at(str(tmp_path / "own"), [str(tmp_path / "site")])


def test_a_folder_with_other_things_in_it_never_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    (tmp_path / "tmp").mkdir()
    with pytest.raises(StoreError, match="not a store, and not empty") as caught:
        open_at(str(tmp_path))
    assert "'thesis.tex' and 1 more" in caught.value.why
    assert f"{tmp_path}/wherry" in caught.value.hint
    assert sorted(os.listdir(tmp_path)) == ["thesis.tex", "tmp"]


def test_an_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir(0o750)
    open_at(str(tmp_path / "s"))
    assert (tmp_path / "s" / "format").exists()
    assert stat.S_IMODE(os.stat(tmp_path / "s").st_mode) == 0o750


def test_a_folder_in_which_a_dry_run_looked_for_scratch_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    open_at(str(tmp_path))
    assert (tmp_path / "format").exists()


def test_a_folder_with_somebodys_scratch_does_not(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "data").touch()
    with pytest.raises(StoreError, match="not a store, and not empty"):
        open_at(str(tmp_path))


def test_what_rm_left_of_a_store_is_told_with_the_line_that_removes_it(tmp_path: Path) -> None:
    """Overlayfs leaves folders that nobody may enter, images have some that nobody may write."""
    path = tmp_path / "store"
    for name in ("scratch/spare.1/work/work", "layers/1234/tree/opt"):
        (path / name).mkdir(parents=True)
        (path / name / "x").touch()
        (path / name).chmod(0)
    with pytest.raises(StoreError, match="not a store, and not empty") as caught:
        open_at(str(path))
    lines = caught.value.hint.partition(": ")[2].split(", then ")
    assert [subprocess.run(shlex.split(line)).returncode for line in lines] == [0, 0]
    open_at(str(path))


def test_what_a_killed_creator_left_does_not_stop_the_next(tmp_path: Path) -> None:
    (tmp_path / ".format.node.1.x").touch()
    open_at(str(tmp_path))
    assert (tmp_path / "format").read_text() == "1\n"


def test_a_file_in_the_stores_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    for place in ("s", "s/below", "s/far/below"):
        with pytest.raises(StoreError, match=r"not a (folder|directory)") as caught:
            open_at(str(tmp_path / place))
        assert "WHERRY_STORE" in caught.value.hint


def test_a_place_where_nothing_can_be_made_says_what_to_do() -> None:
    with pytest.raises(StoreError, match="cannot make a store in '/proc/foo'") as caught:
        open_at("/proc/foo")
    assert "WHERRY_STORE" in caught.value.hint


def test_a_dangling_link_in_the_stores_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "s").symlink_to("/scratch/that/was/purged")
    with pytest.raises(StoreError, match="a symbolic link that leads nowhere"):
        open_at(str(tmp_path / "s"))


def test_a_store_where_the_user_may_not_write_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(0o500)
    with pytest.raises(StoreError, match="permission denied") as caught:
        open_at(str(tmp_path / "closed" / "s"))
    assert "WHERRY_STORE" in caught.value.hint


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HOME": "/home/ann"}, "/home/ann/.local/share/wherry"),
        ({"HOME": "/home/ann", "XDG_DATA_HOME": "/data/ann"}, "/data/ann/wherry"),
        ({"HOME": "/home/ann", "XDG_DATA_HOME": "relative"}, "/home/ann/.local/share/wherry"),
        ({"HOME": "/home/ann", "XDG_DATA_HOME": "/d", "WHERRY_STORE": "/s/x/"}, "/s/x"),
        ({"HOME": "/home/ann", "WHERRY_STORE": "~/w"}, "/home/ann/w"),
        ({"HOME": "/home/ann", "USER": "ann", "WHERRY_STORE": "/scratch/$USER/w"}, "/scratch/ann/w"),
        ({"HOME": "/home/ann", "USER": "ann", "WHERRY_STORE": "/scratch/${USER}s/../w"}, "/scratch/w"),
    ],
)
def test_where_the_store_is(environ: dict[str, str], expected: str) -> None:
    from wherry.store.opening import locate

    assert locate(*settings_and_outside(**environ)) == expected


def test_a_relative_store_is_below_the_current_directory_and_that_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wherry.store.opening import locate

    monkeypatch.chdir(tmp_path)
    settings, outside = settings_and_outside(HOME="/home/ann", WHERRY_STORE="here")
    assert locate(settings, outside) == str(tmp_path / "here")
    assert "cwd" in {consulted.kind for consulted in outside.inputs}


def test_a_variable_that_is_not_set_is_an_error_and_not_another_store() -> None:
    from wherry.store.opening import locate

    with pytest.raises(SettingsError, match=r"\$SCRATCH"):
        locate(*settings_and_outside(HOME="/home/ann", WHERRY_STORE="$SCRATCH/wherry"))


def test_without_home_the_accounts_own_holds_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """cron and some batch systems set none."""
    account = pwd.struct_passwd(("u", "x", os.geteuid(), 0, "", str(tmp_path), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: account)
    for environ in ({}, {"HOME": "relative"}):
        assert open_store(*settings_and_outside(**environ)).path == f"{tmp_path}/.local/share/wherry"


def test_without_any_home_and_setting_there_is_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_account(uid: int) -> NoReturn:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", no_account)
    with pytest.raises(SettingsError, match="neither WHERRY_STORE nor HOME"):
        open_store(*settings_and_outside())


def test_site_stores_that_are_not_there_are_passed_over(tmp_path: Path) -> None:
    open_at(str(tmp_path / "site"))
    settings, outside = settings_and_outside(
        HOME=str(tmp_path), WHERRY_SITE_STORES=f"/not/mounted,{tmp_path}/site,{tmp_path}/empty"
    )
    store = open_store(settings, outside)
    assert [site.path for site in store.site] == [str(tmp_path / "site")]
    assert ("file", "/not/mounted/format") in {(consulted.kind, consulted.name) for consulted in outside.inputs}
