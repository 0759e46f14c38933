"""Rules on what an image says of itself: labels, maintainer, health check."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.build.dockerfile.instructions import Cmd, Entrypoint, Healthcheck, Instruction, Label, Maintainer
from wherry.build.lint.values import Found, Rule
from wherry.build.lint.view import View, literal

__all__ = ["RULES"]

_OCI = "org.opencontainers.image."
_SAME = {
    f"{_OCI}licenses": ("license", "licenses", "org.label-schema.license", "software.license", "about.license"),
    f"{_OCI}authors": ("maintainer", "maintainers", "author", "authors", "extra.maintainer", "about.maintainer"),
    f"{_OCI}source": (
        "source",
        "vcs-url",
        "org.label-schema.vcs-url",
        f"{_OCI}url",
        "url",
        "about.home",
        "org.label-schema.url",
    ),
}
"""Labels that were in use for the same before there was a standard."""


def _labels(view: View) -> Iterator[tuple[Label, str, str, str | None]]:
    """Each label: instruction, key as written, key and value as far as they are known."""
    for stage in view.stages:
        for label in stage.of(Label):
            for pair in label.pairs:
                yield label, pair.name, literal(pair.name) or pair.name, literal(pair.value or "")


def _missing(view: View) -> Iterator[Found]:
    if not view.stages:
        return
    last = view.stages[-1]
    lines = [line for stage in last.lineage() for line in stage.instructions]
    keys = {literal(pair.name) or pair.name for line in lines if isinstance(line, Label) for pair in line.pairs}
    if any(isinstance(line, Maintainer) for line in lines):
        keys.add("maintainer")
    if any("$" in key for key in keys):
        return
    lacking = [name for name in view.choices.labels if not keys & {name, *_SAME.get(name, ())}]
    if lacking:
        names = ", ".join(f"'{name}'" for name in lacking)
        values = {f"{_OCI}licenses": "BSD-3-Clause", f"{_OCI}authors": "NAME <ADDRESS>", f"{_OCI}source": "https://..."}
        hint = "LABEL " + " ".join(f'{name}="{values.get(name, "...")}"' for name in lacking)
        yield Found(last.source.position, f"the image has no label {names}", hint)


def _maintainer(view: View) -> Iterator[Found]:
    for instruction in view.all:
        if isinstance(instruction, Maintainer):
            hint = f'LABEL {_OCI}authors="{instruction.name}"'
            yield Found(instruction.position, "MAINTAINER is deprecated", hint)


_KEY = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_RESERVED = ("com.docker.", "io.docker.", "org.dockerproject.")


def _keys(view: View) -> Iterator[Found]:
    for label, word, key, _ in _labels(view):
        if "$" in key:
            continue
        if key.startswith(_RESERVED):
            yield Found(
                view.at(label, word),
                f"the label '{key}' begins with a name that is Docker's own",
                "take a name of yours",
            )
        elif not _KEY.fullmatch(key):
            message = f"the label '{key}' is not lower-case words joined by single dots or hyphens"
            yield Found(view.at(label, word), message, re.sub(r"[^a-z0-9.-]+", "-", key.lower()).strip(".-"))


def _empty(view: View) -> Iterator[Found]:
    for label, word, key, value in _labels(view):
        if value is not None and not value.strip():
            yield Found(view.at(label, word), f"the label '{key}' is empty", "say something, or leave it out")


_LOOSE_LICENCES = {
    **dict.fromkeys(("gpl", "gnu gpl", "gnu", "gplv2", "gpl2", "gpl-2", "gpl v2"), "GPL-2.0-only or GPL-2.0-or-later"),
    **dict.fromkeys(("gplv3", "gpl3", "gpl-3", "gpl v3"), "GPL-3.0-only or GPL-3.0-or-later"),
    **dict.fromkeys(("lgpl", "lgplv3", "lgpl3", "lgpl-3"), "LGPL-3.0-or-later"),
    **dict.fromkeys(
        ("apache", "apache2", "apache-2", "apache 2", "apache 2.0", "apache license 2.0", "apachev2"), "Apache-2.0"
    ),
    **dict.fromkeys(("bsd", "bsd3", "bsd-3", "bsd 3-clause", "new bsd", "modified bsd"), "BSD-3-Clause"),
    **dict.fromkeys(("bsd2", "bsd-2", "bsd 2-clause", "simplified bsd"), "BSD-2-Clause"),
    **dict.fromkeys(("mit license", "the mit license", "expat"), "MIT"),
    **dict.fromkeys(("cc0", "public domain", "cc-0"), "CC0-1.0"),
    **dict.fromkeys(("mpl", "mpl2", "mpl-2", "mpl 2.0"), "MPL-2.0"),
    **dict.fromkeys(("cc-by", "cc by 4.0", "cc-by-4"), "CC-BY-4.0"),
    **dict.fromkeys(("proprietary", "commercial", "unknown", "other", "custom", "none"), "LicenseRef-NAME"),
}
_IDENTIFIER = r"\(*(?:DocumentRef-[\w.-]+:)?[A-Za-z0-9][A-Za-z0-9.+-]*\)*"
_EXPRESSION = re.compile(rf"{_IDENTIFIER}(?:\s+(?:AND|OR|WITH|and|or|with)\s+{_IDENTIFIER})*")
_URL = re.compile(r"(?:https?|git|ssh|ftp)(?:\+\w+)?://[^\s/]+\S*|git@[\w.-]+:\S+")
_TIME = re.compile(
    r"\d{4}-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])"
    r"[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)"
)
_HASH = re.compile(r"[0-9a-f]{7,40}|[0-9a-f]{64}")
_VERSION = re.compile(r"v?(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[\w.-]+)?(?:\+[\w.-]+)?")


def _licence_problem(value: str) -> str:
    near = _LOOSE_LICENCES.get(value.strip().lower())
    if near:
        return near
    return (
        "" if _EXPRESSION.fullmatch(value.strip()) else "as MIT, BSD-3-Clause, GPL-3.0-or-later, joined by AND and OR"
    )


def _values(view: View) -> Iterator[Found]:
    for label, word, key, value in _labels(view):
        if value is None or not value.strip() or not key.startswith(_OCI):
            continue
        where = view.at(label, word)
        match key.removeprefix(_OCI):
            case "url" | "source" | "documentation" if not _URL.fullmatch(value):
                yield Found(where, f"'{value}' of '{key}' is no address", "https://...", "DL3052")
            case "created" if not _TIME.fullmatch(value):
                yield Found(
                    where, f"'{value}' of '{key}' is no time as RFC 3339 writes it", "2026-11-21T12:00:00Z", "DL3053"
                )
            case "licenses" if near := _licence_problem(value):
                yield Found(where, f"'{value}' of '{key}' is no SPDX expression", near, "DL3054")
            case "revision" if not _HASH.fullmatch(value):
                yield Found(where, f"'{value}' of '{key}' is no commit", "what 'git rev-parse HEAD' prints", "DL3055")


def _versions(view: View) -> Iterator[Found]:
    for label, word, key, value in _labels(view):
        if key == f"{_OCI}version" and value and not _VERSION.fullmatch(value):
            yield Found(view.at(label, word), f"'{value}' of '{key}' is no semantic version", "MAJOR.MINOR.PATCH")


def _repeated(view: View) -> Iterator[Found]:
    kinds: tuple[tuple[type[Instruction], str, str], ...] = (
        (Healthcheck, "HEALTHCHECK", "DL3012"),
        (Cmd, "CMD", "DL4003"),
        (Entrypoint, "ENTRYPOINT", "DL4004"),
    )
    for stage in view.stages:
        for kind, name, code in kinds:
            for earlier in stage.of(kind)[:-1]:
                message = f"a later {name} of the stage takes the place of this one"
                yield Found(earlier.position, message, f"keep one {name}", f"{code} MultipleInstructionsDisallowed")


def _no_healthcheck(view: View) -> Iterator[Found]:
    if view.stages and not any(stage.of(Healthcheck) for stage in view.stages[-1].lineage()):
        message = "the image has no HEALTHCHECK"
        yield Found(view.stages[-1].source.position, message, "HEALTHCHECK CMD ..., or HEALTHCHECK NONE")


RULES = (
    Rule(
        "missing-label",
        ("DL3049",),
        "warning",
        "the image does not say its licence, its authors or its source",
        "who finds it in ten years must know what it is allowed to be used for, whom to ask, and where it came from",
        _missing,
    ),
    Rule(
        "maintainer",
        ("DL4000", "MaintainerDeprecated"),
        "warning",
        "MAINTAINER is deprecated",
        "it is kept where no tool looks for it; a label can be read and searched",
        _maintainer,
    ),
    Rule(
        "label-key",
        ("DL3048",),
        "info",
        "a label's name is not as labels are named",
        "names with capitals, blanks or foreign prefixes collide, and filters do not find them",
        _keys,
    ),
    Rule(
        "empty-label",
        ("DL3051",),
        "warning",
        "a label is empty",
        "it hides the value of the base image and says nothing in its place",
        _empty,
    ),
    Rule(
        "label-value",
        ("DL3052", "DL3053", "DL3054", "DL3055"),
        "warning",
        "a label's value is not what the standard says for its name",
        "programs that read it (licence checks, catalogues) pass over the image",
        _values,
    ),
    Rule(
        "label-version",
        ("DL3056",),
        "info",
        "the version in a label is no semantic version",
        "programs cannot tell which of two images is newer",
        _versions,
        optional=True,
    ),
    Rule(
        "repeated-instruction",
        ("DL3012", "DL4003", "DL4004", "MultipleInstructionsDisallowed"),
        "warning",
        "an instruction is given twice, and only the last one counts",
        "readers take the first one for what happens",
        _repeated,
    ),
    Rule(
        "no-healthcheck",
        ("DL3057",),
        "info",
        "the image has no HEALTHCHECK",
        "an orchestrator cannot tell a service that hangs from one that works",
        _no_healthcheck,
        optional=True,
    ),
)
