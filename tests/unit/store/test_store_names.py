from __future__ import annotations

import string
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stores import digest_of
from wherry.base.errors import InvalidName
from wherry.base.reference import Reference
from wherry.store import Name, open_at
from wherry.store import names as on_disk

_ALNUM = string.ascii_lowercase + string.digits
_LABEL = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,6}[a-zA-Z0-9])?", fullmatch=True)
_PORT = st.integers(0, 65535).map(lambda port: f":{port}")
_HOSTS = st.one_of(
    st.tuples(st.lists(_LABEL, min_size=2, max_size=4).map(".".join), st.one_of(st.just(""), _PORT)).map("".join),
    st.tuples(_LABEL, _PORT).map("".join),
    st.just("localhost"),
    st.just("[::1]:5000"),
)
_COMPONENT = st.from_regex(r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
_REPOSITORIES = st.lists(_COMPONENT, min_size=2, max_size=5).map("/".join)
_TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
REFERENCES = st.builds(lambda host, repo, tag: Reference.parse(f"{host}/{repo}:{tag}"), _HOSTS, _REPOSITORIES, _TAGS)


@given(REFERENCES)
def test_each_reference_has_a_path_that_gives_it_back(ref: Reference) -> None:
    path = on_disk.path_of(ref)
    assert on_disk.reference_of(path) == ref
    assert not path.startswith("/")
    assert all(part not in ("", ".", "..") and len(part.encode()) <= 255 for part in path.split("/"))


@given(REFERENCES, REFERENCES)
def test_no_reference_is_in_the_way_of_another(one: Reference, other: Reference) -> None:
    if one != other:
        first, second = on_disk.path_of(one), on_disk.path_of(other)
        assert first != second
        assert not second.startswith(first + "/")


@settings(max_examples=25)
@given(st.sets(REFERENCES, max_size=8))
def test_all_names_are_listed_once(refs: set[Reference]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = open_at(f"{folder}/s")
        for ref in refs:
            store.set_name(ref, Name(digest_of(str(ref))))
        assert dict(store.names()) == {ref: Name(digest_of(str(ref))) for ref in refs}
        for ref in refs:
            assert store.remove_name(ref)
        assert list(store.names()) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("debian", "docker.io/library/debian/:latest"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b/:c"),
        ("Registry.Example.org/x/y:V1.0", "Registry.Example.org/x/y/:V1.0"),
        ("ghcr.io/group/project:base", "ghcr.io/group/project/:base"),
        ("ghcr.io/group/project/base:latest", "ghcr.io/group/project/base/:latest"),
    ],
)
def test_the_path_reads_as_the_reference(text: str, path: str) -> None:
    assert on_disk.path_of(Reference.parse(text)) == path


@pytest.mark.parametrize("path", ["", "a", "a/b", "/b/:c", "reg.org/:c", "reg.org/a/:", "reg.org/a/:b/c", ":x/a/b"])
def test_what_is_not_a_name_is_none(path: str) -> None:
    assert on_disk.reference_of(path) is None


def test_the_longest_repository_and_tag_fit() -> None:
    ref = Reference.parse(f"reg.org/{'a' * 255}:{'t' * 128}")
    with tempfile.TemporaryDirectory() as folder:
        store = open_at(f"{folder}/s")
        store.set_name(ref, Name(digest_of("x")))
        assert list(store.names()) == [(ref, Name(digest_of("x")))]


def test_a_reference_without_tag_has_no_path() -> None:
    with pytest.raises(InvalidName):
        on_disk.path_of(Reference("reg.org", "a"))


_NAMES = st.builds(
    Name,
    st.binary(max_size=3).map(lambda data: digest_of(data.hex())),
    st.one_of(st.none(), st.binary(max_size=3).map(lambda data: digest_of(data.hex()))),
    st.sampled_from(["", "linux/amd64", "linux/arm64/v8"]),
)


@given(_NAMES)
def test_a_names_file_gives_it_back(name: Name) -> None:
    assert on_disk.decode(on_disk.encode(name)) == name


@given(_NAMES, st.integers(0, 200))
def test_a_cut_names_file_is_none_or_whole(name: Name, length: int) -> None:
    data = on_disk.encode(name)
    assert on_disk.decode(data[:length]) in (None, name)
