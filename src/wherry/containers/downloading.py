"""Images behind URLs: fetched once, compared with their checksum, then used as files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from wherry.base.digest import Digest
from wherry.base.errors import DigestMismatch, UsageError
from wherry.base.outside import Outside
from wherry.base.progress import Progress, silent

if TYPE_CHECKING:
    from wherry.containers.world import World
    from wherry.image import Source

__all__ = ["downloaded"]


@contextmanager
def downloaded(
    world: World, source: Source, progress: Progress = silent, is_here: Callable[[], bool] = lambda: False
) -> Iterator[str]:
    """The verified file, until the block ends; what was fetched of it goes on where it stopped. Of several who want it
    at once one fetches it; the others get no path once ``is_here`` says that what was made of it is there.

    Without a checksum it is fetched, and kept, and :class:`UsageError` tells its checksum: who names that the next time
    has it at once, and always the same bytes.
    """
    from wherry.registry import download

    store, expected = world.store, source.checksum
    name = os.path.basename(source.place)
    key = f"blob-{expected.hex}" if expected else f"url-{source.place}"  # many addresses may give the same file
    with ExitStack() as stack:
        if not stack.enter_context(store.flight(key, progress, is_here, subject=name)):
            yield ""
            return
        path = stack.enter_context(store.partial(expected or Digest.of(source.place.encode())))
        found = download(
            source.place,
            path,
            expected,
            settings=world.settings,
            outside=Outside(),
            require_space=lambda size: store.require_space(size, f"'{source.place}'"),
            progress=progress,
        )
        if expected is None:
            os.rename(path, store.partial_path(found))
            raise UsageError(
                f"'{source.place}' has no checksum",
                why=f"nobody has said what has to come; what came now is {found}, and is not used yet",
                hint=f"if that is what its makers say: '{source.place}#{found.algorithm}={found.hex}'",
            )
        if not expected.is_of_file(path):
            os.unlink(path)
            raise DigestMismatch(f"'{source.place}' was changed after it came", hint="fetch it again")
        yield path
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
