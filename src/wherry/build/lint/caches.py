"""Rules on what package managers leave behind in the layer: lists, archives, caches."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from wherry.build.dockerfile.instructions import Arg, Env
from wherry.build.lint.installs import Install, installs
from wherry.build.lint.values import Found, Rule
from wherry.build.lint.view import RunView, StageView, View

__all__ = ["RULES"]


class _Cache(msgspec.Struct, frozen=True):
    """``places``: a ``--mount=type=cache`` or tmpfs there keeps it out of the layer; ``cleaned`` is found in a RUN that
    removes it; ``avoided`` are words of the installation that keep nothing; ``configured``: so does this in an ENV."""

    code: str
    places: tuple[str, ...]
    cleaned: str
    avoided: tuple[str, ...]
    hint: str
    configured: str = r"(?!)"


_CACHES = {
    "apt-get": _Cache("DL3009", ("/var/lib/apt",), r"/var/lib/apt(?:/lists)?", (), "rm -rf /var/lib/apt/lists/*"),
    "apk": _Cache(
        "DL3019", ("/var/cache/apk", "/etc/apk/cache"), r"/var/cache/apk", ("--no-cache",), "apk add --no-cache"
    ),
    "yum": _Cache(
        "DL3032", ("/var/cache/yum", "/var/cache/dnf"), r"(?:yum|dnf) [^&;|]{0,80}clean|/var/cache", (), "yum clean all"
    ),
    "zypper": _Cache(
        "DL3036", ("/var/cache/zypp",), r"zypper [^&;|]{0,80}\b(?:clean|cc)\b|/var/cache", (), "zypper clean"
    ),
    "dnf": _Cache("DL3040", ("/var/cache",), r"(?:yum|dnf5?) [^&;|]{0,80}clean|/var/cache", (), "dnf clean all"),
    "pip": _Cache(
        *("DL3042", ("/.cache", "/root/.cache/pip", "/root/.cache"), r"pip\d? cache purge|\.cache"),
        *(
            ("--no-cache-dir", "--no-cache"),
            "pip install --no-cache-dir",
            r"PIP_NO_CACHE_DIR|PIP_CACHE_DIR|UV_NO_CACHE",
        ),
    ),
    "conda": _Cache("", ("/pkgs",), r"(?:conda|mamba) clean|/pkgs", (), "conda clean -afy"),
    "yarn": _Cache("DL3060", ("yarn",), r"yarn cache clean|YARN_CACHE_FOLDER", (), "yarn cache clean"),
}
_LEAVES = frozenset(("apt-get", "yum", "dnf", "zypper", "apk", "pip", "conda"))


def _kept(view: View) -> Iterator[Found]:
    for stage in _delivered(view):
        lines = [each.text for line in stage.lineage() for each in line.instructions if isinstance(each, Arg | Env)]
        off = {name for name, cache in _CACHES.items() if any(re.search(cache.configured, text) for text in lines)}
        for run in stage.runs:
            done = set(off)
            for manager, install in _leaving(run):
                cache = _CACHES[manager]
                if manager in done or any(word in install.command.call.arguments for word in cache.avoided):
                    continue
                done.add(manager)
                if not _is_cleaned(cache, run):
                    message = f"what {install.shown} downloads stays in the layer"
                    yield Found(install.command.position, message, cache.hint, cache.code)


def _delivered(view: View) -> Iterator[StageView]:
    """The last stage and those that it begins with: what other stages leave behind is in no image."""
    if view.stages:
        yield from reversed(list(view.stages[-1].lineage()))


def _leaving(run: RunView) -> Iterator[tuple[str, Install]]:
    for command in run.commands:
        if command.call.name == "yarn" and command.call.arguments[:1] in ((), ("install",), ("add",)):
            yield "yarn", Install(manager="yarn", verb="install", command=command, packages=())
        for install in installs(command):
            if install.manager in _LEAVES and install.command.call.name != "pipx":
                yield install.manager, install


def _is_cleaned(cache: _Cache, run: RunView) -> bool:
    """Whether the RUN removes the cache or has it mounted."""
    return re.search(cache.cleaned, run.text) is not None or any(
        mount.type in ("cache", "tmpfs") and any(place in mount.target for place in cache.places)
        for mount in run.run.mounts
    )


RULES = (
    Rule(
        "package-cache-kept",
        ("DL3009", "DL3019", "DL3032", "DL3036", "DL3040", "DL3042", "DL3060"),
        "info",
        "what a package manager downloaded stays in the layer",
        "it makes the image bigger for everybody who pulls it; a later step that deletes it makes nothing smaller",
        _kept,
    ),
)
