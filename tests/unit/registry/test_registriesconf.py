"""registries.conf: which files are read, in which order, and what names they give."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_session import Visitor
from wherry.base.errors import SettingsError
from wherry.base.outside import Outside
from wherry.registry import parse_reference, registriesconf
from wherry.registry.names import complete


def home(tmp_path: Path, main: str = "", **dropins: str) -> Outside:
    folder = tmp_path / "config/containers"
    (folder / "registries.conf.d").mkdir(parents=True)
    (folder / "registries.conf").write_text(main)
    for name, text in dropins.items():
        (folder / f"registries.conf.d/{name}.conf").write_text(text)
    return Outside({"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")})


def test_drop_in_files_override_in_the_order_of_their_names(tmp_path: Path) -> None:
    outside = home(
        tmp_path,
        'unqualified-search-registries = ["a.example"]\n[[registry]]\nlocation = "x.example"\ninsecure = true\n',
        b='unqualified-search-registries = ["b.example"]',
        a='unqualified-search-registries = ["c.example"]\n[aliases]\n"short" = "x.example/long"\n',
    )
    conf = registriesconf.read(outside)
    assert conf.search == ("b.example",)
    assert conf.aliases["short"] == "x.example/long"
    assert [rule.prefix for rule in conf.rules if rule.insecure] == ["x.example"]


def test_every_file_is_an_input_of_the_plan(tmp_path: Path) -> None:
    outside = home(tmp_path, extra="")
    registriesconf.read(outside)
    consulted = {found.name for found in outside.inputs if found.kind == "file"}
    assert str(tmp_path / "config/containers/registries.conf") in consulted
    assert str(tmp_path / "config/containers/registries.conf.d/extra.conf") in consulted


def test_a_name_is_found_in_files_that_mention_it_and_only_those_are_parsed(tmp_path: Path) -> None:
    broken = '"other" = "x.example/other\n'
    aliases = '# "hidden" = "x.example/no"\n[aliases]\n"short" = "x.example/long"\n"\\u0061bc" = "x.example/abc"\n'
    outside = home(tmp_path, "# nothing\n", aliases=aliases, broken=broken)
    assert registriesconf.read_names(outside, "short").aliases["short"] == "x.example/long"
    assert registriesconf.read_names(outside, "abc").aliases["abc"] == "x.example/abc"
    assert registriesconf.read_names(outside, "hidden").aliases.get("hidden") is None
    with pytest.raises(SettingsError, match=r"broken\.conf"):
        registriesconf.read_names(outside, "other")
    assert str(tmp_path / "config/containers/registries.conf.d/broken.conf") in {each.name for each in outside.inputs}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[registry]\n", "cannot read"),
        ('[registries.search]\nregistries = ["x"]\n', "old format"),
        ("[[registry]]\ninsecure = true\n", "neither 'prefix' nor 'location'"),
        ('registry = "x"\n', "lists of tables"),
        ('unqualified-search-registries = "x"\n', "list of host names"),
        ('[[registry]]\nlocation = "https://x.example"\n', "expected host"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        registriesconf.read(home(tmp_path, text))
    assert "registries.conf" in str(caught.value)


def test_prefixes_end_at_slashes() -> None:
    rule = registriesconf.Rule("a.example/b", "", False, False, (), "")
    assert rule.covers("a.example/b")
    assert rule.covers("a.example/b/c")
    assert not rule.covers("a.example/bc")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("tools", "docker.io/library/tools:latest"),
        ("short", "x.example/long:latest"),
        ("short:1.0", "x.example/long:1.0"),
        ("short@sha256:" + "a" * 64, "x.example/long@sha256:" + "a" * 64),
        ("some/short", "docker.io/some/short:latest"),
        ("y.example/short", "y.example/short:latest"),
    ],
)
def test_short_names_are_replaced_and_others_are_dockers(tmp_path: Path, typed: str, meant: str) -> None:
    outside = home(tmp_path, '[aliases]\n"short" = "x.example/long"\n')
    assert str(parse_reference(typed, Visitor(tmp_path).settings, outside)) == meant


def test_a_name_means_one_registry_whatever_others_are_searched(tmp_path: Path) -> None:
    settings = Visitor(tmp_path).settings
    both = registriesconf.RegistriesConf(search=("a.example", "docker.io"))
    assert complete("tools", settings, both).registry == "docker.io"
    without = registriesconf.RegistriesConf(search=("a.example", "b.example"))
    assert complete("tools", settings, without).registry == "a.example"
    own = settings.with_flag("registry.default", "own.example", "--test")
    assert complete("tools", own, without).registry == "own.example"


def test_the_default_registry_that_somebody_set_wins_over_short_names(tmp_path: Path) -> None:
    """Debian's own aliases name docker.io for all common images."""
    conf = registriesconf.RegistriesConf(aliases={"debian": "docker.io/library/debian"})
    settings = Visitor(tmp_path).settings
    assert str(complete("debian:12", settings, conf)) == "docker.io/library/debian:12"
    own = settings.with_flag("registry.default", "own.example", "--test")
    assert str(complete("debian:12", own, conf)) == "own.example/debian:12"
