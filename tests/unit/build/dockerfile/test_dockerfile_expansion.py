"""What words become (reference: "Environment replacement"), and patterns in them."""

from __future__ import annotations

import re
import time

import pytest

from wherry.build.dockerfile import RecipeError, expand, expand_text, expand_words
from wherry.build.dockerfile.glob import Pattern

VARIABLES = {
    "foo": "/bar",
    "x": "ab",
    "e": "",
    "str": "foobarbaz",
    "sp": "a  b",
    "path": "/usr/lib/x.tar.gz",
    "é": "accent",
    "star": "a*b",
    "lines": "a\nb",
    "12": "twelve",
    "twice": "/a/foo/b/c.txt",
    "any": "/?/",
    "slash": "/",
    "dir": "/tmp",
}

ROWS = [
    ("plain", "plain"),
    ("", ""),
    ("$foo", "/bar"),
    ("${foo}", "/bar"),
    ("${foo}_bar", "/bar_bar"),
    ("$foo_bar", ""),
    ("a$x.b", "aab.b"),
    ("$x$x", "abab"),
    ("\\$foo", "$foo"),
    ("\\${foo}", "${foo}"),
    ('"$x"', "ab"),
    ("'$x'", "$x"),
    ("\"'$x'\"", "'ab'"),
    ("'\"'", '"'),
    ('"a b"', "a b"),
    ("a\\ b", "a b"),
    ("\\a\\\\b", "a\\b"),
    ('"\\a \\" \\$x \\\\"', '\\a " $x \\'),
    ("'a\\'", "a\\"),
    ("a\"b\"'c'd", "abcd"),
    ('""', ""),
    ("$", "$"),
    ("a$ b", "a$ b"),
    ("$12a", "twelvea"),
    ("$é", "accent"),
    ("$?$-$!$*$@$#", ""),
    ("a\\", "a"),
    ("${x:-word}", "ab"),
    ("${e:-word}", "word"),
    ("${u:-word}", "word"),
    ("${x-word}", "ab"),
    ("${e-word}", ""),
    ("${u-word}", "word"),
    ("${x:+word}", "word"),
    ("${e:+word}", ""),
    ("${u:+word}", ""),
    ("${x+word}", "word"),
    ("${e+word}", "word"),
    ("${u+word}", ""),
    ("${x:?no}${x?no}${e?no}", "abab"),
    ("${u:-$x}", "ab"),
    ("${u:-${e:-${x}y}}z", "abyz"),
    ("${u:-\"a b\"}${u-'c'}", "a bc"),
    ("\"${u:-'a b'}\"", "a b"),
    ("${u:-a\\}b}", "a}b"),
    ("${u:-{a}}", "{a}"),
    ("${u:-\\$x}", "$x"),
    ("${u:-}", ""),
    ("${str#f*b}", "arbaz"),
    ("${str##f*b}", "az"),
    ("${str%b*}", "foobar"),
    ("${str%%b*}", "foo"),
    ("${str/ba/fo}", "fooforbaz"),
    ("${str//ba/fo}", "fooforfoz"),
    ("${str/ba/}", "foorbaz"),
    ("${str//b?/$x}", "fooabrabz"),
    ("${str//o*b/-}", "f-az"),
    ("${str#x}${str%x}${str/x/y}", "foobarbaz" * 3),
    ("${str#}${str//}", None),
    ("${path##*/}", "x.tar.gz"),
    ("${path%/*}", "/usr/lib"),
    ("${path%.*}", "/usr/lib/x.tar"),
    ("${path%%.*}", "/usr/lib/x"),
    ("${path//\\//-}", "-usr-lib-x.tar.gz"),
    ("${path/\\//-}", "-usr/lib/x.tar.gz"),
    ("${path//\\//\\/}", "\\/usr\\/lib\\/x.tar.gz"),  # as BuildKit does, and not as shells do
    ("${path/$dir/}", "/usr/lib/x.tar.gz"),
    ("${twice//$any/$slash}", "/foo/c.txt"),
    ("${star#a\\*}", "b"),
    ("${star/\\*/+}", "a+b"),
    ("${star#a\\?}", "a*b"),
    ("${str##*}", ""),
    ("${str#*}", "foobarbaz"),
    ("${str/*/x}", "x"),
    ("${str#$u}", "foobarbaz"),
    ("${str#${u:-foo}}", "barbaz"),
    ("${lines#a*}${lines##*a?}", "\nbb"),
    ("${u#a}${u/a/b}", ""),
    ("${str#'foo'}", "barbaz"),
    ("$(x)`x`", "$(x)`x`"),
]


@pytest.mark.parametrize(("word", "value"), ROWS)
def test_a_word_has_a_value(word: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(RecipeError):
            expand(word, VARIABLES)
    else:
        assert expand(word, VARIABLES).text == value


@pytest.mark.parametrize(
    ("word", "value"),
    [("`$x", "$x"), ("\\$x", "\\ab"), ('"`$x \\a `""', '$x \\a "'), ("a` b", "a b"), ("${u:-`}}", "}"), ("``", "`")],
)
def test_the_escape_character_can_be_another(word: str, value: str) -> None:
    assert expand(word, VARIABLES, "`").text == value


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("${x", "has no '}'"),
        ("${", "has no '}'"),
        ("${x:-a", "has no '}'"),
        ("${}", "no name after"),
        ("${{x}", "no name after"),
        ("${:-x}", "no name after"),
        ("${ x}", "no name after"),
        ("${x y}", "' ' after the name of a variable has no meaning"),
        ("${x^^}", "'^' after the name"),
        ("${x:}", "':}' after the name"),
        ("${x:1}", "':1' after the name"),
        ("${x:=1}", "':=' after the name"),
        ("${x/a}", "followed by '/'"),
        ("'a", "the quote ' has no end"),
        ('"a', 'the quote " has no end'),
        ('${u:-"a}', 'the quote " has no end'),
        ("a'b'c'", "the quote ' has no end"),
    ],
)
def test_a_word_that_cannot_be_read_is_told(word: str, says: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(says)):
        expand(word, VARIABLES)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("${u:?give one}", "'u': give one"),
        ("${u?}", "'u': must be set"),
        ("${e:?}", "'e': must not be empty"),
        ("${u:?no $x}", "'u': no ab"),
    ],
)
def test_a_variable_can_be_required(word: str, says: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(says)):
        expand(word, VARIABLES)


def test_a_default_that_is_not_needed_is_not_looked_at() -> None:
    assert expand("${x:-${u:?must}}${u:+$v}", VARIABLES).used == {"x"}


def test_it_says_which_variables_it_used_and_which_are_missing() -> None:
    found = expand("$x ${u} ${v:-$foo} ${w+1} '$y' \\$z ${str#$t}", VARIABLES)
    assert found.used == {"x", "foo", "str"}
    assert found.missing == {"u", "t"}


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("80", ["80"]),
        ("$sp", ["a", "b"]),
        ("x$sp.y", ["xa", "b.y"]),
        ('"$sp"', ["a  b"]),
        ("$sp$sp", ["a", "ba", "b"]),
        ("$e", []),
        ("''", []),
        ("a\\ b c", ["a b", "c"]),
        ("'a b'\"c d\"", ["a bc d"]),
        ("${u:-a b}", ["a", "b"]),
        ("a b", ["a", "b"]),
        (" $x ", ["ab"]),
    ],
)
def test_a_word_may_become_several(word: str, words: list[str]) -> None:
    assert expand_words(word, VARIABLES) == words


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('it\'s "$x"\n', 'it\'s "ab"\n'),
        ("\\$x \\\\ \\n\n", "$x \\ n\n"),
        ("${u:-'a'}\n", "'a'\n"),
        ("none\n", "none\n"),
        ("$(cmd) `cmd`", "$(cmd) `cmd`"),
    ],
)
def test_in_a_heredoc_quotes_are_themselves(text: str, value: str) -> None:
    assert expand_text(text, VARIABLES) == value


def as_shells_do(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)


@pytest.mark.parametrize(
    "pattern", ["", "a", "?", "*", "a*", "*a", "a*b", "*a*", "a?b", "?*b", "*b?a*", "a*b*c", "??*??"]
)
@pytest.mark.parametrize("value", ["", "a", "b", "ab", "aab", "abab", "abcabc", "baab", "xaybzc", "aaaa"])
def test_patterns_match_what_a_regular_expression_does(pattern: str, value: str) -> None:
    matcher = re.compile(as_shells_do(pattern), re.DOTALL)
    ends = [end for end in range(len(value) + 1) if matcher.fullmatch(value, 0, end)]
    starts = [start for start in range(len(value) + 1) if matcher.fullmatch(value, start)]
    found = Pattern(pattern)
    assert found.without_prefix(value, longest=False) == value[min(ends, default=0) :]
    assert found.without_prefix(value, longest=True) == value[max(ends, default=0) :]
    assert found.without_suffix(value, longest=False) == value[: max(starts, default=len(value))]
    assert found.without_suffix(value, longest=True) == value[: min(starts, default=len(value))]
    if pattern:
        assert found.replaced(value, "<>", every=False) == matcher.sub("<>", value, count=1)


def test_every_match_is_replaced() -> None:
    assert Pattern("a?").replaced("abacada", "-", every=True) == "---a"
    assert Pattern("*").replaced("abc", "-", every=True) == "-"


def test_time_is_in_proportion_to_length() -> None:
    long = "a" * 200_000
    begin = time.process_time()
    assert Pattern("a*a*a*a*a*b").replaced(long, "x", every=True) == long
    assert Pattern("*a*a*a*b").without_prefix(long, longest=True) == long
    assert expand("$x" * 50_000 + "'a'" * 50_000, VARIABLES).text == "ab" * 50_000 + "a" * 50_000
    assert time.process_time() - begin < 5


def test_nesting_has_a_limit() -> None:
    assert expand("${u:-" * 60 + "x" + "}" * 60, {}).text == "x"
    with pytest.raises(RecipeError, match="nested more than 64 times"):
        expand("${u:-" * 5000 + "x" + "}" * 5000, {})
