"""The pure decisions of the registry client: challenges, scopes, tokens' addresses, pauses, words."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wherry.registry
from wherry.base.errors import Forbidden, NetworkFailed, NotInRegistry, RateLimited, RegistryError, Unauthorized
from wherry.registry.auth import Challenge, choose_challenge, merge_scopes, parse_challenges, token_url
from wherry.registry.failures import Asked, explain_status, registry_words
from wherry.registry.pace import Pace, parse_retry_after


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            ['Bearer realm="https://auth.example/token",service="x",scope="repository:a/b:pull,push"'],
            [
                Challenge(
                    "bearer",
                    {"realm": "https://auth.example/token", "service": "x", "scope": "repository:a/b:pull,push"},
                )
            ],
        ),
        (['Basic realm="a, b = \\"c\\""'], [Challenge("basic", {"realm": 'a, b = "c"'})]),
        (
            ['Basic realm=x, BEARER Realm="y"', "Negotiate"],
            [Challenge("basic", {"realm": "x"}), Challenge("bearer", {"realm": "y"}), Challenge("negotiate")],
        ),
        ([""], []),
        (["=,=,\"'"], []),
    ],
)
def test_challenges_are_read_as_http_has_them(headers: list[str], expected: list[Challenge]) -> None:
    assert list(parse_challenges(headers)) == expected


@given(st.text())
def test_no_challenge_breaks_the_reader(text: str) -> None:
    for challenge in parse_challenges([text]):
        assert challenge.scheme


def test_a_token_is_better_than_a_password() -> None:
    both = parse_challenges(['Basic realm="x"', 'Bearer realm="y"'])
    chosen = choose_challenge(both)
    assert chosen is not None
    assert chosen.scheme == "bearer"
    assert choose_challenge(parse_challenges(["Negotiate", "NTLM"])) is None


def test_scopes_of_one_repository_are_merged() -> None:
    scopes = ("repository:b:push", "repository:a:pull", "repository:b:pull", "registry:catalog:*", "nonsense")
    assert merge_scopes(scopes) == ("registry:catalog:*", "repository:a:pull", "repository:b:pull,push")


def test_a_host_with_a_port_stays_whole_in_a_scope() -> None:
    assert merge_scopes(("repository:host:5000/a:pull",)) == ("repository:host:5000/a:pull",)


def test_a_tokens_address_keeps_what_the_realm_says() -> None:
    url = token_url(
        "https://auth.example/token?key=1", "my service", ("repository:a/b:pull", "repository:c:pull"), "ada"
    )
    assert url == (
        "https://auth.example/token?key=1&account=ada&service=my+service&scope=repository:a/b:pull&scope=repository:c:pull"
    )


def test_pauses_double_up_to_a_limit() -> None:
    pace = Pace(chance=lambda: 1.0)
    assert [pace.pause(count) for count in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]


@given(st.integers(1, 50), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 1e6)))
def test_a_pause_is_never_shorter_than_asked_for(count: int, chance: float, after: float | None) -> None:
    pace = Pace(chance=lambda: chance)
    assert pace.pause(count, after) >= (after or 0.0)
    assert pace.pause(count) <= pace.longest_pause


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2000 22:13:30 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
        ("9" * 400, None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, 1_700_000_000.0) == seconds


@given(st.text())
def test_no_retry_after_breaks_the_reader(text: str) -> None:
    found = parse_retry_after(text, 0.0)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"errors": [{"code": "DENIED", "message": "no"}]}', ("DENIED", "no")),
        (b'{"details": "incorrect username or password"}', ("", "incorrect username or password")),
        (b'{"error": "invalid_grant", "error_description": "expired"}', ("invalid_grant", "expired")),
        (b'{"errors": []}', ("", "")),
        (b'{"errors": ["text"]}', ("", "text")),
        (b'{"errors": [{"code": {"a": 1}, "message": [1]}]}', ("", "")),
        (b"<html>", ("", "")),
        (b"", ("", "")),
        (b"[" * 10000, ("", "")),
        (b'{"message": "a\\u001b[31m\\nb"}', ("", "a [31m b")),
    ],
)
def test_a_registrys_words_are_found_and_tidied(body: bytes, words: tuple[str, str]) -> None:
    assert registry_words(body) == words


@given(st.binary())
def test_no_body_breaks_the_reader(body: bytes) -> None:
    code, message = registry_words(body)
    assert (code + message).isprintable()


ASKED = Asked("debian:trixie", "pull", "registry-1.docker.io", "docker.io")
KNOWN = Asked("debian:trixie", "pull", "registry-1.docker.io", "docker.io", "those of 'ada' from /home/ada/.docker")


@pytest.mark.parametrize("asked", [ASKED, KNOWN])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotInRegistry),
        (429, RateLimited),
        (500, NetworkFailed),
        (503, NetworkFailed),
        (418, RegistryError),
    ],
)
def test_every_message_has_host_status_and_credentials(asked: Asked, status: int, kind: type[RegistryError]) -> None:
    trouble = explain_status(asked, status, {}, b'{"errors": [{"code": "C", "message": "M"}]}', now=0, patience=30)
    assert type(trouble.error) is kind
    assert f"registry-1.docker.io answered {status} C (M)" in trouble.error.why
    assert (asked.used or "no credentials") in trouble.error.why or (status == 429 and not asked.used)
    assert "debian:trixie" in trouble.error.what
    assert not trouble.error.what.endswith(".")


def test_only_what_may_pass_is_asked_again() -> None:
    def again(status: int, **headers: str) -> bool:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return explain_status(ASKED, status, named, b"", now=0, patience=30).again

    assert [status for status in (400, 401, 403, 404, 408, 413, 429, 500, 501, 502, 503, 504) if again(status)] == [
        *(408, 429, 500, 502, 503, 504)
    ]
    assert again(429, retry_after="30")
    assert not again(429, retry_after="31")
    assert not again(503, retry_after="3600")


def test_a_limit_without_an_account_suggests_one() -> None:
    anonymous = explain_status(ASKED, 429, {}, b"", now=0, patience=30).error
    known = explain_status(KNOWN, 429, {}, b"", now=0, patience=30).error
    assert "wherry login docker.io" in anonymous.hint
    assert "all of a cluster's nodes may share" in anonymous.why
    assert "login" not in known.hint
    assert "'ada'" in known.why


def test_importing_the_room_loads_no_http_library() -> None:
    code = "import sys, wherry.registry; print([m for m in sys.modules if m.startswith(('urllib3', 'ssl', 'http'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists() -> None:
    for name in wherry.registry.__all__:
        assert getattr(wherry.registry, name) is not None
    with pytest.raises(AttributeError):
        _ = wherry.registry.nothing_of_this_name


def test_a_failure_names_the_address_without_what_may_be_secret() -> None:
    asked = Asked("lab:1", "pull", "reg.example", "reg.example")
    url = "https://me:key@reg.example/v2/lab/manifests/1?X-Signature=s3cret"
    trouble = explain_status(asked, 404, {}, b"", now=0, patience=1, url=url)
    assert trouble.error.why == (
        "reg.example answered 404 to https://reg.example/v2/lab/manifests/1; used no credentials"
    )
