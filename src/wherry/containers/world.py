"""What every use case begins with: settings, store and this user's folders, each looked up when first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from wherry.base.outside import Outside

if TYPE_CHECKING:
    from wherry.base.settings import Settings
    from wherry.containers.mounting import Mount
    from wherry.host import Host, Machine
    from wherry.image import Image
    from wherry.launch import Paths
    from wherry.store import Store

__all__ = ["World"]


class World:
    """One command's view. ``outside`` records all that is consulted, so that a plan made from it knows its inputs.

    Without ``make_store`` a store that is missing is not made, for those who only look (``--dry-run``). Without
    ``files`` a bare name is never a file of the current directory: a peer's users know no such rule.
    """

    def __init__(
        self,
        outside: Outside | None = None,
        settings: Settings | None = None,
        *,
        make_store: bool = True,
        files: bool = True,
    ) -> None:
        self._make_store = make_store
        self.files = files
        self.outside = Outside() if outside is None else outside
        self.mounts: dict[str, Mount] = {}
        """Mounts of packed images by the tree where they can be read, held until what is started has its own hold."""
        if settings is not None:
            self.settings = settings

    @cached_property
    def settings(self) -> Settings:
        from wherry.base.settings import load

        return load(self.outside)

    @cached_property
    def store(self) -> Store:
        from wherry.store import open_store

        return open_store(self.settings, self.outside, make=self._make_store)

    @cached_property
    def host(self) -> Host:
        from wherry.host import probe

        return probe(self.outside)

    @cached_property
    def machine(self) -> Machine:
        """What choosing an engine needs where namespaces are not the answer."""
        from wherry.host import survey

        return survey(self.outside, self.settings)

    @cached_property
    def runtime(self) -> str:
        """``RUNTIME``: plans, files that plans bind, running containers; on this node only."""
        from wherry.host import runtime_dir

        return runtime_dir(self.outside)

    @cached_property
    def state(self) -> str:
        """``STATE``: where the records are."""
        from wherry.host import state_dir

        return state_dir(self.outside)

    @cached_property
    def scratch(self) -> tuple[str, ...]:
        """Parent folders for writable layers, in order of preference."""
        from wherry.host import scratch_parents

        return scratch_parents(
            self.outside,
            self.host,
            setting=self.settings.text("run.scratch"),
            store=self.store.path,
            runtime=self.runtime,
        )

    @cached_property
    def kept_parents(self) -> tuple[str, ...]:
        """Parent folders for the writable layers of kept containers: beside their other files, unless these are on a
        network file system, where no overlay can write; then on this node."""
        from wherry.host import filesystem_type, is_remote

        if is_remote(filesystem_type(self.store.path)):
            return tuple(f"{parent}/kept" for parent in self.scratch)
        return (self.containers,)

    @property
    def containers(self) -> str:
        """The folder of the kept containers."""
        return f"{self.store.path}/containers"

    def paths(self, lease: str = "", flat: str = "") -> Paths:
        from wherry.launch import Paths

        return Paths(self.store.path, self.runtime, self.state, self.scratch, lease, flat)

    def shallow(self, image: Image, *, make: bool = True) -> Image:
        """The image as the kernel can lay it over each other: :func:`wherry.image.shallow`."""
        from wherry.store import MERGED

        if len(image.layers) <= MERGED:
            return image
        from wherry.image import shallow

        return shallow(self.store, image, make=make)

    def flat_tree(self, image: Image, kind: str = "", *, make: bool = True) -> str:
        """The flattened tree of a kind (:func:`wherry.launch.tree_kind`), made where that is allowed.

        Without a kind: empty where overlayfs or FUSE can put the layers together.
        """
        from wherry.image import directory_of

        if directory_of(image):
            return directory_of(image)
        overlay_layers = all(layer.meta.overlay for layer in image.layers)
        if not kind and overlay_layers and (self.host.overlay or self.host.fuse_overlayfs):
            return ""
        from wherry.image import flatten, flattened_path

        plain = kind == "plain"
        return flatten(self.store, image, plain=plain) if make else flattened_path(self.store, image, plain=plain)
