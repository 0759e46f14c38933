"""Platforms in all spellings, and the choice from an index."""

from __future__ import annotations

import pytest

from wherry.base.digest import Digest
from wherry.base.errors import InvalidName, UnsupportedImage
from wherry.image.model import Descriptor, Index, PlatformFields
from wherry.image.platforms import Platform, choose, here, runs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("linux/amd64", "linux/amd64"),
        ("x86_64", "linux/amd64"),
        ("Linux/X86-64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("arm/v6", "linux/arm/v6"),
        ("armhf", "linux/arm/v7"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("i686", "linux/386"),
        ("windows/amd64", "windows/amd64"),
        ("riscv64", "linux/riscv64"),
        ("linux/arm/²", "linux/arm/²"),
    ],
)
def test_a_platform_has_one_spelling(text: str, shown: str) -> None:
    assert str(Platform.parse(text)) == shown
    assert Platform.parse(shown) == Platform.parse(text)


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "linux/am d64", "a/b/c/d"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        Platform.parse(text)


def test_this_machine_runs_itself() -> None:
    assert runs(here(), here())


@pytest.mark.parametrize(
    ("wanted", "offered", "fits"),
    [
        ("amd64/v3", "amd64", True),
        ("amd64/v3", "amd64/v3", True),
        ("amd64/v2", "amd64/v3", False),
        ("arm/v7", "arm/v6", True),
        ("arm/v6", "arm/v7", False),
        ("arm64", "arm/v7", False),
        ("arm64", "arm64/v9", False),
    ],
)
def test_a_lesser_variant_runs_a_greater_does_not(wanted: str, offered: str, fits: bool) -> None:
    assert bool(runs(Platform.parse(wanted), Platform.parse(offered))) is fits


def _index(*platforms: str | None) -> Index:
    descriptors = []
    for number, text in enumerate(platforms):
        fields = None
        if text is not None:
            system, architecture, *variant = text.split("/")
            fields = PlatformFields(architecture, system, variant[0] if variant else None)
        descriptors.append(Descriptor("", Digest.of(b"%d" % number), 1, fields))
    return Index("", tuple(descriptors))


def _chosen(index: Index, wanted: str, *, strict: bool = False) -> int:
    return index.manifests.index(choose(index, Platform.parse(wanted), "x", strict=strict))


def test_the_best_variant_is_chosen() -> None:
    index = _index("linux/amd64", "linux/amd64/v2", "linux/amd64/v3", "linux/amd64/v4")
    assert [_chosen(index, f"amd64/v{level}") for level in (1, 2, 3, 4)] == [0, 1, 2, 3]
    assert _chosen(_index("linux/arm/v5", "linux/arm/v7", "linux/arm64"), "arm/v7") == 1


def test_the_first_of_equals_is_chosen() -> None:
    assert _chosen(_index("linux/arm64", "linux/amd64", "linux/amd64"), "amd64") == 1


def test_attestations_are_never_chosen() -> None:
    assert _chosen(_index("unknown/unknown", "linux/amd64"), "amd64") == 1


def test_a_variant_that_was_asked_for_is_not_replaced_by_a_lesser_one() -> None:
    index = _index("linux/amd64", "linux/amd64/v2")
    assert _chosen(index, "amd64/v3") == 1
    with pytest.raises(UnsupportedImage):
        _chosen(index, "amd64/v3", strict=True)


def test_what_there_is_is_named_when_nothing_fits() -> None:
    with pytest.raises(UnsupportedImage) as caught:
        _chosen(_index("linux/arm64", "linux/ppc64le"), "amd64")
    assert "linux/arm64, linux/ppc64le" in caught.value.why
    assert "--platform linux/arm64" in caught.value.hint


def test_a_lone_manifest_without_a_platform_is_taken() -> None:
    assert _chosen(_index(None), "amd64") == 0
