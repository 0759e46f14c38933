"""Findings: where they point to, what turns them off, what they never show."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.base.errors import UsageError
from wherry.base.settings import Settings
from wherry.build.dockerfile import RecipeError, parse
from wherry.build.lint import LEVELS, RULES, Choices, Finding, at_least, choices_of, lint, require_clean, rule_called

RECIPE = """\
# syntax=docker/dockerfile:1
FROM debian

RUN apt-get update \\
    # what is needed
    && apt-get install -y \\
        gcc=4:12.2.0-3 \\
        cmake
COPY a b /c
RUN <<END
set -e
pip install numpy
END
"""


def found(text: str, rule: str, choices: Choices | None = None) -> list[Finding]:
    return [finding for finding in lint(parse(text), choices) if finding.rule == rule]


@pytest.mark.parametrize(
    ("rule", "line", "column"),
    [
        ("moving-tag", 2, 6),
        ("recommended-packages", 6, 8),
        ("copy-needs-slash", 9, 10),
        ("root-user", 2, 1),
    ],
)
def test_a_finding_points_to_the_word(rule: str, line: int, column: int) -> None:
    (finding,) = found(RECIPE, rule)
    assert (finding.position.line, finding.position.column) == (line, column)
    assert finding.line == RECIPE.splitlines()[line - 1]


def test_words_on_continued_lines_and_in_heredocs_are_found() -> None:
    places = [(finding.position.line, finding.position.column) for finding in found(RECIPE, "unversioned-install")]
    assert places == [(8, 9), (12, 13)]


def test_a_finding_has_the_codes_of_its_case_only() -> None:
    codes = [finding.codes for finding in found(RECIPE, "unversioned-install")]
    assert codes == [("DL3008",), ("DL3013",)]


def test_an_indented_heredoc_keeps_its_columns() -> None:
    text = "FROM debian:12\nRUN <<-END\n\t\tset -e\n\t\tpip install numpy\n\tEND\n"
    (finding,) = found(text, "unversioned-install")
    assert (finding.position.line, finding.position.column) == (4, 15)


def test_with_another_escape_character() -> None:
    text = "# escape=`\nFROM debian:12\nRUN apt-get install -y `\n  cmake\n"
    (finding,) = found(text, "unversioned-install")
    assert (finding.position.line, finding.position.column) == (4, 3)


@pytest.mark.parametrize(
    "comment",
    [
        "# wherry lint ignore=unversioned-install",
        "# hadolint ignore=DL3008",
        "# hadolint ignore=DL3001,DL3008",
        "#hadolint   ignore = dl3008",
        "# wherry lint ignore=DL3008 DL3009",
    ],
)
def test_a_comment_turns_a_rule_off_for_the_next_instruction_only(comment: str) -> None:
    text = f"FROM debian:12\n{comment}\n# and why\nRUN apt-get install -y gcc\nRUN apt-get install -y g++\n"
    assert [finding.position.line for finding in found(text, "unversioned-install")] == [5]


def test_a_comment_within_the_instruction_counts_too() -> None:
    text = "FROM debian:12\nRUN apt-get install -y \\\n  # hadolint ignore=DL3008\n  gcc\n"
    assert found(text, "unversioned-install") == []


@pytest.mark.parametrize(
    "text",
    [
        "# hadolint global ignore=DL3008\nFROM debian:12\nRUN apt-get install -y gcc",
        "FROM debian:12\nRUN apt-get install -y gcc\n# wherry lint global ignore=unversioned-install",
        "# check=skip=unversioned-install\nFROM debian:12\nRUN apt-get install -y gcc",
        "# check=skip=all\nFROM debian:12\nRUN apt-get install -y gcc",
    ],
)
def test_a_rule_is_turned_off_for_the_whole_recipe(text: str) -> None:
    assert found(text, "unversioned-install") == []


def test_a_code_turns_off_its_case_only() -> None:
    text = "FROM debian:12\nRUN apt-get install -y gcc && pip install numpy\n"
    assert [each.codes for each in found(text, "unversioned-install", Choices(ignore=("DL3008",)))] == [("DL3013",)]
    assert found(text, "unversioned-install", Choices(ignore=("unversioned-install",))) == []


def test_names_of_buildkit_count_in_its_directive() -> None:
    text = "# check=skip=JSONArgsRecommended\nFROM debian:12\nCMD run it\n"
    assert found(text, "shell-form") == []
    assert found(text.partition("\n")[2], "shell-form")


def test_a_recipe_can_ask_for_errors() -> None:
    text = "# check=error=true\nFROM debian:12\nCMD run it\n"
    assert {finding.level for finding in lint(parse(text))} == {"error", "info"}


def test_a_recipe_that_asks_for_errors_is_refused_for_what_buildkit_names() -> None:
    """As its own front end does; what only hadolint or Wherry know does not count, nor what is passed over."""
    wrong = "FROM debian AS Base\nRUN apt-get install gcc\n"
    require_clean(parse(wrong))
    with pytest.raises(RecipeError, match="StageNameCasing") as caught:
        require_clean(parse(f"# check=error=true\n{wrong}"))
    assert caught.value.position is not None and caught.value.position.line == 2
    require_clean(parse(f"# check=skip=StageNameCasing;error=true\n{wrong}"))


def test_an_optional_rule_says_nothing_unless_asked() -> None:
    text = "FROM debian:12\n"
    assert found(text, "no-healthcheck") == []
    for name in ("no-healthcheck", "DL3057", "all"):
        assert found(text, "no-healthcheck", Choices(enable=(name,)))
    assert found("# check=experimental=InvalidDefinitionDescription\n\n# x\nFROM a:1 AS b\n", "definition-comment")


SECRETS = [
    ("ENV X=ghp_0123456789abcdefghijABCDEFGHIJ012345", "0123456789abcdefghij"),
    ("RUN git clone https://me:hunter2@example.org/a.git", "hunter2"),
    ("ENV DB_PASSWORD=opensesame", "opensesame"),
    ("ENV DB_PASSWORD opensesame", "opensesame"),
    ("ARG API_KEY='two words'", "words"),
    ("RUN curl -LO https://me:hunter2@example.org/x && wget https://me:hunter2@example.org/y", "hunter2"),
    ("ADD https://me:hunter2@example.org/x.git /x", "hunter2"),
    ("FROM me:hunter2@example.org/x", "nothing of it"),
]


@pytest.mark.parametrize(("line", "secret"), SECRETS)
def test_no_finding_shows_a_secret(line: str, secret: str) -> None:
    text = line if line.startswith("FROM") else f"FROM debian:12\n{line}\n"
    findings = lint(parse(text), Choices(enable=("all",)))
    assert findings
    for finding in findings:
        assert secret not in f"{finding.line} {finding.message} {finding.hint}"


def test_the_same_recipe_gives_the_same_findings_in_the_order_of_the_text() -> None:
    first, second = lint(parse(RECIPE)), lint(parse(RECIPE))
    assert first == second
    assert [each.position for each in first] == sorted(each.position for each in first)


def test_levels_have_an_order() -> None:
    assert [at_least(level, "warning") for level in LEVELS] == [True, True, False]


def test_names_and_codes_of_rules_are_unique() -> None:
    names = [name.lower() for rule in RULES for name in (rule.name, *rule.codes)]
    assert len(names) == len(set(names))
    assert all(rule.level in LEVELS and rule.sentence and rule.reason for rule in RULES)
    assert rule_called("dl3008") == rule_called("unversioned-install")


def test_a_rule_that_does_not_exist_is_an_error_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="no rule 'unversioned-instal'") as raised:
        choices_of(Settings({}), ("unversioned-instal",))
    assert "unversioned-install" in raised.value.hint
    assert choices_of(Settings({}), ("DL9999,SC2086", "moving-tag")).ignore == ("DL9999", "SC2086", "moving-tag")


WORDS = (
    "apt-get",
    "install",
    "-y",
    "pip",
    "git",
    "clone",
    "https://a.org/x",
    "|",
    "&&",
    ";",
    "cd",
    "$(",
    ")",
    "'",
    "<<E",
    "\\\n",
    "#",
)
LINES = (
    "RUN",
    "COPY",
    "ENV",
    "ARG",
    "LABEL",
    "FROM",
    "ADD",
    "USER",
    "EXPOSE",
    "WORKDIR",
    "CMD",
    "ONBUILD",
    "# check=skip",
    "E",
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(LINES), st.lists(st.sampled_from(WORDS) | st.text(string.printable, max_size=6), max_size=8)
        ),
        max_size=8,
    )
)
def test_whatever_can_be_read_can_be_looked_at(lines: list[tuple[str, list[str]]]) -> None:
    text = "FROM a\n" + "\n".join(f"{name} {' '.join(words)}" for name, words in lines)
    try:
        recipe = parse(text)
    except RecipeError:
        return
    for finding in lint(recipe, Choices(enable=("all",), registries=("a",), labels=("x",), left_out=lambda path: True)):
        assert 1 <= finding.position.line <= len(recipe.lines)


@pytest.mark.parametrize(
    "piece",
    [
        "apt-get install a | b ; ",
        "curl https://a.org/x | ",
        "$(curl https://a.org/x) ",
        "git clone https://a.org/x; ",
        "eyJaaaaaaaaaaaa-",
        "https://a:",
        "TOKEN=",
        "-march=native ",
    ],
)
def test_time_grows_with_the_length_only(piece: str) -> None:
    def seconds(count: int) -> float:
        recipe = parse(f"FROM a\nRUN {piece * count}\n")
        begin = time.process_time()
        lint(recipe)
        return time.process_time() - begin

    seconds(50)
    small, large = seconds(300), seconds(3_000)
    assert large < max(small, 0.05) * 40


@pytest.mark.parametrize("text", ["ENV {}", "EXPOSE {}", "COPY {} /x"])
def test_one_instruction_of_many_words_is_read_in_seconds(text: str) -> None:
    recipe = parse("FROM a\n" + text.format("A=$B " * 10_000 if "ENV" in text else "99999 " * 10_000) + "\n")
    begin = time.process_time()
    assert lint(recipe)
    assert time.process_time() - begin < 5
