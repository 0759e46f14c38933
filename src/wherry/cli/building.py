"""``build``: what the command line says, and how a build is shown while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given

if TYPE_CHECKING:
    from wherry.build.building import Built, Plan
    from wherry.build.request import BuildOptions

__all__ = ["argument_of", "build", "build_and_tell", "host_of", "network_of", "options_of", "pair_of", "platform_of"]


def build(given: Given) -> int:
    """Build and name the image, and print its digest; with ``--dry-run`` print the graph."""
    from wherry.build import building

    options = options_of(given)
    if options.push and not options.names:
        raise UsageError("--push needs a name", hint="-t REGISTRY/NAME:TAG")
    if given.flag("dry_run"):
        return _show(building.plan_build(options), given.text("format") or "text")
    if given.text("format"):
        raise UsageError("'--format' is of --dry-run", hint="wherry build --dry-run --format dot")
    how = "quiet" if given.flag("quiet") else given.text("progress") or "auto"
    if options.check:
        from wherry.cli.buildcheck import check

        return check(options, how=how)
    from wherry.cli.answering import words_of

    said = words_of("build", given.said)
    build_and_tell(options, said, how, lambda built: f"{built.image.digest}\n" if how == "quiet" else "")
    return 0


def build_and_tell(
    options: BuildOptions,
    words: tuple[str, ...] | None,
    how: str,
    result: Callable[[Built], str],
    *,
    before: str = "",
    after: Callable[[Plan], str] = lambda plan: "",
) -> Built:
    """Build, and show it as ``how`` says; what ``result`` makes of it goes to standard output. ``words`` are the
    command line, if it may be answered without a build as long as nothing changes: then with what was said ``before``.
    What ``after`` makes of the plan ends what is shown."""
    from wherry.build import building
    from wherry.cli.answering import answer_to
    from wherry.cli.buildview import view_of
    from wherry.cli.moving import shown
    from wherry.containers import World

    world = World()
    answer = answer_to(words, options, world, how=how)
    plans: list[Plan] = []

    def planned(plan: Plan) -> None:
        plans.append(plan)
        view.begin(plan)

    with view_of(how) as view, shown(how == "quiet") as progress:
        built = building.build(
            options,
            report=view.take,
            planned=planned,
            progress=answer.heard(progress) if answer is not None else progress,
            world=world,
            consulted=answer.consulted if answer is not None else None,
        )
        view.end(built)
    last, output = after(plans[0]), result(built)
    sys.stderr.write(last)
    sys.stdout.write(output)
    if answer is not None and view.again is not None:
        answer.save(f"{before}{view.again}{last}", output)
    return built


def options_of(given: Given) -> BuildOptions:
    """The options; raises :class:`UsageError` for a value that cannot be read."""
    from wherry.build.outputs import parse_output
    from wherry.build.request import BuildOptions

    return BuildOptions(
        context=given.words[0] if given.words else ".",
        recipe=given.text("file"),
        names=given.many("tag"),
        target=given.text("target") or "",
        build_args=tuple(argument_of(text) for text in given.many("build_arg")),
        contexts=tuple(pair_of(text, "--build-context", "NAME=PLACE") for text in given.many("build_context")),
        labels=tuple(pair_of(text, "--label", "NAME=VALUE", bare=True) for text in given.many("label")),
        platform=platform_of(given.text("platform")),
        network=network_of(given.text("network")),
        pull=given.flag("pull"),
        no_cache=given.flag("no_cache"),
        cache_to=given.many("cache_to"),
        cache_from=given.many("cache_from"),
        secrets=given.many("secret"),
        ssh=given.many("ssh"),
        squash=given.flag("squash"),
        check=given.flag("check"),
        debug=given.flag("debug_on_failure"),
        outputs=tuple(parse_output(text) for text in given.many("output")),
        push=given.flag("push"),
        iidfile=given.text("iidfile") or "",
        rules_off=given.many("no_rule"),
        conda=given.text("conda_env") or "",
        owners=given.text("owners") or "",
        jobs=given.number("jobs") or 0,
        pids_limit=given.number("pids_limit"),
        memory=_memory(given.text("memory")),
        hosts=tuple(host_of(text) for text in given.many("add_host")),
    )


def argument_of(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not name:
        raise UsageError(f"'--build-arg {text}' names no argument", hint="--build-arg NAME=VALUE")
    return name, value if equals else None


def pair_of(text: str, option: str, form: str, *, bare: bool = False) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not (equals or bare):
        raise UsageError(f"'{option} {text}' cannot be read", hint=f"{option} {form}")
    return name, value


def platform_of(text: str | None) -> str:
    if not text:
        return ""
    if "," in text:
        raise UsageError(
            "one platform is built at a time", why=f"'{text}' names several", hint="call build once for each"
        )
    from wherry.image import Platform

    return str(Platform.parse(text))


def network_of(text: str | None) -> str:
    if text not in (None, "", "host", "default", "none"):
        raise UsageError(
            f"there is no network '{text}'",
            why="a step may use the host's network or have none",
            hint="--network host or --network none",
        )
    return text or ""


def _memory(text: str | None) -> int | None:
    if text is None:
        return None
    from wherry.containers import amounts

    return amounts.memory(text, "--memory")


def host_of(text: str) -> str:
    """``NAME:ADDRESS`` (or ``NAME=ADDRESS``) as a line of /etc/hosts."""
    name, mark, address = text.partition("=" if "=" in text else ":")
    if not (name and mark and address):
        raise UsageError(f"'--add-host {text}' cannot be read", hint="--add-host NAME:ADDRESS")
    return f"{address.strip('[]')}\t{name}"


def _show(plan: Plan, form: str) -> int:
    from wherry.build.showing import as_dot, as_text

    if form == "json":
        import msgspec

        print(msgspec.json.encode(plan.graph).decode())
    else:
        sys.stdout.write(as_dot(plan.graph) if form == "dot" else as_text(plan.graph))
    return 0
