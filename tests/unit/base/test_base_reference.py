"""References as Docker reads them (distribution/reference: grammar and normalization)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.base.digest import Digest
from wherry.base.errors import InvalidName
from wherry.base.reference import Reference

ZERO = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("debian", "docker.io", "library/debian", "latest", ""),
        ("debian:12", "docker.io", "library/debian", "12", ""),
        ("user/repo", "docker.io", "user/repo", "latest", ""),
        ("a/b/c/d:e", "docker.io", "a/b/c/d", "e", ""),
        ("docker.io/debian", "docker.io", "library/debian", "latest", ""),
        ("docker.io/library/debian", "docker.io", "library/debian", "latest", ""),
        ("index.docker.io/debian", "docker.io", "library/debian", "latest", ""),
        ("registry-1.docker.io/user/x", "docker.io", "user/x", "latest", ""),
        ("localhost/x", "localhost", "x", "latest", ""),
        ("localhost:5000/x", "localhost:5000", "x", "latest", ""),
        ("localhost:5000/x:y", "localhost:5000", "x", "y", ""),
        ("localhost:5000", "docker.io", "library/localhost", "5000", ""),
        ("host:80/x/y:z", "host:80", "x/y", "z", ""),
        ("example.com/x", "example.com", "x", "latest", ""),
        ("UPPER/x", "UPPER", "x", "latest", ""),
        ("Reg.Example.COM:8080/x:Tag_1.0-a", "Reg.Example.COM:8080", "x", "Tag_1.0-a", ""),
        ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com", ""),
        ("1.2.3.4/x", "1.2.3.4", "x", "latest", ""),
        ("[2001:db8::1]:5000/x:y", "[2001:db8::1]:5000", "x", "y", ""),
        ("[::1]/x", "[::1]", "x", "latest", ""),
        ("foo_bar.com/x", None, None, None, None),
        ("foo/foo_bar.com:8080", "docker.io", "foo/foo_bar.com", "8080", ""),
        ("a__b/c---d.e", "docker.io", "a__b/c---d.e", "latest", ""),
        (f"debian@{ZERO}", "docker.io", "library/debian", "", ZERO),
        (f"debian:12@{ZERO}", "docker.io", "library/debian", "12", ZERO),
        (f"reg.org:5000/a/b:c@{ZERO}", "reg.org:5000", "a/b", "c", ZERO),
        ("x:" + "t" * 128, "docker.io", "library/x", "t" * 128, ""),
        ("", None, None, None, None),
        (":tag", None, None, None, None),
        ("Debian", None, None, None, None),
        ("repo/UPPER", None, None, None, None),
        ("a/b:", None, None, None, None),
        ("x:" + "t" * 129, None, None, None, None),
        ("x:-bad", None, None, None, None),
        ("x:.bad", None, None, None, None),
        ("x y", None, None, None, None),
        ("x:y z", None, None, None, None),
        ("-x", None, None, None, None),
        ("x-", None, None, None, None),
        ("a..b", None, None, None, None),
        ("a_._b", None, None, None, None),
        ("a___b", None, None, None, None),
        ("a//b", None, None, None, None),
        ("/a", None, None, None, None),
        ("a/", None, None, None, None),
        ("../etc/passwd", None, None, None, None),
        ("reg.org/../x", None, None, None, None),
        ("reg.org/./x", None, None, None, None),
        ("-reg.org/x", None, None, None, None),
        ("reg.org:port/x", None, None, None, None),
        ("reg.org:80:80/x", None, None, None, None),
        ("https://reg.org/x", None, None, None, None),
        ("x@", None, None, None, None),
        ("x@sha256:abc", None, None, None, None),
        (f"x@{ZERO}@{ZERO}", None, None, None, None),
        ("x\n", None, None, None, None),
        ("x:y\n", None, None, None, None),
        ("reg.org\n/x", None, None, None, None),
        ("ä", None, None, None, None),
        ("a" * 256, None, None, None, None),
    ],
)
def test_the_grammar(text: str, registry: str | None, repository: str, tag: str, digest: str) -> None:
    if registry is None:
        with pytest.raises(InvalidName):
            Reference.parse(text)
        return
    parsed = Digest.parse(digest) if digest else None
    assert Reference.parse(text) == Reference(registry, repository, tag, parsed)


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("docker.io/library/debian", "debian:latest"),
        ("user/x:1", "user/x:1"),
        ("library/x", "x:latest"),
        ("reg.org/library/x:1", "reg.org/library/x:1"),
        (f"debian@{ZERO}", f"debian@{ZERO}"),
        (f"debian:1@{ZERO}", f"debian:1@{ZERO}"),
    ],
)
def test_what_a_person_would_type(text: str, familiar: str) -> None:
    assert Reference.parse(text).familiar == familiar


def test_a_capital_letter_is_met_with_a_proposal() -> None:
    with pytest.raises(InvalidName) as caught:
        Reference.parse("docker.io/Debian")
    assert caught.value.hint == "did you mean 'debian'?"


def test_another_default_registry_has_no_library() -> None:
    assert str(Reference.parse("x", default_registry="reg.org")) == "reg.org/x:latest"
    assert str(Reference.parse("a.org/x", default_registry="reg.org")) == "a.org/x:latest"


def test_the_same_repository_at_a_digest() -> None:
    digest = Digest.parse(ZERO)
    assert str(Reference.parse("debian:12").at(digest)) == f"docker.io/library/debian@{ZERO}"


@given(st.text(alphabet="aA0._-:/@[]\n ä", max_size=20))
def test_any_text_is_a_reference_that_reads_back_or_is_refused(text: str) -> None:
    try:
        ref = Reference.parse(text)
    except InvalidName:
        return
    assert Reference.parse(str(ref)) == ref
    assert Reference.parse(ref.familiar) == ref
    assert not {"", ".", ".."} & set(f"{ref.registry}/{ref.repository}".split("/"))
