"""Which held images a mistyped name may have meant."""

from __future__ import annotations

from typing import cast

import pytest

from wherry.base.reference import Reference
from wherry.image import near_names
from wherry.store import Store


class Held:
    def __init__(self, *names: str) -> None:
        self._names = names

    def names(self) -> list[tuple[Reference, None]]:
        return [(Reference.parse(name), None) for name in self._names]


@pytest.mark.parametrize(
    ("typed", "held", "near"),
    [
        ("debain:12", ["debian:12", "alpine:3"], ["debian:12"]),
        ("debian:13", ["debian:12", "debian:11"], ["debian:12", "debian:11"]),
        ("reg.example.org:5000/debain:12", ["reg.example.org:5000/debian:12"], ["reg.example.org:5000/debian:12"]),
        ("reg.example.org:5000/nosuch", ["reg.example.org:5000/debian:12", "reg.example.org:5000/layered"], []),
        ("nosuch", ["127.0.0.1:5000/debian:12", "127.0.0.1:5000/layered"], []),
        ("debian", ["127.0.0.1:5000/debian"], ["127.0.0.1:5000/debian"]),
    ],
)
def test_names_are_near_by_repository_and_tag(typed: str, held: list[str], near: list[str]) -> None:
    assert near_names(cast(Store, Held(*held)), Reference.parse(typed)) == near
