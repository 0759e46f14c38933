"""What planning needs to know of an image: the part of ``wherry.image`` that it reads, and nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from wherry.base.digest import Digest

__all__ = ["Config", "Entry", "Image", "ImageConfig", "Layer", "LayerFacts", "Tree"]


class LayerFacts(Protocol):
    """``open_folders`` are the directories that all may write, with their modes, where the tree on disk lacks them;
    ``whiteouts`` is how many entries hide something below."""

    @property
    def overlay(self) -> bool: ...
    @property
    def whiteouts(self) -> int: ...
    @property
    def open_folders(self) -> Sequence[tuple[str, int]]: ...


class Layer(Protocol):
    """An unpacked layer; ``tree`` is its directory on the host."""

    @property
    def tree(self) -> str: ...
    @property
    def meta(self) -> LayerFacts: ...


class Config(Protocol):
    """The part of an image's configuration that concerns a start (OCI image-spec, config.md, "config")."""

    @property
    def env(self) -> Sequence[str] | None: ...
    @property
    def entrypoint(self) -> Sequence[str] | None: ...
    @property
    def cmd(self) -> Sequence[str] | None: ...
    @property
    def working_dir(self) -> str | None: ...
    @property
    def user(self) -> str | None: ...
    @property
    def volumes(self) -> Mapping[str, object] | Iterable[str] | None: ...
    @property
    def stop_signal(self) -> str | None: ...


class ImageConfig(Protocol):
    @property
    def config(self) -> Config: ...


class Image(Protocol):
    """An image that is held locally; ``layers`` from bottom to top."""

    @property
    def reference(self) -> str: ...
    @property
    def digest(self) -> Digest: ...
    @property
    def config(self) -> ImageConfig: ...
    @property
    def layers(self) -> Sequence[Layer]: ...


class Entry(Protocol):
    """``folders`` are the positions and host paths of the directories that make up a merged one, upper first."""

    @property
    def folders(self) -> Sequence[tuple[int, str]]: ...
    @property
    def is_dir(self) -> bool: ...
    @property
    def mode(self) -> int: ...


class Tree(Protocol):
    """Look-ups in the image's merged tree; paths are absolute, symbolic links are resolved inside."""

    def stat(self, path: str) -> Entry | None: ...
    def exists(self, path: str) -> bool: ...
    def read(self, path: str, limit: int) -> bytes | None:
        """The first ``limit`` bytes of a regular file, None when there is none."""

    def resolve(self, path: str) -> str:
        """``path`` without symbolic links; parts that do not exist are kept as they are."""

    def listdir(self, path: str) -> Sequence[str]:
        """The names in a directory, none when it is not one."""

    def holds(self, path: str, least: int) -> bool:
        """Whether a directory holds so many entries, its own and those one level below."""
