"""Whatever the text: it is read, or refused as a recipe's error; and what was read and written is read the same."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wherry.build.dockerfile import Recipe, RecipeError, expand, expand_text, expand_words, parse, parse_trigger, show
from wherry.build.dockerfile.instructions import Instruction

INSTRUCTIONS = [kind.__struct_config__.tag for kind in Instruction.__subclasses__()]
LAYOUT = ("position", "last_line", "lines", "name")


def meaning(recipe: Recipe) -> Any:
    """All that a recipe says, but for positions and how it was laid out."""
    said = _without_layout(msgspec.to_builtins(msgspec.structs.replace(recipe, lines=(), comments=())))
    return said, [text for _, text in recipe.comments]


def _without_layout(value: Any) -> Any:
    if isinstance(value, dict):
        dropped = (*LAYOUT[:-1], "text") if "instruction" in value else ()
        return {key: _without_layout(found) for key, found in value.items() if key not in dropped}
    return [_without_layout(found) for found in value] if isinstance(value, list | tuple) else value


def round_trip(text: str) -> None:
    recipe = parse(text)
    shown = show(recipe)
    again = parse(shown)
    assert meaning(again) == meaning(recipe)
    assert show(again) == shown


MARKS = st.sampled_from(
    [*"\\`'\"$#<>{}[]=,-:/?*% \t\n", "<<", "<<-", "EOF", "\nEOF\n", "${", "--", "\\\n", "`\n", "\r\n"]
)
LETTERS = st.sampled_from([*"abxE1_", "é", "\u00a0", "\u2003", "\x0b", "\x85", "\udce9", "\0", "🚣"])
NAMES = st.sampled_from([*INSTRUCTIONS, "run", "onbuild"])
FLAGS = st.sampled_from(
    [
        "--from=a ",
        "--chown=",
        "--link ",
        "--parents ",
        "--exclude=",
        "--platform=x ",
        "--mount=type=bind,target=/x",
        "AS ",
        "--mount=type=secret,id=",
        "--interval=3s ",
        "--unpack=false ",
        "--network=none ",
        "CMD ",
        "NONE",
        "RUN ",
        "COPY ",
    ]
)
PIECES = st.one_of(MARKS, MARKS, LETTERS, NAMES, FLAGS, st.just(" "))
SOUP = st.lists(PIECES, max_size=40).map("".join)
WORD = st.text("ab$x{}'\"\\`,=:/. *[é\u00a0", min_size=1, max_size=6)
LIST = st.lists(st.text(max_size=5), min_size=2, max_size=3).map(json.dumps)
MOUNT_FIELD = st.tuples(
    st.sampled_from(["target=/", "id=", "from=", "source=", "mode=", "size=", "env=", "uid="]), WORD
)
MOUNT_TYPE = st.sampled_from(["bind", "cache", "tmpfs", "secret", "ssh", "$T"])
HEREDOC = st.tuples(
    st.sampled_from(["", "3"]),
    st.sampled_from(["<<", "<<-", "<< "]),
    st.sampled_from([("E", "E"), ("'E F'", "E F"), ('"E\'"', "E'"), ("E\\ F", "E F"), ("$E", "$E"), ("\\E\\'", "E'")]),
    st.lists(st.sampled_from(["", "\tx", "# c", "E F", "a \\", "$x", "\r"]), max_size=3),
)


def heredoc(name: str, made: tuple[str, str, tuple[str, str], list[str]], rest: str) -> tuple[str, str]:
    descriptor, mark, (word, end), content = made
    return name, f"{descriptor}{mark}{word} {rest}\n" + "".join(f"{line}\n" for line in content) + end


LIKELY = st.one_of(
    st.tuples(
        st.sampled_from(["COPY", "ADD", "VOLUME", "CMD", "SHELL"]),
        st.one_of(LIST, st.builds("{} {}".format, WORD, WORD)),
    ),
    st.tuples(
        st.sampled_from(["COPY", "ADD"]),
        st.builds("--{}={} a b".format, st.sampled_from(["chown", "chmod", "exclude", "from", "checksum"]), WORD),
    ),
    st.builds(
        lambda kind, fields: (
            "RUN",
            f"--mount=type={kind}," + ",".join(f"{name}{word}" for name, word in fields) + " x",
        ),
        MOUNT_TYPE,
        st.lists(MOUNT_FIELD, min_size=1, max_size=3),
    ),
    st.builds(heredoc, st.sampled_from(["RUN", "COPY", "ADD", "ONBUILD RUN", "ONBUILD COPY"]), HEREDOC, WORD),
    st.tuples(st.sampled_from(["ENV", "LABEL", "ARG"]), st.builds("{}={} {}={}".format, WORD, WORD, WORD, WORD)),
    st.tuples(NAMES, st.lists(PIECES, max_size=10).map("".join)),
)
LINES = st.lists(LIKELY, max_size=3)


@given(st.one_of(st.text(max_size=200), SOUP))
@example("FROM a\nRUN a\\ \\")
@example("FROM a\n\\")
@example("# escape=`\nFROM a\nENV a=`")
def test_any_text_is_read_or_refused(text: str) -> None:
    for whole in (text, f"FROM a\n{text}"):
        try:
            parse(whole)
        except RecipeError:
            continue
        round_trip(whole)
    for escape in ("\\", "`"):
        with contextlib.suppress(RecipeError):
            parse_trigger(text, escape)


@settings(max_examples=400)
@given(LINES, st.sampled_from(["", "# escape=`\n", "# syntax=x y\n", "\n# syntax=x\n# c\n"]))
@example([("RUN", "-- --x")], "")
@example([("COPY", "<<E\\ F <<-'G\"' a b\nE F\n\tx\n\tG\"")], "")
@example([("COPY", '["a b", "", "<<E", "é\\n\\u0001"]')], "")
@example([("VOLUME", '["[", "b"]')], "")
@example([("RUN", '--mount=\'type=secret,"id=a,""b"\',target="/a b\\\\" x')], "")
@example([("ENV", "a b\\ \\")], "")
@example([("CMD", "\\\u00a0"), ("FROM", "b")], "")
@example([("ARG", "\\\u00a0")], "")
@example([("RUN", "a` `")], "# escape=`\n")
def test_what_is_written_is_read_the_same(lines: list[tuple[str, str]], head: str) -> None:
    text = head + "FROM a\n" + "\n".join(f"{name} {rest}" for name, rest in lines)
    try:
        parse(text)
    except RecipeError:
        return
    round_trip(text)


@given(SOUP, st.sampled_from(["\\", "`"]))
def test_any_word_has_a_value_or_is_refused(word: str, escape: str) -> None:
    variables = {"a": "b c", "x": "", "E": "*"}
    for read in (expand, expand_words, expand_text):
        with contextlib.suppress(RecipeError):
            read(word, variables, escape)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_single_quoted_word_is_its_content(content: str) -> None:
    content = content.replace("'", "")
    assert expand(f"'{content}'", {}).text == content
    assert expand_words(f"'{content}'", {}) == [content] * bool(content)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_an_escaped_word_is_its_content(content: str) -> None:
    assert expand("".join(f"\\{letter}" for letter in content), {}).text == content


RECIPE = """\
# syntax=docker/dockerfile:1
# check=skip=all

# About it
ARG V=12 W
FROM --platform=$BUILDPLATFORM debian:${V:-11} AS build
#inner
RUN --mount=type=cache,target=/c,sharing=locked,mode=0700 --mount=type=secret,id=k,env=K,required --network=none \\
    # within
    apt-get update \\

    && make
RUN <<-'EOF' bash
\tset -e
\tmake
\tEOF
ENV A=1 B="x  y" C=d\\ e
ENV OLD it has   blanks
LABEL "a b"=c d='e'
COPY --from=build --chown=$U:1 --chmod=u=rwX --link --parents --exclude=*.o --exclude=.git a* ./b/./c /d/
COPY <<a.txt <<"b.txt" f /etc/
1 $A
a.txt
2
b.txt
COPY ["a b", "c/"]
ADD --checksum=sha256:00 --keep-git-dir=true --unpack=false https://x/y.git#v1 /src
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /a b
USER me:${G:-us}
EXPOSE 80 53/udp $P
VOLUME /a [b
VOLUME ["/a b"]
STOPSIGNAL SIGTERM
MAINTAINER A B <c@d>
HEALTHCHECK --interval=1m --timeout=3s --start-period=5s --start-interval=1s --retries=2 CMD ["a", "b"]
HEALTHCHECK NONE
ONBUILD RUN cat <<EOF > x
z
EOF
ENTRYPOINT []
CMD -- --flag
FROM build
# last
"""


@pytest.mark.parametrize("text", [RECIPE, RECIPE.replace("\n", "\r\n"), "\ufeff" + RECIPE, RECIPE.rstrip()])
def test_a_recipe_with_all_there_is_survives(text: str) -> None:
    round_trip(text)


def test_a_shown_recipe_reads_well() -> None:
    shown = show(parse("#syntax=x\n# c\nfrom a as B\nrun  a \\\n  # why\n b\ncopy <<-'E' /x\n\ty\n\tE\nFROM b\n# end"))
    assert shown == ("# syntax=x\n\n# c\nFROM a AS b\n# why\nRUN a  b\n" + 'COPY <<-"E" /x\ny\nE\n\nFROM b\n# end\n')
