"""``ch-image build``: its options, what they ask of a build, and the words it ends with."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from wherry.base.errors import NotFound, UsageError
from wherry.cli.grammar import Given, Option, Verb
from wherry.cli.parse import NotUnderstood, parse

if TYPE_CHECKING:
    from wherry.build.building import Plan
    from wherry.build.request import BuildOptions

__all__ = ["build", "inferred_name", "options_of"]

_MODES = ("fakeroot", "none", "seccomp")
_URL = re.compile(r"(?:git|git\+ssh|https?|ssh)://|[\w.~%!$&'()*+,;=-]+@[\w.~%!$&'()*+,;=-]+:")

_OPTIONS = (
    Option(("-t", "--tag"), "name of the image (default: inferred)", "text", "TAG"),
    Option(("-f", "--file"), "Dockerfile to use (default: CONTEXT/Dockerfile)", "text", "DOCKERFILE"),
    Option(("--build-arg",), "set the build argument to VAL, or to the variable of that name", "many", "ARG[=VAL]"),
    Option(("-n", "--dry-run"), "show what would be done"),
    Option(("--parse-only",), "stop after parsing the Dockerfile"),
    Option(("--cache",), "take steps from the cache: as always"),
    Option(("--no-cache",), "take no step from the cache"),
    Option(("--rebuild",), "take no step from the cache"),
    Option(("-a", "--arch"), "architecture for registries (default: host)", "text", "ARCH"),
    Option(("--always-download",), "ask the registry for newer base images"),
    Option(("-b", "--bind"), "refused: a step sees no directory of the host", "many", "SRC[:DST]"),
    Option(("-s", "--storage"), "refused: images are in Wherry's store", "text", "DIR"),
    Option(("--tls-no-verify",), "refused: a setting says it"),
    Option(("--force",), "accepted: who owns what is remembered in any case; may be given a MODE"),
    *(Option((f"--{name}",), "accepted") for name in ("no-force", "no-force-detect", "auth", "debug", "dependencies")),
    *(Option((f"--{name}",), "accepted") for name in ("no-lock", "password-many", "profile", "no-xattrs", "xattrs")),
    *(Option((f"--{name}",), "accepted", "text") for name in ("cache-large", "force-cmd")),
    *(Option(("-v", "--verbose"), "accepted"), Option(("-q", "--quiet"), "fewer words")),
    Option(("-h", "--help"), "this help"),
)
_REFUSED = {
    "bind": ("a step sees no directory of the host, or the image would depend on it", "COPY, or RUN --mount"),
    "storage": ("its images are Wherry's own, in the store", "WHERRY_STORE names another store"),
    "tls_no_verify": ("certificates are checked", "wherry settings registry says how a registry is trusted"),
}


def build(words: list[str], line: list[str]) -> int:
    """Build an image; raises :class:`UsageError` by name for what is refused, and what building raises. ``line`` are
    all words, the verb too."""
    given = _read(words)
    if given.flag("help"):
        _print_help()
        return 0
    quiet, before = given.flag("quiet"), ""
    if not given.text("tag") and not quiet:
        before = f"inferred image name: {inferred_name(given.text('file') or '', given.word)}\n"
        sys.stderr.write(before)
    options = options_of(given)
    if given.flag("parse_only"):
        _parse(options)
        return 0

    def after(plan: Plan) -> str:
        return "" if quiet else f"grown in {_instructions(plan)} instructions: {options.names[0]}\n"

    if given.flag("dry_run"):
        from wherry.build.building import plan_build
        from wherry.build.showing import as_text

        plan = plan_build(options)
        print(as_text(plan.graph), end="")
        sys.stderr.write(after(plan))
        return 0
    from wherry.cli.building import build_and_tell

    how = "quiet" if quiet else "auto"
    build_and_tell(options, ("ch-image", *line), how, lambda built: "", before=before, after=after)
    return 0


def _instructions(plan: Plan) -> int:
    """How many the recipe has, as Charliecloud counts: each FROM and ARG too."""
    recipe = plan.recipe
    return len(recipe.args) + sum(1 + len(stage.instructions) for stage in recipe.stages)


def _read(words: list[str]) -> Given:
    try:
        given = parse(Verb("build", "", _unused, _OPTIONS), _without_modes(words), equals=True)
    except NotUnderstood as error:
        what = f"ch-image build has no option '{error.option}'" if error.option else "an option lacks its value"
        raise UsageError(what, hint="ch-image build --help") from None
    if given.flag("help"):
        return given
    for key, (why, hint) in _REFUSED.items():
        if key in given.options:
            raise UsageError(f"'--{key.replace('_', '-')}' cannot be honoured", why=why, hint=hint)
    if len(given.words) != 1:
        raise UsageError("ch-image build takes one CONTEXT", hint="ch-image build -t NAME DIRECTORY")
    return given


def _without_modes(words: list[str]) -> list[str]:
    """``--force=MODE`` and ``--force MODE`` mean as much as ``--force``."""
    kept: list[str] = []
    for word in words:
        name, equals, mode = word.partition("=")
        if name == "--force" and equals:
            if mode not in _MODES:
                raise UsageError(f"'--force={mode}' is no mode", hint=", ".join(_MODES))
            kept.append(name)
        elif word not in _MODES or kept[-1:] != ["--force"]:
            kept.append(word)
    return kept


def options_of(given: Given) -> BuildOptions:
    """What is asked, in Wherry's words; raises :class:`UsageError` for a value that cannot be read."""
    from wherry.build.request import BuildOptions
    from wherry.cli.building import platform_of

    context, file = given.word, given.text("file")
    if _URL.match(context):
        raise UsageError(f"the context '{context}' is a URL", hint=f"wherry build -t NAME '{context}'")
    if context != "-" and not os.path.isdir(context):
        raise NotFound(f"context must be a directory: {context}", hint="check the spelling")
    architecture = given.text("arch") or "host"
    return BuildOptions(
        context=context,
        recipe=file,
        names=(given.text("tag") or inferred_name(file or "", context),),
        build_args=tuple(_argument(text) for text in given.many("build_arg")),
        platform=platform_of(f"linux/{architecture}") if architecture not in ("host", "yolo") else "",
        no_cache=given.flag("no_cache") or given.flag("rebuild"),
        pull=given.flag("always_download"),
    )


def inferred_name(file: str, context: str) -> str:
    """Of ``Dockerfile.NAME`` or ``NAME.dockerfile``, else of the context's directory, in small letters."""
    base = os.path.basename(file)
    first, _, after = base.partition(".")
    before, _, last = base.rpartition(".")
    folder = os.path.basename(os.path.abspath(context)) or "root"
    name = after if first == "Dockerfile" and after else before if last == "dockerfile" and before else folder
    found = re.sub(r"[^a-z0-9_.-]", "", name.lower())
    if not found:
        raise UsageError("no name can be made from the names of context and Dockerfile", hint="-t NAME")
    return found


def _argument(text: str) -> tuple[str, str | None]:
    from wherry.cli.building import argument_of

    name, value = argument_of(text)
    if value is None and name not in os.environ:
        raise UsageError(f"--build-arg: {name}: no value and not in environment", hint=f"--build-arg {name}=VALUE")
    return name, value


def _parse(options: BuildOptions) -> None:
    from wherry.build.building import contexts_of, text_of
    from wherry.build.dockerfile import parse as parse_recipe
    from wherry.containers import World

    with contexts_of(options, World(make_store=False), None) as contexts:
        text = text_of(options, contexts)
        parse_recipe(text.text, text.name)


def _print_help() -> None:
    print("usage: ch-image build [OPTION...] [-t TAG] CONTEXT\n\nbuild image from Dockerfile\n\noptions:")
    for option in _OPTIONS:
        names = ", ".join(option.names) + (f" {option.metavar}" if option.metavar else "")
        print(f"  {names}".ljust(32) + option.help)


def _unused(given: Given) -> int:
    raise AssertionError(given)
