"""Shell text as simple commands."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.build.lint.shellwords import calls

SIMPLE = {
    "make": [["make"]],
    "a && b || c; d": [["a"], ["b"], ["c"], ["d"]],
    "a 'b c' \"d e\" f\\ g": [["a", "b c", "d e", "f g"]],
    "a |b|& c & d": [["a"], ["b"], ["c"], ["d"]],
    "X=1 Y='2 3' a b": [["a", "b"]],
    "a > out 2>&1 < in b": [["a", "b"]],
    "a &> out": [["a"]],
    "a # b\nc": [["a"], ["c"]],
    "a b#c": [["a", "b#c"]],
    "if [ -f x ]; then a; else b; fi": [["[", "-f", "x", "]"], ["a"], ["b"]],
    "for i in a b; do c $i; done; d": [["c", "$i"], ["d"]],
    "while read x; do a; done < f": [["read", "x"], ["a"], []],
    "case $x in a|b) c;; *) d;; esac; e": [["c"], ["d"], ["e"]],
    "( a; b ) && { c; }": [["a"], ["b"], ["c"]],
    "a $(b c) `d`": [["a", "$(b c)", "`d`"], ["b", "c"], ["d"]],
    'a "$(b "c d")"': [["a", '$(b "c d")'], ["b", "c d"]],
    "a $((1 + 2)) ${x:-y z}": [["a", "$((1 + 2))", "${x:-y z}"]],
    "diff <(a x) <(b)": [["diff", "<(a x)", "<(b)"], ["a", "x"], ["b"]],
    "sudo -E make": [["make"]],
    "env -i A=1 timeout 30 make": [["make"]],
    "conda run -n work pip install x": [["pip", "install", "x"]],
    "bash -ec 'a b; c'": [["bash", "-ec", "a b; c"], ["a", "b"], ["c"]],
    "a \\\n  b": [["a", "b"]],
    "cat <<EOF > x": [["cat"]],
    "! a": [["a"]],
    "time -p a": [["-p", "a"]],
    "a; ; b": [["a"], ["b"]],
    "": [],
    "'unclosed a": [["unclosed a"]],
    "a $(b": [["a", "$(b"], ["b"]],
}


@pytest.mark.parametrize("script", SIMPLE)
def test_words_of_each_command(script: str) -> None:
    assert [[word.text for word in call.words] for call in calls(script)] == SIMPLE[script]


def test_operators_depth_and_offsets() -> None:
    found = calls("a && b | c; if d; then e; fi; f")
    assert [(call.before, call.name, call.after, call.depth) for call in found] == [
        ("", "a", "&&", 0),
        ("&&", "b", "|", 0),
        ("|", "c", ";", 0),
        (";", "d", ";", 1),
        (";", "e", ";", 1),
        (";", "f", "", 0),
    ]
    assert [call.offset for call in found] == [0, 5, 9, 15, 23, 30]


def test_what_stands_in_substitutions_knows_its_place() -> None:
    script = "a && x=$(b $(c)) d"
    for call in calls(script):
        assert script.startswith(call.name, call.words[0].offset)
    assert [(call.name, call.nested) for call in calls(script)] == [
        ("a", False),
        ("d", False),
        ("b", True),
        ("c", True),
    ]


@given(st.text("ab $(){}'\"`\\;&|<>#\n=!if done", max_size=60))
def test_any_text_is_read(script: str) -> None:
    for call in calls(script):
        for word in call.words:
            assert call.nested or script[word.offset : word.offset + len(word.raw)] == word.raw


@pytest.mark.parametrize("piece", ["a;", "$(", "`", "${", "'", '"', "a && ", "((", "case x in ", "<<E ", "$(a ", "<("])
def test_time_grows_with_the_length_only(piece: str) -> None:
    def seconds(count: int) -> float:
        begin = time.process_time()
        calls(piece * count)
        return time.process_time() - begin

    seconds(100)
    small, large = seconds(4_000), seconds(40_000)
    assert large < max(small, 0.02) * 40
