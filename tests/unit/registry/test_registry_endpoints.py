"""Which endpoints a reference has, and how each is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_session import Visitor
from wherry.base.errors import Forbidden, SettingsError
from wherry.base.outside import Outside
from wherry.base.reference import Reference
from wherry.base.settings import Value
from wherry.registry import registriesconf
from wherry.registry.endpoints import Proxies, Rules, is_loopback, split_host

DIGEST = "sha256:" + "a" * 64


def rules(tmp_path: Path, conf: str = "", proxies: Proxies | None = None, **flags: Value) -> Rules:
    path = tmp_path / "registries.conf"
    path.write_text(conf)
    found = registriesconf.read(Outside({"CONTAINERS_REGISTRIES_CONF": str(path)}))
    return Rules(Visitor(tmp_path, flags=dict(flags)).settings, found, proxies or Proxies())


def names(rules: Rules, text: str, push: bool = False) -> list[str]:
    return [endpoint.name for endpoint in rules.endpoints(Reference.parse(text), push=push)]


def test_docker_hub_is_contacted_by_its_real_name(tmp_path: Path) -> None:
    (endpoint,) = rules(tmp_path).endpoints(Reference.parse("debian"))
    assert (endpoint.host, endpoint.address) == ("docker.io", "registry-1.docker.io")
    assert endpoint.repository == "library/debian"
    assert endpoint.way.schemes == ("https",)
    assert endpoint.way.verify


def test_mirrors_of_the_settings_come_before_the_origin(tmp_path: Path) -> None:
    given = rules(tmp_path, **{"registry.docker.io.mirrors": ("mirror.example", "https://cache.example:8443/hub/")})
    assert names(given, "debian") == [
        "mirror.example/library/debian",
        "cache.example:8443/hub/library/debian",
        "docker.io/library/debian",
    ]


def test_a_mirror_written_with_http_is_insecure(tmp_path: Path) -> None:
    given = rules(tmp_path, **{"registry.docker.io.mirrors": ("http://mirror.example",)})
    mirror, origin = given.endpoints(Reference.parse("debian"))
    assert mirror.way.schemes == ("https", "http")
    assert origin.way.schemes == ("https",)


def test_a_mirror_with_a_strange_scheme_is_a_settings_error(tmp_path: Path) -> None:
    given = rules(tmp_path, **{"registry.docker.io.mirrors": ("ftp://mirror.example",)})
    with pytest.raises(SettingsError, match="ftp://mirror"):
        given.endpoints(Reference.parse("debian"))


def test_a_push_goes_to_the_origin_only(tmp_path: Path) -> None:
    given = rules(tmp_path, **{"registry.docker.io.mirrors": ("mirror.example",)})
    assert names(given, "debian", push=True) == ["docker.io/library/debian"]


CONF = """
[[registry]]
prefix = "docker.io"
location = "registry-1.docker.io"

[[registry.mirror]]
location = "m1.example/hub"

[[registry.mirror]]
location = "m2.example"
insecure = true
pull-from-mirror = "digest-only"

[[registry.mirror]]
location = "m3.example"
pull-from-mirror = "tag-only"

[[registry]]
prefix = "docker.io/library"
location = "library.example/official"

[[registry]]
prefix = "*.evil.example"
blocked = true

[[registry]]
location = "plain.example:5000"
insecure = true
"""


def test_mirrors_of_registries_conf_are_asked_by_kind_of_reference(tmp_path: Path) -> None:
    given = rules(tmp_path, CONF)
    assert names(given, "rocker/r-ver:4") == [
        "m1.example/hub/rocker/r-ver",
        "m3.example/rocker/r-ver",
        "registry-1.docker.io/rocker/r-ver",
    ]
    assert names(given, f"rocker/r-ver@{DIGEST}")[1] == "m2.example/rocker/r-ver"


def test_the_longest_prefix_wins_and_is_rewritten(tmp_path: Path) -> None:
    assert names(rules(tmp_path, CONF), "debian") == ["library.example/official/debian"]


def test_a_blocked_registry_is_refused_with_the_file_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(Forbidden, match=r"'\*\.evil\.example' is blocked.*registries\.conf"):
        rules(tmp_path, CONF).endpoints(Reference.parse("very.evil.example/x"))


def test_an_insecure_location_may_speak_plain_http(tmp_path: Path) -> None:
    (endpoint,) = rules(tmp_path, CONF).endpoints(Reference.parse("plain.example:5000/x"))
    assert endpoint.way.schemes == ("https", "http")
    assert not endpoint.way.verify


def test_own_settings_win_over_registries_conf(tmp_path: Path) -> None:
    given = rules(tmp_path, CONF, **{"registry.docker.io.mirrors": ("own.example",)})
    assert names(given, "rocker/r-ver")[0] == "own.example/rocker/r-ver"
    assert len(names(given, "rocker/r-ver")) == 2


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:5000", "127.8.9.10", "[::1]:5000"])
def test_loopback_may_speak_plain_http_without_being_named(tmp_path: Path, host: str) -> None:
    assert is_loopback(host)
    way = rules(tmp_path, proxies=Proxies("http://proxy", "http://proxy")).way(host)
    assert way.schemes == ("https", "http")
    assert way.proxy == ""


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "127.0.0", "128.0.0.1", "local", "[::2]:1"])
def test_other_hosts_must_speak_tls(tmp_path: Path, host: str) -> None:
    assert not is_loopback(host)
    assert rules(tmp_path).way(host).schemes == ("https",)


def test_loopback_with_an_authority_must_speak_tls_and_be_who_it_is(tmp_path: Path) -> None:
    way = rules(tmp_path, **{"registry.localhost:5000.ca": "/ca.pem"}).way("localhost:5000")
    assert way.schemes == ("https",)
    assert way.verify


def test_secrets_go_over_plain_http_only_where_it_was_allowed(tmp_path: Path) -> None:
    given = rules(tmp_path, **{"registry.plain.example.insecure": True})
    assert given.may_carry_secrets("https", "any.example")
    assert given.may_carry_secrets("http", "plain.example")
    assert given.may_carry_secrets("http", "localhost:5000")
    assert not given.may_carry_secrets("http", "any.example")
    assert not given.may_carry_secrets("ftp", "localhost")


def test_a_registrys_own_proxy_wins_over_the_environment(tmp_path: Path) -> None:
    flags: dict[str, Value] = {"registry.a.example.proxy": "own:3128", "registry.b.example.proxy": "none"}
    given = rules(tmp_path, proxies=Proxies("http://proxy:1"), **flags)
    assert given.way("a.example").proxy == "http://own:3128"
    assert given.way("b.example").proxy == ""
    assert given.way("c.example").proxy == "http://proxy:1"


@pytest.mark.parametrize(
    ("exempt", "host", "direct"),
    [
        ("example.org", "example.org", True),
        ("example.org", "registry.example.org:5000", True),
        (".example.org", "registry.example.org", True),
        ("*.example.org", "registry.example.org", True),
        ("example.org", "notexample.org", False),
        ("example.org:5000", "example.org:5000", True),
        ("example.org:5000", "example.org", False),
        ("example.org:443", "example.org", True),
        ("10.0.0.0/8", "10.1.2.3:5000", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "registry.example", False),
        ("*", "anything.example", True),
        ("EXAMPLE.org", "Example.ORG", True),
        ("fd00::1", "[fd00::1]:5000", True),
    ],
)
def test_no_proxy_names_hosts_domains_ports_and_blocks(exempt: str, host: str, direct: bool) -> None:
    assert (Proxies("http://proxy", exempt=(exempt,)).choose(host, "https") == "") is direct


def test_a_host_is_split_from_its_port() -> None:
    assert split_host("a.b:5000") == ("a.b", "5000")
    assert split_host("a.b") == ("a.b", "")
    assert split_host("[::1]:5000") == ("::1", "5000")
    assert split_host("[::1]") == ("::1", "")
