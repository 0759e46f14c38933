"""Room that is scarce: told before a pull where a start would fail for it, and after one that nearly used it up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from stores import add_image
from wherry.base.errors import StoreFull
from wherry.base.outside import Outside
from wherry.base.progress import Event
from wherry.containers import World, pulling, resolve
from wherry.store import open_at, space
from wherry.store.space import Quota, Space


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


@pytest.mark.parametrize(
    ("space_there", "why"),
    [
        (Space(1000, 10), "1 kB are free there"),
        (Space(2000, 10, Quota(8000, 10_000)), "2 kB are left of your quota of 10 kB there"),
        (Space(10**9, 0), "no further file"),
    ],
)
def test_no_image_is_pulled_for_a_start_that_has_no_room_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space_there: Space, why: str
) -> None:
    """The registry does not exist: it is not even asked."""
    environ = {
        "HOME": str(tmp_path),
        "WHERRY_STORE": str(tmp_path / "store"),
        "WHERRY_SITE_SETTINGS": "/nonexistent",
        "CONTAINERS_REGISTRIES_CONF": "/nonexistent",
    }
    world = World(Outside(environ))
    world.__dict__["scratch"] = (str(tmp_path / "scratch"),)
    true = space.measure
    monkeypatch.setattr(space, "measure", lambda path: space_there if path.endswith("/scratch") else true(path))
    with pytest.raises(StoreFull) as caught:
        resolve(world, "127.0.0.1:1/missing:1")
    assert caught.value.what == f"the container's writable layer needs 1 MB in '{tmp_path}/scratch'"
    assert why in caught.value.why
    assert "WHERRY_SCRATCH" in caught.value.hint
