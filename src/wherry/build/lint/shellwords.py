"""Shell text as simple commands: enough of the grammar to know which program is called with which words.

No parser of the whole language: loops and conditions are read for the commands in them, functions and arithmetic are
not understood. Time grows with the length of the text only. (POSIX.1-2024, XCU chapter 2)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

__all__ = ["Call", "Redirect", "Word", "calls"]


class Word(msgspec.Struct, frozen=True):
    """A word without its quotes; ``$`` stays as written. ``offset`` is where it begins in the script."""

    text: str
    offset: int
    raw: str
    inner: tuple[tuple[int, str], ...] = ()
    """Offset and text of the commands in it: ``$(...)``, backquotes and ``<(...)``."""

    @property
    def expands(self) -> bool:
        """Whether the shell puts something in its place that is not known here."""
        return "$" in self.text or "`" in self.text


class Redirect(msgspec.Struct, frozen=True):
    operator: str
    target: Word


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A simple command. ``before`` and ``after`` are the operators around it, ``depth`` counts the groups, loops and
    conditions about it; ``nested``: it stands in a substitution, ``wrappers`` are ``sudo``, ``env`` and the like that
    were taken off ``words``."""

    words: tuple[Word, ...]
    assignments: tuple[Word, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    before: str = ""
    after: str = ""
    depth: int = 0
    nested: bool = False
    wrappers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The program's name without its folder."""
        return self.words[0].text.rpartition("/")[2] if self.words else ""

    @property
    def arguments(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.words[1:])

    @property
    def offset(self) -> int:
        return (self.words or self.assignments or tuple(each.target for each in self.redirects))[0].offset


_OPERATOR = re.compile(r"&&|\|\||;;&?|;&|\|&|[|;()\n]|&(?!>)")
_REDIRECT = re.compile(r"(?:\d*|&)(?:>>|>\||>&|<&|<<<|<<-?|<>|>(?!\()|<(?!\())")
_BLANK = re.compile(r"(?:[ \t\r]|\\\n)+")
_PLAIN = re.compile(r"[^\s'\"\\$`;&|()<>]+")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(?:\[[^]]*\])?\+?=")
_OPENERS = frozenset(("if", "while", "until", "do", "{"))
_CLOSERS = frozenset(("fi", "done", "esac", "}"))
_BETWEEN = frozenset(("then", "else", "elif", "!", "time"))
_WRAPPERS = frozenset(("sudo", "command", "exec", "nice", "nohup", "eatmydata", "env", "timeout", "chrt", "ionice"))
_DEEPEST = 6


def calls(script: str, *, offset: int = 0, nested: bool = False, level: int = 0) -> tuple[Call, ...]:
    """The simple commands of a script in the order of the text, those in substitutions after the one they are in."""
    return tuple(_Reader(script, offset, nested, level).read())


class _Reader:
    """One pass over the tokens; what is between two operators becomes a call."""

    def __init__(self, script: str, offset: int, nested: bool, level: int) -> None:
        self.script, self.base, self.nested, self.level = script, offset, nested, level
        self.words: list[Word] = []
        self.assignments: list[Word] = []
        self.redirects: list[Redirect] = []
        self.before, self.depth = "", 0
        self.conditions = 0  # of loops whose 'do' is yet to come
        self.skipping = ""  # until 'in' of a case, ')' of a pattern, ';' of a for

    def read(self) -> Iterator[Call]:
        pending = ""
        for kind, token in _tokens(self.script, self.base):
            if pending and isinstance(token, Word):
                self.redirects.append(Redirect(pending, token))
                pending = ""
            elif kind == "redirect":
                pending = str(token)
            elif isinstance(token, Word):
                self._word(token)
            else:
                yield from self._operator(str(token))
        yield from self._end("")

    def _word(self, word: Word) -> None:
        if self.skipping:
            if self.skipping == "in" and word.raw == "in":
                self.skipping = ")"
            elif self.skipping == ")" and word.raw == "esac":
                self.skipping, self.depth = "", self.depth - 1
            return
        if not self.words and not self.assignments:
            if word.raw in _OPENERS or word.raw in _CLOSERS or word.raw in _BETWEEN:
                self._keyword(word.raw)
                return
            if word.raw in ("for", "select", "case"):
                self.depth += word.raw == "case"
                self.skipping = "in" if word.raw == "case" else ";"
                return
        if not self.words and _ASSIGNMENT.match(word.raw):
            self.assignments.append(word)
        else:
            self.words.append(word)

    def _keyword(self, word: str) -> None:
        if word == "do" and self.conditions:
            self.conditions -= 1  # the group began with its condition
            return
        self.conditions += word in ("while", "until")
        self.depth += (word in _OPENERS) - (word in _CLOSERS)

    def _operator(self, operator: str) -> Iterator[Call]:
        if self.skipping:
            if (self.skipping == ")" and operator == ")") or (self.skipping == ";" and operator in (";", "\n")):
                self.skipping = ""
            return
        yield from self._end(operator)
        if operator == "(":
            self.depth += 1
        elif operator == ")":
            self.depth -= 1
        elif operator[:2] in (";;", ";&"):
            self.skipping = ")"

    def _end(self, operator: str) -> Iterator[Call]:
        if self.words or self.assignments or self.redirects:
            yield from self._made(operator)
            self.words, self.assignments, self.redirects = [], [], []
            self.before = operator
        elif operator not in ("\n", "(", ")"):
            self.before = operator

    def _made(self, operator: str) -> Iterator[Call]:
        words, wrappers = _unwrapped(tuple(self.words))
        call = Call(
            words=words,
            assignments=tuple(self.assignments),
            redirects=tuple(self.redirects),
            before=self.before,
            after=operator,
            depth=max(self.depth, 0),
            nested=self.nested,
            wrappers=wrappers,
        )
        yield call
        if self.level >= _DEEPEST:
            return
        for word in (*self.assignments, *self.words, *(each.target for each in self.redirects)):
            for start, text in word.inner:
                yield from calls(text, offset=start, nested=True, level=self.level + 1)
        script = _script_word(call)
        if script is not None:
            yield from calls(script.text, offset=script.offset, nested=True, level=self.level + 1)


def _script_word(call: Call) -> Word | None:
    """The script of ``bash -c SCRIPT``."""
    if call.name not in ("sh", "bash", "dash", "ash", "zsh"):
        return None
    for index, word in enumerate(call.words[1:], 1):
        if re.fullmatch(r"-[a-z]*c", word.text):
            return call.words[index + 1] if index + 1 < len(call.words) else None
        if word.text[:1] != "-" and call.words[index - 1].text not in ("-o", "-eo", "-euo", "-exo", "-euxo", "-O"):
            return None
    return None


def _unwrapped(words: tuple[Word, ...]) -> tuple[tuple[Word, ...], tuple[str, ...]]:
    """The words of the command that is really run, and what stood before it."""
    taken: list[str] = []
    while words:
        name = words[0].text.rpartition("/")[2]
        if name in ("conda", "mamba", "micromamba") and len(words) > 1 and words[1].text == "run":
            words = _past_options(words[2:], ("-n", "--name", "-p", "--prefix", "--cwd"))
        elif name in _WRAPPERS and len(words) > 1:
            with_value = ("-u", "-g", "-n", "-c", "-C", "-k", "-s", "-S", "--user", "--group", "--unset")
            words = _past_options(words[1:], with_value)
            if name == "timeout":
                words = words[1:]
        else:
            break
        taken.append(name)
    return words, tuple(taken)


def _past_options(words: tuple[Word, ...], with_value: tuple[str, ...]) -> tuple[Word, ...]:
    while words and (words[0].text[:1] == "-" or _ASSIGNMENT.match(words[0].raw)):
        words = words[2:] if words[0].text in with_value else words[1:]
    return words


def _tokens(script: str, base: int) -> Iterator[tuple[str, Word | str]]:
    position = 0
    while position < len(script):
        blank = _BLANK.match(script, position)
        if blank:
            position = blank.end()
        elif script[position] == "#":
            position = script.find("\n", position)
            if position < 0:
                return
        elif found := _REDIRECT.match(script, position):
            yield "redirect", found[0].lstrip("0123456789")
            position = found.end()
        elif found := _OPERATOR.match(script, position):
            yield "operator", found[0]
            position = found.end()
        else:
            word, position = _word_at(script, position, base)
            yield "word", word


def _word_at(script: str, start: int, base: int) -> tuple[Word, int]:
    """The word that begins at ``start``, and where it ends."""
    text: list[str] = []
    inner: list[tuple[int, str]] = []
    position, quoted = start, False
    while position < len(script):
        letter = script[position]
        plain = None if quoted else _PLAIN.match(script, position)
        if plain:
            text.append(plain[0])
            position = plain.end()
        elif letter == "'" and not quoted:
            end = script.find("'", position + 1)
            end = len(script) if end < 0 else end
            text.append(script[position + 1 : end])
            position = end + 1
        elif letter == '"':
            quoted = not quoted
            position += 1
        elif letter == "\\":
            following = script[position + 1 : position + 2]
            text.append(
                "" if following == "\n" else following if not quoted or following in '$`"\\' else letter + following
            )
            position += 2
        elif (
            letter == "`"
            or script.startswith("$(", position)
            or (letter in "<>" and script[position + 1 : position + 2] == "(")
        ):
            end = _closing(script, position)
            begin = position + (1 if letter == "`" else 2)
            if not script.startswith("$((", position):
                inner.append((base + begin, script[begin:end]))
            text.append(script[position : end + 1])
            position = end + 1
        elif script.startswith("${", position):
            end = _closing(script, position)
            text.append(script[position : end + 1])
            position = end + 1
        elif not quoted and letter in " \t\r\n;&|()<>":
            break
        else:
            text.append(letter)
            position += 1
    position = min(max(position, start + 1), len(script))
    return Word("".join(text), base + start, script[start:position], tuple(inner)), position


def _closing(script: str, start: int) -> int:
    """Where the substitution that begins at ``start`` ends: the place of its last character."""
    if script[start] == "`":
        end = script.find("`", start + 1)
        return len(script) if end < 0 else end
    opener = script[start + 1]
    closer = ")" if opener == "(" else "}"
    depth, position, quoted = 1, start + 2, False
    while position < len(script):
        letter = script[position]
        if letter == "\\":
            position += 1
        elif letter == '"':
            quoted = not quoted
        elif letter == "'" and not quoted:
            end = script.find("'", position + 1)
            position = len(script) if end < 0 else end
        elif letter == opener:
            depth += 1
        elif letter == closer:
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return len(script)
