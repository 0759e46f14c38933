"""The programs of an image, as its own PATH leads to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.base.errors import NotFound

if TYPE_CHECKING:
    from wherry.image import Image, Tree

__all__ = ["own_programs", "require_program"]

_DEFAULT = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYSTEM = ("/bin", "/sbin", "/usr/bin", "/usr/sbin")


def own_programs(image: Image) -> list[str]:
    """Those that are not in the folders of the system: what an image was made for."""
    from wherry.image import view

    tree = view(image)
    system = {tree.resolve(folder) for folder in _SYSTEM}
    folders = [folder for folder in _search_path(image) if tree.resolve(folder) not in system]
    return sorted({name for folder in folders for name in _programs(tree, folder)})


def require_program(image: Image, name: str) -> None:
    """Raise :class:`NotFound`, which says what is near, unless the image has the program."""
    from wherry.image import view

    tree = view(image)
    if "/" in name:
        if _is_program(tree, name):
            return
        raise NotFound(f"'{image.reference}' has no program '{name}'", hint="name it as it is called in the image")
    folders = _search_path(image)
    if any(_is_program(tree, f"{folder}/{name}") for folder in folders):
        return
    import difflib

    known = {each for folder in folders for each in _programs(tree, folder)}
    near = difflib.get_close_matches(name, sorted(known), 3, 0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"wherry run {image.reference} ls /usr/bin shows some"
    raise NotFound(f"'{image.reference}' has no program '{name}'", why=f"none in {':'.join(folders)}", hint=hint)


def _search_path(image: Image) -> list[str]:
    for line in reversed(image.config.config.env or ()):
        if line.startswith("PATH="):
            return [folder for folder in line[5:].split(":") if folder.startswith("/")]
    return _DEFAULT.split(":")


def _programs(tree: Tree, folder: str) -> list[str]:
    return [name for name in tree.listdir(folder) if _is_program(tree, f"{folder}/{name}")]


def _is_program(tree: Tree, path: str) -> bool:
    found = tree.stat(path)
    return found is not None and found.is_file and bool(found.mode & 0o111)
