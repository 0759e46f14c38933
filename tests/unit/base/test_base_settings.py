from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.base.errors import SettingsError
from wherry.base.outside import Outside
from wherry.base.settings import Settings, keys, load, size_in_bytes


class Files:
    """A site's, a user's and a project's file, and the environment that leads to them."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "etc" / "wherry.toml"
        self.user = folder / "config" / "wherry" / "wherry.toml"
        self.project = folder / "project" / "wherry.toml"
        for path in (self.site, self.user, self.project):
            path.parent.mkdir(parents=True)
        (folder / "project" / "src" / "deep").mkdir(parents=True)

    def load(self, **environ: str) -> Settings:
        return load(self.outside(**environ))

    def outside(self, **environ: str) -> Outside:
        places = {"XDG_CONFIG_HOME": str(self.user.parents[1]), "WHERRY_SITE_SETTINGS": str(self.site)}
        return Outside({"HOME": "/nonexistent", **places, **environ})


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    found = Files(tmp_path)
    monkeypatch.chdir(tmp_path / "project" / "src" / "deep")
    return found


def test_without_files_all_is_built_in(files: Files) -> None:
    settings = files.load()
    for key in keys():
        if "*" not in key.name:
            assert settings.source(key.name) == "built in"
            assert not settings.has(key.name)
    assert settings.text("run.pull") == "missing"
    assert settings.number("registry.parallel") == 3
    assert settings.flag("store.keep_blobs") is False


def test_later_wins_over_earlier(files: Files) -> None:
    """built in < site < user < project < environment < flag"""
    seen = [files.load()]
    files.site.write_text('[run]\nimage = "site"')
    seen.append(files.load())
    files.user.write_text('[run]\nimage = "user"')
    seen.append(files.load())
    files.project.write_text('[run]\nimage = "project"')
    seen.append(files.load())
    seen.append(files.load(WHERRY_RUN_IMAGE="variable"))
    seen.append(seen[-1].with_flag("run.image", "flag", "--image"))
    assert [(settings.text("run.image"), settings.source("run.image")) for settings in seen] == [
        ("", "built in"),
        ("site", str(files.site)),
        ("user", str(files.user)),
        ("project", str(files.project)),
        ("variable", "WHERRY_RUN_IMAGE"),
        ("flag", "--image"),
    ]
    assert [settings.has("run.image") for settings in seen] == [False] + [True] * 5


def test_with_a_flag_the_settings_themselves_stay(files: Files) -> None:
    settings = files.load()
    settings.with_flag("run.image", "flag", "--image")
    assert settings.text("run.image") == ""


def test_an_empty_variable_counts_as_unset(files: Files) -> None:
    files.user.write_text('[run]\nimage = "user"')
    assert files.load(WHERRY_RUN_IMAGE="").text("run.image") == "user"


def test_a_variable_may_have_a_name_of_its_own(files: Files) -> None:
    settings = files.load(WHERRY_STORE="/s", REGISTRY_AUTH_FILE="/a")
    assert (settings.text("store.path"), settings.source("store.path")) == ("/s", "WHERRY_STORE")
    assert settings.text("registry.auth_file") == "/a"


@pytest.mark.parametrize("key", [key for key in keys() if not key.project], ids=lambda key: key.name)
def test_a_projects_file_may_not_set_what_concerns_the_user(files: Files, key: object) -> None:
    section, _, name = key.name.partition(".")  # type: ignore[attr-defined]
    text = key.choices[0] if key.choices else "x"  # type: ignore[attr-defined]
    values = {"text": f'"{text}"', "size": '"1G"', "flag": "true", "number": "1", "list": '["x"]'}
    value = values[key.kind]  # type: ignore[attr-defined]
    if "*" in name:
        files.project.write_text(f'[{section}."reg.org"]\n{name.removeprefix("*.")} = {value}')
    else:
        files.project.write_text(f"[{section}]\n{name} = {value}")
    with pytest.raises(SettingsError) as caught:
        files.load()
    assert str(files.project) in caught.value.what
    assert "a project's file may not" in caught.value.why
    files.user.write_text(files.project.read_text())
    files.project.unlink()
    files.load()


def test_a_projects_file_of_somebody_else_is_not_found(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.project.write_text('[run]\nimage = "project"')
    real = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    assert files.load().text("run.image") == ""


def test_in_the_folder_of_the_users_own_file_it_is_not_taken_for_a_projects(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.user.write_text('[store]\npath = "/s"')
    monkeypatch.chdir(files.user.parent)
    assert files.load().text("store.path") == "/s"
    assert files.load().source("store.path") == str(files.user)


def test_where_the_current_directory_is_gone_there_is_no_project(files: Files, tmp_path: Path) -> None:
    files.user.write_text('[run]\nimage = "user"')
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert files.load().text("run.image") == "user"


def test_a_relative_config_home_is_ignored(files: Files) -> None:
    files.user.write_text('[run]\nimage = "user"')
    os.chdir(files.user.parents[2])
    assert files.load(XDG_CONFIG_HOME="config").text("run.image") == ""


# ---- locks


@pytest.mark.parametrize("by", ["user", "variable", "project"])
def test_what_the_site_locks_nobody_sets(files: Files, by: str) -> None:
    files.site.write_text('[run]\nimage = "site"\n[lock]\nkeys = ["run.image"]')
    assert files.load().text("run.image") == "site"
    if by != "variable":
        getattr(files, by).write_text('[run]\nimage = "mine"')
    with pytest.raises(SettingsError) as caught:
        files.load(**({"WHERRY_RUN_IMAGE": "mine"} if by == "variable" else {}))
    assert caught.value.why == f"the site has locked it in '{files.site}'"


def test_a_lock_for_all_registries_holds_for_each(files: Files) -> None:
    files.site.write_text('[lock]\nkeys = ["registry.*.insecure"]')
    files.user.write_text('[registry."reg.org"]\ninsecure = true')
    with pytest.raises(SettingsError, match=r"'registry\.reg\.org\.insecure'"):
        files.load()


def test_only_the_site_may_lock(files: Files) -> None:
    files.user.write_text('[lock]\nkeys = ["run.image"]')
    with pytest.raises(SettingsError, match=r"there is no setting 'lock\.keys'"):
        files.load()


@pytest.mark.parametrize("lock", ["lock = 1", '[lock]\nkeys = "store.path"', "[lock]\nkeys = [1]"])
def test_a_bad_lock_is_told(files: Files, lock: str) -> None:
    files.site.write_text(lock)
    with pytest.raises(SettingsError, match=r"bad \[lock\] section"):
        files.load()


def test_a_lock_with_a_typing_error_is_told(files: Files) -> None:
    files.site.write_text('[lock]\nkeys = ["store.pth"]')
    with pytest.raises(SettingsError) as caught:
        files.load()
    assert caught.value.hint == "did you mean 'store.path'?"


# ---- mistakes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[run]\nimgae = 'x'", "there is no setting 'run.imgae'"),
        ("[rnu]\nimage = 'x'", "there is no setting 'rnu.image'"),
        ("image = 'x'", "there is no setting 'image'"),
        ("[registry.'reg.org']\nmirors = []", "there is no setting 'registry.reg.org.mirors'"),
        ("[run.image]\nx = 1", "there is no setting 'run.image.x'"),
        ("[run]\nimage = 5", "expected a text"),
        ("[run]\nenv = 'A=1'", "expected a list"),
        ("[run]\nenv = [1]", "expected a list"),
        ("[registry]\nparallel = true", "expected a number"),
        ("[registry]\nparallel = '4'", "expected a number"),
        ("[store]\nkeep_blobs = 'yes'", "expected a flag"),
        ("[store]\nmax_size = '20X'", "expected a size"),
        ("[run", "cannot read"),
        ("[run]\nimage = 'a'\nimage = 'b'", "cannot read"),
    ],
)
def test_a_mistake_names_file_and_cause(files: Files, text: str, told: str) -> None:
    files.user.write_text(text)
    with pytest.raises(SettingsError) as caught:
        files.load()
    assert told in str(caught.value)
    assert str(files.user) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("imgae", "did you mean 'run.image'?"),
        ("detach", "did you mean 'run.detached'?"),
        ("here", "'wherry settings' lists them all"),
    ],
)
def test_only_what_is_near_is_offered(files: Files, name: str, hint: str) -> None:
    files.user.write_text(f"[run]\n{name} = 'x'")
    with pytest.raises(SettingsError) as caught:
        files.load()
    assert caught.value.hint == hint


def test_a_file_that_is_no_text_is_an_error(files: Files) -> None:
    files.user.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot read"):
        files.load()


def test_a_file_that_may_not_be_read_is_an_error(files: Files) -> None:
    files.user.touch(0o000)
    with pytest.raises(SettingsError, match="permission denied"):
        files.load()


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("WHERRY_STORE_KEEP_BLOBS", "maybe", "expected 1 or 0"),
        ("WHERRY_REGISTRY_PARALLEL", "four", "expected a number"),
        ("WHERRY_REGISTRY_PARALLEL", "²", "expected a number"),
        ("WHERRY_REGISTRY_PARALLEL", "-1", "expected a number"),
        ("WHERRY_STORE_MAX_SIZE", "lots", "expected a size"),
    ],
)
def test_a_variable_with_a_bad_value_is_told(files: Files, variable: str, text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        files.load(**{variable: text})


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("yes", True), ("On", True), ("0", False), ("FALSE", False), ("no", False)]
)
def test_flags_in_variables(files: Files, text: str, value: bool) -> None:
    assert files.load(WHERRY_STORE_KEEP_BLOBS=text).flag("store.keep_blobs") is value


def test_lists_in_variables_are_separated_by_commas(files: Files) -> None:
    assert files.load(WHERRY_SITE_STORES="/a,/b,").items("store.site") == ("/a", "/b")


def test_registries_have_settings_of_their_own(files: Files) -> None:
    files.user.write_text('[registry]\nparallel = 2\n[registry."reg.org:5000"]\ninsecure = true\nmirrors = ["m.org/x"]')
    settings = files.load()
    assert settings.flag("registry.reg.org:5000.insecure")
    assert settings.items("registry.reg.org:5000.mirrors") == ("m.org/x",)
    assert not settings.flag("registry.other.org.insecure")
    assert settings.number("registry.parallel") == 2


def test_asking_for_a_setting_that_does_not_exist_is_an_error(files: Files) -> None:
    with pytest.raises(SettingsError, match=r"there is no setting 'run\.imagge'"):
        files.load().text("run.imagge")


@pytest.mark.parametrize(
    ("text", "size"),
    [("", 0), ("0", 0), ("512", 512), ("1K", 1024), ("20G", 20 * 1024**3), ("1.5t", 3 * 1024**4 // 2), ("2P", 2 << 50)],
)
def test_sizes(text: str, size: int) -> None:
    assert size_in_bytes("x", text) == size


@given(st.text(max_size=8))
def test_any_text_is_a_size_or_refused(text: str) -> None:
    try:
        assert size_in_bytes("x", text) >= 0
    except SettingsError:
        return


@pytest.mark.parametrize("text", ["infG", "nanK", "-5G", "-1", "G", "5GB", "²", "1e999K"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected a size"):
        size_in_bytes("x", text)


def test_every_key_is_declared_well() -> None:
    names = [key.name for key in keys()]
    assert len(set(names)) == len(names)
    variables = [key.environment for key in keys() if key.environment]
    assert len(set(variables)) == len(variables)
    kinds = {"text": str, "size": str, "flag": bool, "number": int, "list": tuple}
    for key in keys():
        assert type(key.default) is kinds[key.kind], key.name
        assert key.help
        assert key.help[0].islower() or not key.help[0].isalpha() or key.help.startswith("PEM"), key.name
        assert not key.help.endswith("."), key.name


def test_all_that_decides_is_an_input(files: Files) -> None:
    outside = files.outside()
    load(outside)
    consulted = {(found.kind, found.name) for found in outside.inputs}
    assert {("file", str(files.site)), ("file", str(files.user)), ("nearest", "wherry.toml")} <= consulted
    assert {("env", key.environment) for key in keys() if key.environment} <= consulted
    assert ("env", "XDG_CONFIG_HOME") in consulted


@pytest.mark.parametrize(
    "section", ['profile = "HPC"', 'pull = "sometimes"', 'network = "bridge"', 'engine = "docker"']
)
def test_a_value_that_is_none_of_the_choices_is_refused(files: Files, section: str) -> None:
    """Else a misspelt profile is an isolated one, silently."""
    files.user.write_text(f"[run]\n{section}")
    with pytest.raises(SettingsError, match="expected one of: ") as caught:
        files.load()
    assert str(files.user) in caught.value.what
    assert caught.value.hint == ("did you mean 'hpc'?" if "HPC" in section else "")


def test_a_variable_that_is_none_of_the_choices_is_refused(files: Files) -> None:
    with pytest.raises(SettingsError, match=r"^WHERRY_RUN_PROFILE is 'foo': expected one of: isolated, hpc$"):
        files.load(WHERRY_RUN_PROFILE="foo")
    assert files.load(WHERRY_RUN_PROFILE="hpc").text("run.profile") == "hpc"


def test_no_variable_passes_by_what_the_site_has_locked(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site.toml"
    monkeypatch.setattr("wherry.base.settings.SITE_FILE", str(site))
    site.write_text('[run]\nnetwork = "none"')
    assert files.load().text("run.network") == "host"  # another file was named, and nothing is locked
    site.write_text('[run]\nnetwork = "none"\n[lock]\nkeys = ["run.network"]')
    with pytest.raises(SettingsError, match=r"^WHERRY_SITE_SETTINGS is .* the site has locked settings in"):
        files.load()
    assert files.load(WHERRY_SITE_SETTINGS=str(site)).text("run.network") == "none"
    assert files.load(WHERRY_SITE_SETTINGS="").text("run.network") == "none"
