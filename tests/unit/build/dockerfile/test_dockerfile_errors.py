"""What is wrong is told with its place, its line, and what was probably meant."""

from __future__ import annotations

import time

import pytest

from wherry.build.dockerfile import Position, RecipeError, parse, parse_trigger
from wherry.build.dockerfile.instructions import Copy, Run
from wherry.build.dockerfile.lines import MAX_CHARACTERS


def refusal(text: str, name: str = "Dockerfile") -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        parse(text, name)
    return caught.value


def test_an_error_shows_where_and_what() -> None:
    error = refusal("FROM debian\n\n  RUM apt-get update\n", "fit/Recipe")
    assert str(error) == "fit/Recipe:3:3: unknown instruction 'RUM'"
    assert error.hint == "did you mean 'RUN'?"
    assert error.shown == ("3 |   RUM apt-get update", "  |   ^")
    assert error.position == Position(3, 3)
    assert error.exit_code == 125


@pytest.mark.parametrize(
    ("body", "place", "says", "hint"),
    [
        ("FOO x", (2, 1), "unknown instruction 'FOO'", "if this goes on from the line above, end that one with \\"),
        ("RUN a\n  && b", (3, 3), "unknown instruction '&&'", "goes on from the line above"),
        ("COPPY a b", (2, 1), "unknown instruction 'COPPY'", "did you mean 'COPY'?"),
        ("RUN\u00a0a", (2, 4), "unknown instruction", ""),
        ("COPY --form=b a c", (2, 6), "unknown flag '--form' of COPY", "did you mean '--from'?"),
        ("COPY --keep-git-dir a c", (2, 6), "it is one of ADD", "COPY has --chmod"),
        ("ENV --x a=b", (2, 5), "unknown flag '--x' of ENV", "after a '--'"),
        ("CMD --version", (2, 5), "unknown flag '--version' of CMD", "after a '--'"),
        ("COPY --from=a --from=b c d", (2, 15), "'--from' is given twice", "leave one"),
        ("COPY --from a b", (2, 6), "'--from' needs a value", "--from=VALUE"),
        ("COPY --link=maybe a b", (2, 6), "'--link' is true or false, not 'maybe'", ""),
        ("COPY --from=$x a b", (2, 6), "'--from' takes no variable", "FROM $IMAGE AS"),
        ("COPY --chown=${x a b", (2, 6), "has no '}'", ""),
        ('COPY --chown="a b c', (2, 14), 'the quote " has no end', ""),
        ("COPY a", (2, 1), "COPY needs a source and a target", "COPY SOURCE TARGET"),
        ('ADD ["a"]', (2, 1), "ADD needs a source and a target", ""),
        ('COPY ["a", 1]', (2, 6), "not a list of strings", ""),
        ("COPY a 'b", (2, 8), "the quote ' has no end", ""),
        ("COPY a <<E\nE", (2, 8), "the target of COPY cannot be a heredoc", ""),
        ("COPY <<a/b /x\na/b", (2, 6), "'a/b' is to be a file's name", ""),
        ("RUN", (2, 1), "RUN needs a command", ""),
        ("RUN []", (2, 5), "RUN needs a command", ""),
        ("CMD", (2, 1), "CMD needs a command", "CMD []"),
        ('RUN ["a", ["b"]]', (2, 5), "not a list of strings", ""),
        ("CMD [null]", (2, 5), "not a list of strings", ""),
        ('CMD ["a\\u0000"]', (2, 5), "a zero byte", ""),
        ("RUN a \\\n <<EOF b\nx", (3, 2), "the heredoc 'EOF' has no end", "a line that is EOF"),
        ("RUN cat <<EOF>x\nEOF", (2, 9), "the heredoc 'EOF>x' has no end", "put a blank after EOF"),
        ("RUN echo $(( 1 << 2 ))", (2, 16), "the heredoc '2' has no end", "1<<2"),
        ("RUN --mount=type=cach,target=/x a", (2, 5), "a mount cannot be 'cach'", "did you mean 'cache'?"),
        ("RUN --mount=tpye=cache a", (2, 5), "unknown field 'tpye'", "did you mean 'type'?"),
        ("RUN --mount=target a", (2, 5), "'target' of '--mount' needs a value", ""),
        ("RUN --mount=type=cache a", (2, 5), "a mount of type cache needs a target", "target=/PATH"),
        ("RUN --mount=type=bind,target=/x,sharing=locked a", (2, 5), "type bind has no 'sharing'", ""),
        ("RUN --mount=type=cache,target=/x,sharing=lock a", (2, 5), "sharing of a mount cannot be", "'locked'"),
        ("RUN --mount=type=cache,target=/x,required a", (2, 5), "cache has no 'required'", ""),
        ("RUN --mount=type=secret a", (2, 5), "a secret needs an id", ""),
        ("RUN --mount=type=secret,id=a,src=b a", (2, 5), "not both", ""),
        ("RUN --mount=target=/x,from=$y a", (2, 5), "'from' takes no variable", ""),
        ("RUN --mount=target=/x,ro=maybe a", (2, 5), "true or false, not 'maybe'", ""),
        ("RUN --mount=target=${x a", (2, 5), "has no '}'", ""),
        ("RUN --mount='\"target=/x' a", (2, 5), "cannot read '--mount=", ""),
        ("RUN --network=nne a", (2, 5), "'--network' cannot be 'nne'", "did you mean 'none'?"),
        ("RUN --security=root a", (2, 5), "'--security' cannot be 'root'", "sandbox, insecure"),
        ("RUN --device=,required a", (2, 5), "names no device", ""),
        ("ENV A", (2, 5), "ENV needs a value for 'A'", "ENV NAME=VALUE"),
        ("ENV", (2, 1), "ENV needs a name and a value", ""),
        ("ENV A=1 B", (2, 9), "'B' has no '='", "quote a value with blanks"),
        ("ENV A=1 =2", (2, 9), "a value without a name", ""),
        ("ENV =2", (2, 5), "a value without a name", ""),
        ('ENV A=1 B="x', (2, 11), 'the quote " has no end', ""),
        ("ENV A=1 \\\n  B=${x", (3, 5), "has no '}'", "\\$"),
        ("LABEL a=${b^}", (2, 12), "'^' after the name", ""),
        ("ARG", (2, 1), "ARG needs a name", ""),
        ("ARG =x", (2, 5), "an argument without a name", ""),
        ("SHELL /bin/sh -c", (2, 7), "SHELL needs a list", 'SHELL ["/bin/bash", "-c"]'),
        ("SHELL []", (2, 7), "SHELL needs a list", ""),
        ("EXPOSE", (2, 1), "EXPOSE needs a port", ""),
        ("VOLUME []", (2, 1), "VOLUME needs a path", ""),
        ('VOLUME ["a", " "]', (2, 1), "VOLUME needs a path", ""),
        ("WORKDIR", (2, 1), "WORKDIR needs a directory", ""),
        ("WORKDIR /a/${b", (2, 12), "has no '}'", ""),
        ("USER", (2, 1), "USER needs a user", ""),
        ("STOPSIGNAL", (2, 1), "STOPSIGNAL needs a signal", ""),
        ("MAINTAINER", (2, 1), "MAINTAINER needs a name", "LABEL"),
        ("HEALTHCHECK", (2, 1), "HEALTHCHECK needs a command", ""),
        ("HEALTHCHECK NONE x", (2, 18), "has nothing after it", ""),
        ("HEALTHCHECK RUN x", (2, 13), "'RUN' is not a kind of health check", ""),
        ("HEALTHCHECK CMD", (2, 1), "HEALTHCHECK needs a command", ""),
        ("HEALTHCHECK CMD []", (2, 17), "HEALTHCHECK CMD needs a command", ""),
        ("HEALTHCHECK --interval=5 CMD x", (2, 13), "'5' is not a duration", "--interval=30s"),
        ("HEALTHCHECK --timeout=-5s CMD x", (2, 13), "'-5s' is not a duration", ""),
        ("HEALTHCHECK --retries=-1 CMD x", (2, 13), "'-1' is not a number of retries", "--retries=3"),
        ("ONBUILD", (2, 1), "ONBUILD needs an instruction", ""),
        ("ONBUILD ONBUILD RUN x", (2, 9), "ONBUILD cannot be a trigger", ""),
        ("ONBUILD FROM x", (2, 9), "FROM cannot be a trigger", ""),
        ("ONBUILD MAINTAINER x", (2, 9), "MAINTAINER cannot be a trigger", ""),
        ("ONBUILD RUM x", (2, 9), "unknown instruction 'RUM'", "did you mean 'RUN'?"),
        ("ONBUILD COPY --form=x a b", (2, 14), "unknown flag", "did you mean '--from'?"),
        ("FROM", (2, 1), "FROM needs an image", ""),
        ("FROM a b", (2, 8), "FROM needs an image", "FROM IMAGE AS NAME"),
        ("FROM a AS", (2, 8), "FROM needs an image", ""),
        ("FROM a AS 1x", (2, 11), "a stage cannot be named '1x'", ""),
        ("FROM --plat=x a", (2, 6), "unknown flag '--plat' of FROM", "did you mean '--platform'?"),
        ("RUN a\0b", (2, 6), "a zero byte in the recipe", ""),
    ],
)
def test_what_is_wrong_is_told_at_its_place(body: str, place: tuple[int, int], says: str, hint: str) -> None:
    error = refusal(f"FROM a\n{body}\n")
    assert error.position == Position(*place)
    assert says in str(error)
    assert hint in error.hint
    assert str(error).startswith(f"Dockerfile:{place[0]}:{place[1]}: ")
    assert error.shown[1].index("^") == error.shown[0].index("|") + 1 + place[1]


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("", (1, 1), "the recipe has no instructions"),
        ("# c\n\n", (2, 1), "the recipe has no instructions"),
        ("ARG a", (1, 1), "the recipe has no FROM"),
        ("RUN a\nFROM b", (1, 1), "RUN before FROM: only ARG may stand before"),
        ("# escape=x\nFROM a", (1, 1), "'x' cannot be the escape character"),
        ("# escape=`\n  # Escape=`\nFROM a", (2, 3), "the directive 'escape' is given twice"),
        ("RUM a", (1, 1), "unknown instruction 'RUM'"),
        ("# syntax=a\0b\nFROM a", (1, 11), "a zero byte"),
    ],
)
def test_a_recipe_as_a_whole_can_be_wrong(text: str, place: tuple[int, int], says: str) -> None:
    error = refusal(text)
    assert error.position == Position(*place)
    assert says in str(error)


def test_of_a_long_line_what_is_around_the_place_is_shown() -> None:
    error = refusal(f"FROM a\nENV {'x' * 5000}=1 {'y' * 50} {'z' * 5000}=1")
    line, caret = error.shown
    assert len(line) < 120
    assert line[caret.index("^")] == "y"
    assert line.startswith("2 | ...")
    assert line.endswith("...")


def test_what_has_no_shape_does_not_move_the_caret() -> None:
    assert refusal("FROM a\nENV \x1b[1m=1 \u200b=2 x").shown == ("2 | ENV ?[1m=1 ?=2 x", "  |                ^")
    assert refusal("FROM a\nRUN\u00a0a").shown == ("2 | RUN?a", "  |    ^")


def test_tabs_do_not_move_the_caret() -> None:
    assert refusal("FROM a\n\tRUM x").shown == ("2 |  RUM x", "  |  ^")


def test_an_error_without_a_place_can_be_given_one() -> None:
    error = (
        RecipeError("x is empty", why="nothing sets it", hint="ARG x=1").at(Position(2, 5)).within("D", ["a", "RUN b"])
    )
    assert (str(error), error.hint) == ("D:2:5: x is empty: nothing sets it", "ARG x=1")
    assert error.shown == ("2 | RUN b", "  |     ^")
    assert error.within("E", []) is error
    empty = RecipeError("x", Position(1)).within("D", [])
    assert str(empty.within("E", [])) == "D:1:1: x"


@pytest.mark.parametrize(
    ("text", "kind"),
    [("RUN make", Run), ("run <<EOF\nmake\nEOF", Run), ("COPY --from=x . /app", Copy), ("COPY a \\\n b", Copy)],
)
def test_a_trigger_is_one_instruction(text: str, kind: type[object]) -> None:
    assert type(parse_trigger(text)) is kind


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "says nothing"),
        ("FROM a", "FROM cannot be a trigger"),
        ("RUN a\nRUN b", "a trigger is one instruction"),
        ("RUM a", "ONBUILD:1:1: unknown instruction"),
        ("# escape=`\nRUN a `\n b", "a trigger is one instruction|unknown instruction"),
    ],
)
def test_a_trigger_that_is_none_is_refused(text: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        parse_trigger(text)


def test_a_recipe_that_is_too_long_is_refused_at_once() -> None:
    begin = time.process_time()
    assert "characters" in str(refusal("FROM a\nRUN " + "x" * (100 << 20)))
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    "body",
    [
        "RUN " + "x" * (MAX_CHARACTERS - 100),
        "RUN " + "a \\\n" * 100_000 + "b",
        "RUN a \\\n" + "#c\n" * 100_000 + "b",
        "\n" * 1_000_000,
        "ENV " + "a=b " * 50_000,
        "ENV a=" + "'b'" * 100_000,
        'ENV a="' + '\\"' * 200_000 + '"',
        "ENV a=" + " " * 250_001 + "'",
        "ENV " + "'" * 250_001,
        "COPY " + "a " * 125_000,
        "COPY [" + '"a",' * 100_000 + '"b"]',
        "RUN <<A\n" + "x\n" * 200_000 + "A",
        "RUN " + "<<A " * 3000 + "\n" + "A\n" * 3000,
        "RUN " + "<" * 250_001,
        "RUN '" + "<<a " * 100_000,
        "RUN " + "${" * 100_000 + " <<E",
        "RUN " + '"${' * 75_000 + " <<E",
        "RUN --mount=" + "a," * 200_000,
        "RUN --mount=target=/x" + "\\ " * 200_000 + " y",
        "LABEL a=" + "${x:-" * 75_000,
        "LABEL a=" + "$x" * 100_000,
        "#" + " =" * 200_000,
        "CMD " + "[" * 250_001,
        "USER a\\" * 25_000,
        "VOLUME " + "\u2003" * 125_000,
        "ONBUILD " * 75_000,
    ],
    ids=lambda body: body[:24],
)
def test_time_is_in_proportion_to_length(body: str) -> None:
    begin = time.process_time()
    try:
        parse(f"FROM a\n{body}\n")
    except RecipeError as error:
        assert error.shown or error.position
    assert time.process_time() - begin < 10
