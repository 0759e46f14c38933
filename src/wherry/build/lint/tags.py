"""Rules on the images that a recipe begins with: tags that move, platforms, registries."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.build.dockerfile.instructions import Copy, Instruction, Run
from wherry.build.lint.values import Found, Rule
from wherry.build.lint.view import View, literal

__all__ = ["RULES"]

_MOVING = frozenset(
    (
        *("stable", "testing", "unstable", "sid", "oldstable", "experimental", "rolling", "rawhide", "edge", "nightly"),
        *("main", "master", "trunk", "dev", "devel", "develop", "snapshot", "current", "lts", "mainline", "canary"),
    )
)
_PLATFORM_WORD = re.compile(r"linux|windows|darwin|amd64|x86|i386|386|arm|aarch|ppc|s390|riscv|mips|64", re.IGNORECASE)


def _images(view: View) -> Iterator[tuple[Instruction, str, str]]:
    """Images that come from outside: the instruction, the word as written, and the name."""
    for stage in view.stages:
        if stage.parent is None and stage.image and stage.image.lower() != "scratch":
            yield stage.source, stage.source.image, stage.image
        for instruction in stage.instructions:
            sources: tuple[str, ...] = ()
            if isinstance(instruction, Copy):
                sources = (instruction.from_,)
            elif isinstance(instruction, Run):
                sources = tuple(mount.from_ for mount in instruction.mounts)
            for source in sources:
                name = literal(source)
                if name and re.search("[:/@]", name):
                    yield instruction, source, name


def _tag(image: str) -> tuple[str, str]:
    """The name without its tag, and the tag."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, "")


def _moving(view: View) -> Iterator[Found]:
    for instruction, word, image in _images(view):
        name, tag = _tag(image)
        hint = f"name a version and, to get the same bytes for ever, its digest: {name}:VERSION@sha256:..."
        if "@" in image:
            continue
        if not tag:
            yield Found(view.at(instruction, word), f"'{image}' has no tag, which means 'latest'", hint, "DL3006")
        elif tag == "latest":
            yield Found(view.at(instruction, word), f"'{image}' is another image after each release", hint, "DL3007")
        elif tag in _MOVING:
            yield Found(view.at(instruction, word), f"the tag '{tag}' of '{name}' moves", hint, "DL3007")


def _undigested(view: View) -> Iterator[Found]:
    for instruction, word, image in _images(view):
        _, tag = _tag(image)
        if "@" not in image and tag and tag != "latest" and tag not in _MOVING:
            hint = f"{image}@sha256:..., which 'wherry inspect {image}' shows after a pull"
            yield Found(view.at(instruction, word), f"'{image}' is named without its digest", hint)


def _fixed_platform(view: View) -> Iterator[Found]:
    for stage in view.stages:
        platform = stage.source.platform
        if platform and "$" not in platform and not _PLATFORM_WORD.search(stage.source.name):
            message = f"the platform is always '{platform}'"
            hint = "leave --platform out, and give it to the build; or say it in the stage's name"
            yield Found(view.at(stage.source, platform), message, hint)


def _redundant_platform(view: View) -> Iterator[Found]:
    for stage in view.stages:
        platform = stage.source.platform
        if platform.strip("\"'") in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
            yield Found(
                view.at(stage.source, platform), f"'{platform}' is what is taken anyway", "leave --platform out"
            )


def _registry(view: View) -> Iterator[Found]:
    allowed = {name.lower() for name in view.choices.registries}
    if not allowed:
        return
    for instruction, word, image in _images(view):
        head, slash, _ = image.partition("/")
        is_host = bool(slash) and ("." in head or ":" in head or head == "localhost")
        host = head.lower() if is_host else "docker.io"
        if host not in allowed:
            message = f"'{image}' comes from '{host}'"
            yield Found(view.at(instruction, word), message, f"allowed are: {', '.join(sorted(allowed))}")


RULES = (
    Rule(
        "moving-tag",
        ("DL3006", "DL3007"),
        "warning",
        "an image is named by a tag that moves",
        "the same recipe begins with other software next month, and nobody can say which one a result came from",
        _moving,
    ),
    Rule(
        "no-digest",
        (),
        "info",
        "an image is named without its digest",
        "whoever owns the name can put another image behind any tag; a digest names the same bytes for ever",
        _undigested,
    ),
    Rule(
        "fixed-platform",
        ("DL3029", "FromPlatformFlagConstDisallowed"),
        "warning",
        "FROM is bound to one platform",
        "the recipe cannot be built for other processors, and is emulated there without a word",
        _fixed_platform,
    ),
    Rule(
        "redundant-platform",
        ("RedundantTargetPlatform",),
        "info",
        "FROM asks for the platform that it gets anyway",
        "it says nothing, and readers look for its meaning",
        _redundant_platform,
    ),
    Rule(
        "foreign-registry",
        ("DL3026",),
        "error",
        "an image comes from a registry that is not allowed",
        "the setting lint.registries names where images may come from",
        _registry,
    ),
)
