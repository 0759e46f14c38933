"""After a pull: a nearly full quota is told once, with what to do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from stores import add_image
from wherry.base.progress import Event
from wherry.containers import pulling
from wherry.store import open_at, space
from wherry.store.space import Quota


@pytest.mark.parametrize(("used", "told"), [(79, False), (81, True)])
def test_a_nearly_full_quota_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: int, told: bool) -> None:
    store = open_at(str(tmp_path / "s"))
    add_image(store, "a", sizes=1000)
    monkeypatch.setattr(space, "read_quota", lambda path: Quota(used, 100))
    events: list[Event] = []
    pulling._tell_quota(SimpleNamespace(store=store), events.append, has_limit=False)  # type: ignore[arg-type]
    assert bool(events) is told
    if told:
        assert "81 % used" in events[0].message
        assert "store.max_size" in events[0].message
