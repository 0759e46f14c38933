"""A registry that can be told to lie, and who visits it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_registry import FakeRegistry, fake_registry
from registry_attacks import BLOB, SMALL
from registry_session import Visitor


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as server:
        server.add_blob(BLOB)
        server.add_manifest("a/b", "1.0", SMALL)
        yield server


@pytest.fixture
def visitor(tmp_path: Path) -> Visitor:
    return Visitor(tmp_path)
