"""From a recipe to the graph: what each sentence of the reference means for steps, configuration and history."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.build.dockerfile import Position, RecipeError, parse
from wherry.build.graph import CopyStep, Graph, MetaStep, RunStep, SourceStep
from wherry.build.translate import Arguments, Base, Needs, translate

_ENV = ["PATH=/bin", "HOME=/h"]


def graph_of(text: str, config: dict[str, Any] | None = None, **arguments: Any) -> Graph:
    """The graph, where every image has this configuration."""
    recipe = parse(text)
    bases: dict[tuple[str, str], Base] = {}
    while True:
        found = translate(recipe, Arguments(**arguments), bases)
        if isinstance(found, Graph):
            return found
        for image in found.images:
            bases[image] = Base({"config": {"Env": _ENV} if config is None else config}, f"sha256:{image[0]}")


def config_of(text: str, config: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = graph_of(text, config, **arguments).config["config"]
    return found


def runs(graph: Graph) -> list[RunStep]:
    return [step for step in graph.steps if isinstance(step, RunStep)]


def copies(graph: Graph) -> list[CopyStep]:
    return [step for step in graph.steps if isinstance(step, CopyStep)]


def error_of(text: str, **arguments: Any) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        graph_of(text, **arguments)
    return caught.value


def test_it_asks_for_the_images_that_it_has_to_know() -> None:
    found = translate(parse("FROM a\nFROM --platform=linux/arm64 b AS x\nFROM a\nCOPY --from=x / /\n"), Arguments())
    assert isinstance(found, Needs)
    assert found.images == (("a", "linux/amd64"), ("b", "linux/arm64"))
    assert [position.line for position in found.positions] == [3, 2]


def test_a_stage_that_nobody_needs_is_not_built() -> None:
    graph = graph_of("FROM a AS lost\nRUN lost\nFROM b\nRUN kept\n")
    assert [step.command[-1] for step in runs(graph)] == ["kept"]
    assert [step.reference for step in graph.steps if isinstance(step, SourceStep)] == ["b"]


@pytest.mark.parametrize("target", ["one", "ONE", "0"])
def test_the_target_is_a_stage_by_name_or_number(target: str) -> None:
    graph = graph_of("FROM a AS one\nRUN one\nFROM b AS two\nRUN two\n", target=target)
    assert [step.command[-1] for step in runs(graph)] == ["one"]


def test_an_unknown_target_names_the_nearest() -> None:
    assert error_of("FROM a AS build\nFROM b AS test\n", target="biuld").hint == "did you mean 'build'?"


def test_a_stage_goes_on_with_what_another_has() -> None:
    graph = graph_of("FROM a AS one\nENV X=1\nUSER bob\nRUN first\nFROM one\nRUN second $X\n")
    assert [step.user for step in runs(graph)] == ["bob", "bob"]
    assert runs(graph)[1].parent == graph.steps.index(runs(graph)[0])
    assert "X=1" in runs(graph)[1].env


def test_arguments_do_not_go_on_into_the_next_stage() -> None:
    graph = graph_of("FROM a AS one\nARG X=1\nRUN first\nFROM one\nRUN second\n")
    assert [("X=1" in step.env) for step in runs(graph)] == [True, False]


def test_a_base_image_that_is_used_twice_is_one_step() -> None:
    graph = graph_of("FROM a AS one\nRUN x\nFROM a\nCOPY --from=one /x /\nCOPY --from=a /y /\n")
    assert sum(isinstance(step, SourceStep) for step in graph.steps) == 1


def test_scratch_is_nothing_with_the_usual_path() -> None:
    graph = graph_of("FROM scratch\nCOPY a /\n", platform="linux/arm64")
    assert graph.config["architecture"] == "arm64"
    assert graph.config["config"]["Env"] == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    assert graph.steps[0].reference == "scratch"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("ARG V=1\nFROM a:$V\n", {}, "a:1"),
        ("ARG V=1\nFROM a:$V\n", {"V": "2"}, "a:2"),
        ("ARG V\nFROM a:${V:-3}\n", {}, "a:3"),
        ("ARG A=x\nARG B=$A-y\nFROM $B\n", {}, "x-y"),
        ("FROM a-$TARGETARCH\n", {}, "a-amd64"),
        ("FROM a-$BUILDOS\n", {}, "a-linux"),
    ],
)
def test_arguments_before_the_first_from_choose_images(text: str, given: dict[str, str], expected: str) -> None:
    graph = graph_of(text, build_args=given)
    assert graph.steps[0].reference == expected  # type: ignore[union-attr]


def test_an_image_that_a_variable_leaves_empty_is_told_with_the_remedy() -> None:
    error = error_of("ARG V\nFROM $V\n")
    assert error.what == "'FROM $V' names no image"
    assert "ARG NAME=value" in error.hint


@pytest.mark.parametrize(
    ("lines", "given", "expected"),
    [
        ("ARG X=1", {}, "X=1"),
        ("ARG X=1", {"X": "2"}, "X=2"),
        ("ARG X", {"X": "2"}, "X=2"),
        ("ARG X", {}, None),
        ("ARG OUTER", {}, "OUTER=o"),
        ("ARG OUTER=i", {}, "OUTER=i"),
        ("ARG TARGETARCH", {}, "TARGETARCH=amd64"),
        ("ARG TARGETPLATFORM", {"TARGETPLATFORM": "own"}, "TARGETPLATFORM=own"),
        ("", {"X": "2"}, None),
        ("ENV X=e\nARG X=1", {"X": "2"}, "X=e"),
        ("ARG X=1\nENV X=e", {"X": "2"}, "X=e"),
        ("ARG X=1\nENV Y=$X\nARG X=2", {}, "X=2"),
    ],
)
def test_what_a_command_sees_of_arguments(lines: str, given: dict[str, str], expected: str | None) -> None:
    step = runs(graph_of(f"ARG OUTER=o\nFROM a\n{lines}\nRUN x\n", build_args=given))[0]
    name = (expected or "X=").partition("=")[0]
    found = [entry for entry in step.env if entry.startswith(f"{name}=")]
    assert found == ([expected] if expected else [])


def test_an_argument_before_the_first_from_is_not_seen_in_a_stage_that_does_not_name_it() -> None:
    assert not any(entry.startswith("V=") for entry in runs(graph_of("ARG V=1\nFROM a\nRUN x\n"))[0].env)


def test_a_proxy_given_as_argument_is_seen_and_means_nothing() -> None:
    graph = graph_of("FROM a\nRUN x\n", build_args={"http_proxy": "http://p"})
    step = runs(graph)[0]
    assert step.quiet_env == ("http_proxy=http://p",)
    assert not any("proxy" in entry for entry in step.env)
    assert graph.history[-1].created_by == "RUN /bin/sh -c x"


def test_an_argument_that_no_arg_names_is_told() -> None:
    assert graph_of("FROM a\n", build_args={"TYPO": "1"}).notes == (
        "no ARG names the build argument TYPO: it changed nothing",
    )


def test_all_words_of_an_instruction_see_what_was_before_it() -> None:
    assert config_of("FROM a\nENV A=old\nENV A=new B=$A\n")["Env"] == [*_ENV, "A=new", "B=old"]


def test_a_variable_keeps_its_place_when_it_changes() -> None:
    assert config_of("FROM a\nENV PATH=/x:$PATH\n")["Env"] == ["PATH=/x:/bin", "HOME=/h"]


@pytest.mark.parametrize(
    ("line", "name", "expected"),
    [
        ('CMD ["a", "b"]', "Cmd", ["a", "b"]),
        ("CMD a b", "Cmd", ["/bin/sh", "-c", "a b"]),
        ('SHELL ["/bin/bash", "-ec"]\nCMD a', "Cmd", ["/bin/bash", "-ec", "a"]),
        ('ENTRYPOINT ["e"]', "Entrypoint", ["e"]),
        ("ENTRYPOINT exec e", "Entrypoint", ["/bin/sh", "-c", "exec e"]),
        ('SHELL ["x"]', "Shell", ["x"]),
        ("USER me:us", "User", "me:us"),
        ("ENV U=me\nUSER $U", "User", "me"),
        ("WORKDIR /a\nWORKDIR b\nWORKDIR ../c", "WorkingDir", "/a/c"),
        ("ENV D=/x\nWORKDIR $D/y", "WorkingDir", "/x/y"),
        ("EXPOSE 80 53/udp", "ExposedPorts", {"53/udp": {}, "80/tcp": {}}),
        ("EXPOSE 7000-7002", "ExposedPorts", {"7000/tcp": {}, "7001/tcp": {}, "7002/tcp": {}}),
        ('VOLUME ["/a", "/b"]', "Volumes", {"/a": {}, "/b": {}}),
        ("VOLUME /a /b", "Volumes", {"/a": {}, "/b": {}}),
        ('LABEL a=1 b="two words"', "Labels", {"a": "1", "b": "two words"}),
        ("STOPSIGNAL SIGINT", "StopSignal", "SIGINT"),
        ("STOPSIGNAL 9", "StopSignal", "9"),
        ("ONBUILD RUN make", "OnBuild", ["RUN make"]),
        ("HEALTHCHECK NONE", "Healthcheck", {"Test": ["NONE"]}),
        (
            "HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=2s --start-interval=1s --retries=3 CMD c",
            "Healthcheck",
            {
                "Test": ["CMD-SHELL", "c"],
                "Interval": 90_000_000_000,
                "Timeout": 500_000_000,
                "StartPeriod": 2_000_000_000,
                "StartInterval": 1_000_000_000,
                "Retries": 3,
            },
        ),
        ('HEALTHCHECK CMD ["c", "d"]', "Healthcheck", {"Test": ["CMD", "c", "d"]}),
    ],
)
def test_instructions_that_change_the_configuration(line: str, name: str, expected: object) -> None:
    assert config_of(f"FROM a\n{line}\n")[name] == expected


def test_an_entry_point_makes_the_bases_command_go_and_keeps_the_stages_own() -> None:
    base = {"Cmd": ["old"]}
    assert "Cmd" not in config_of('FROM a\nENTRYPOINT ["e"]\n', base)
    assert config_of('FROM a\nCMD ["mine"]\nENTRYPOINT ["e"]\n', base)["Cmd"] == ["mine"]
    assert config_of("FROM a\n", base)["Cmd"] == ["old"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("EXPOSE eighty", "'eighty' is not a port"),
        ("EXPOSE 70000", "'70000' is not a port"),
        ("EXPOSE 90-80", "'90-80' is not a port"),
        ("STOPSIGNAL SIGNOT", "'SIGNOT' is not a signal"),
        ("HEALTHCHECK --interval=5 CMD x", "'5' is not a duration"),
        ("HEALTHCHECK --interval=5us CMD x", "the interval '5us' is too short"),
        ("USER $NOBODY", "USER names nobody"),
        ("WORKDIR $NOWHERE", "WORKDIR names no directory"),
        ("COPY $NOTHING /x", "COPY has an empty source"),
        ("COPY a $NOWHERE", "COPY has no target"),
        ("COPY a b /x", "COPY of several sources needs a directory as its target"),
        ("COPY --from=7 a /", "there is no stage 7 before this one"),
        ("RUN --security=insecure x", "'--security=insecure' cannot be had"),
        ("RUN --device=vendor.com/gpu=0 x", "'--device=vendor.com/gpu=0' cannot be had"),
        ("ENV T=moon\nRUN --mount=type=$T,target=/x x", "there is no mount of type 'moon'"),
        ("RUN --mount=type=cache,target=/ x", "a mount cannot take the place of /"),
        ("RUN --mount=type=tmpfs,target=/t,size=big x", "'big' is not a size"),
        ("ENV X=${NOT:?needed}", "needed"),
    ],
)
def test_what_cannot_be_meant_is_told_at_its_place(line: str, words: str) -> None:
    error = error_of(f"FROM a\n\n{line}\n")
    assert words in str(error)
    assert error.position is not None
    assert error.position.line == 3 + line.count("\n")


def test_triggers_run_in_the_image_that_is_built_from_theirs_and_are_gone_then() -> None:
    graph = graph_of("FROM a\nRUN own\n", {"OnBuild": ["RUN one", "COPY . /src", "LABEL x=1"]})
    assert [type(step) for step in graph.steps] == [SourceStep, RunStep, CopyStep, RunStep]
    assert "OnBuild" not in graph.config["config"]
    assert graph.config["config"]["Labels"] == {"x": "1"}
    assert graph.steps[1].origin.position.line == 1


def test_a_trigger_may_copy_from_an_image_that_must_be_known_then() -> None:
    bases = {("a", "linux/amd64"): Base({"config": {"OnBuild": ["COPY --from=tools /x /"]}})}
    assert translate(parse("\nFROM a\n"), Arguments(), bases) == Needs((("tools", "linux/amd64"),), (Position(2),))


@pytest.mark.parametrize(
    ("text", "command", "files"),
    [
        ("RUN a && b", ("/bin/sh", "-c", "a && b"), ()),
        ('RUN ["a", "b"]', ("a", "b"), ()),
        ("RUN <<E\na\nb\nE", ("/bin/sh", "-c", "a\nb\n"), ()),
        ("RUN <<'E'\n$a\nE", ("/bin/sh", "-c", "$a\n"), ()),
        ("RUN << E\na\nE", ("/bin/sh", "-c", "a\n"), ()),
        ("RUN <<-E\n\ta\nE", ("/bin/sh", "-c", "a\n"), ()),
        ("RUN <<E\n#!/bin/p\na\nE", ("/dev/pipes/E",), (("/dev/pipes/E", b"#!/bin/p\na\n"),)),
        ("RUN p <<E\na\nE", ("/bin/sh", "-c", "p <<E\na\nE\n"), ()),
        ("RUN p <<A && q <<B\n1\nA\n2\nB", ("/bin/sh", "-c", "p <<A && q <<B\n1\nA\n2\nB\n"), ()),
    ],
)
def test_what_is_executed(text: str, command: tuple[str, ...], files: tuple[tuple[str, bytes], ...]) -> None:
    step = runs(graph_of(f"FROM a\n{text}\n"))[0]
    assert (step.command, step.files) == (command, files)


def test_variables_of_a_command_are_the_shells_business() -> None:
    assert runs(graph_of("FROM a\nENV X=1\nRUN echo $X\n"))[0].command[-1] == "echo $X"


def test_history_tells_arguments_and_steps() -> None:
    graph = graph_of("FROM a\nARG V=1\nENV E=2\nWORKDIR /w\nCOPY f g/\nRUN make\nUSER me\n")
    said = [(line.created_by, line.step >= 0) for line in graph.history]
    assert said == [
        ("ARG V=1", False),
        ("ENV E=2", False),
        ("WORKDIR /w", True),
        ("COPY f g/", True),
        ("RUN |1 V=1 /bin/sh -c make", True),
        ("USER me", False),
    ]


def test_mounts_of_a_command() -> None:
    text = (
        "FROM a AS tools\nFROM b\nENV D=deep\n"
        "RUN --mount=type=cache,target=/root/.cache,sharing=locked,mode=0700,uid=3 "
        "--mount=type=bind,from=tools,source=/bin,target=/t "
        "--mount=source=src,target=$D/x,rw "
        "--mount=type=secret,id=key "
        "--mount=type=tmpfs,target=/tmp/x,size=2m make\n"
    )
    cache, tools, source, secret, memory = runs(graph_of(text))[0].mounts
    assert (cache.type, cache.id, cache.sharing, cache.mode, cache.uid) == (
        "cache",
        "/root/.cache",
        "locked",
        0o700,
        3,
    )
    assert tools.files is not None and source.files is not None
    assert (tools.files.kind, tools.files.paths, tools.read_only) == ("step", ("/bin",), True)
    assert (source.files.kind, source.files.paths, source.target, source.read_only) == (
        "context",
        ("src",),
        "/deep/x",
        False,
    )
    assert (secret.id, secret.target) == ("key", "/run/secrets/key")
    assert memory.size == 2 << 20


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("COPY a b c/", ["context"]),
        ("COPY <<E c\nx\nE", ["inline"]),
        ("COPY a <<E b c/\nx\nE", ["context", "inline"]),
        ("ADD https://h/f.tar c", ["url"]),
        ("ADD https://h/r.git#v1:d c", ["git"]),
        ("ADD git@h:r c", ["git"]),
        ("ADD a https://h/f c/", ["context", "url"]),
        ("COPY https://h/f c", ["context"]),
    ],
)
def test_where_copied_files_come_from(line: str, kinds: list[str]) -> None:
    assert [files.kind for files in copies(graph_of(f"FROM a\n{line}\n"))[0].sources] == kinds


@pytest.mark.parametrize(
    ("target", "expected"),
    [("x", "/w/x"), ("x/", "/w/x/"), (".", "/w/"), ("./", "/w/"), ("..", "/"), ("/", "/"), ("/a/../b", "/b")],
)
def test_targets_are_below_the_working_directory(target: str, expected: str) -> None:
    assert copies(graph_of(f"FROM a\nWORKDIR /w\nCOPY f {target}\n"))[0].target == expected


@pytest.mark.parametrize(
    ("line", "unpack"),
    [
        ("ADD a /", None),
        ("ADD --unpack=true https://h/a /", True),
        ("ADD --unpack=false a /", False),
        ("COPY a /", False),
    ],
)
def test_what_is_unpacked(line: str, unpack: bool | None) -> None:
    assert copies(graph_of(f"FROM a\n{line}\n"))[0].unpack is unpack


def test_variables_count_in_a_file_of_the_recipe_unless_its_name_is_quoted() -> None:
    graph = graph_of("FROM a\nENV X=1\nCOPY <<A <<'B' /\n$X \"q\"\nA\n$X\nB\n")
    assert [files.content for files in copies(graph)[0].sources] == [b'1 "q"\n', b"$X\n"]


def test_named_contexts_take_the_place_of_stages_and_images() -> None:
    contexts = {"tools": "docker-image://other:1", "data": "./data"}
    graph = graph_of("FROM tools\nCOPY --from=data /x /\nCOPY --from=tools /y /\n", contexts=contexts)
    assert graph.steps[0].reference == "docker-image://other:1"  # type: ignore[union-attr]
    first, second = copies(graph)
    assert (first.sources[0].kind, first.sources[0].name) == ("context", "data")
    assert second.sources[0].step == 0


def test_a_stage_that_comes_later_cannot_be_copied_from() -> None:
    assert "comes later" in error_of("FROM a\nCOPY --from=late /x /\nFROM b AS late\n", target="0").what


def test_workdir_is_a_step_that_makes_the_directory_as_the_user() -> None:
    step = graph_of("FROM a\nUSER me\nWORKDIR /w\n").steps[-1]
    assert isinstance(step, MetaStep)
    assert (step.directory, step.user) == ("/w", "me")


def test_labels_of_the_command_line_win() -> None:
    assert config_of("FROM a\nLABEL a=1 b=2\n", labels=(("a", "9"),))["Labels"] == {"a": "9", "b": "2"}


def test_what_only_the_base_knows_of_itself_is_not_handed_on() -> None:
    recipe = parse("FROM a\n")
    document = {"architecture": "amd64", "os": "linux", "history": [{}], "rootfs": {}, "created": "x", "author": "me"}
    found = translate(recipe, Arguments(), {("a", "linux/amd64"): Base({**document, "config": None})})
    assert isinstance(found, Graph)
    assert set(found.config) == {"architecture", "os", "author", "config"}


def test_a_recipe_without_from_is_told() -> None:
    assert "FROM" in str(error_of("ARG X=1\n"))
