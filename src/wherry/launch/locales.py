"""The caller's locale where the image has it, else ``C.UTF-8``, so that nobody reads a hundred warnings of Perl."""

from __future__ import annotations

from wherry.launch.views import Tree

__all__ = ["choose_locale"]

_ARCHIVE = "/usr/lib/locale/locale-archive"
_ARCHIVE_LIMIT = 4 << 20
_MAGIC = (0xDE020109).to_bytes(4, "little")


def choose_locale(
    wanted: tuple[tuple[str, str], ...], image_env: tuple[tuple[str, str], ...], tree: Tree
) -> list[tuple[str, str]]:
    """The variables LANG, LANGUAGE and LC_* to set. Nothing where the image sets its own, or the caller has none."""
    if any(name == "LANG" or name.startswith("LC_") for name, _ in image_env):
        return []
    named = [(name, value) for name, value in wanted if name != "LANGUAGE"]
    if not named:
        return []
    if _is_musl(tree):
        return list(wanted)
    known: dict[str, bool] = {}
    for _, value in named:
        if value not in known:
            known[value] = _has(tree, value)
    if all(known.values()):
        return list(wanted)
    if not _has(tree, "C.UTF-8"):
        return []
    kept = [(name, value) for name, value in named if known[value] and name != "LC_ALL"]
    if not any(name == "LANG" for name, _ in kept):
        kept.insert(0, ("LANG", "C.UTF-8"))
    return kept


def _is_musl(tree: Tree) -> bool:
    # musl takes every name as UTF-8 and never complains.
    return any(name.startswith("ld-musl-") for name in tree.listdir("/lib"))


def _has(tree: Tree, locale: str) -> bool:
    if locale in ("C", "POSIX"):
        return True
    name = _normal(locale)
    if any(tree.exists(f"/usr/lib/locale/{spelling}/LC_CTYPE") for spelling in dict.fromkeys((name, locale))):
        return True
    return name.encode() in _archived(tree)


def _normal(locale: str) -> str:
    """glibc's own spelling of a locale: the codeset in lower case, letters and digits only (en_US.utf8)."""
    name, dot, rest = locale.partition(".")
    codeset, at, modifier = rest.partition("@")
    if not dot:
        return locale
    short = "".join(letter for letter in codeset.lower() if letter.isalnum())
    return f"{name}.{short}{at}{modifier}"


def _archived(tree: Tree) -> frozenset[bytes]:
    """The names in glibc's locale archive (glibc, locale/locarchive.h: header of 32-bit words, a table of strings)."""
    head = tree.read(_ARCHIVE, 56)
    if not head or len(head) < 56 or head[:4] != _MAGIC:
        return frozenset()
    words = [int.from_bytes(head[at : at + 4], "little") for at in range(0, 56, 4)]
    start, used = words[5], words[6]
    if start + used > _ARCHIVE_LIMIT:
        return frozenset()
    data = tree.read(_ARCHIVE, start + used) or b""
    return frozenset(data[start : start + used].split(b"\0"))
