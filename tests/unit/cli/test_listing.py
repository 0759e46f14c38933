"""Tables, JSON lines, templates; sizes and times as Docker shows them."""

from __future__ import annotations

import json
import sys

import pytest

from wherry.base.errors import UsageError
from wherry.cli import listing
from wherry.cli.template import render

ROWS = [{"Name": "a", "Size": "1MB", "Tags": ["x", "y"]}, {"Name": "longer", "Size": "20MB", "Tags": []}]
COLUMNS = (("NAME", "Name"), ("SIZE", "Size"))


def shown(capsys: pytest.CaptureFixture[str], form: str | None) -> str:
    listing.show(ROWS, COLUMNS, form)
    return capsys.readouterr().out


def test_a_table_has_headings_and_no_blanks_at_line_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, None) == "NAME     SIZE\na        1MB\nlonger   20MB\n"
    assert shown(capsys, "table") == shown(capsys, None)


def test_json_is_one_object_a_line_with_all_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert [json.loads(line) for line in shown(capsys, "json").splitlines()] == ROWS


def test_bytes_that_are_no_text_come_in_json_as_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    name = b"a\xffb\n".decode("utf-8", "surrogateescape")
    listing.show([{"Name": name, "More": [{name: (name, 1)}]}], (("NAME", "Name"),), "json")
    listing.show([{"Name": name}], (("NAME", "Name"),), None)
    first, *table = capsys.readouterr().out.splitlines()
    shown = "a\\xffb\n"
    assert json.loads(render("{{json .Name}}", {"Name": name})) == shown
    assert json.loads(first) == {"Name": shown, "More": [{shown: [shown, 1]}]}
    assert table == ["NAME", "a\\xffb\\n"]


def test_a_template_is_filled_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "{{.Name}}\\t{{.Size}}") == "a\t1MB\nlonger\t20MB\n"


def test_a_table_template_has_headings(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "table {{.Size}}\\t{{.Name}}") == "SIZE   NAME\n1MB    a\n20MB   longer\n"


def test_control_characters_of_a_name_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    listing.show([{"Name": "a\x1b[31m\nb"}], (("NAME", "Name"),), None)
    assert capsys.readouterr().out == "NAME\na\\x1b[31m\\nb\n"


VALUE = {"A": 1, "B": {"C": True, "D": None}, "L": ["x", "y"], "M": {"k": "v"}}


def test_a_field_may_take_a_word() -> None:
    """``{{.Label "x"}}`` of Docker's listings of containers."""
    labels = {"x": "y"}
    assert render('{{.Label "x"}}-{{.Label "z"}}', {"Label": lambda name: labels.get(name, "")}) == "y-"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{.A}}", "1"),
        ("{{ .B.C }}", "true"),
        ("{{.B.D}}", ""),
        ("{{.B.D.E}}", ""),
        ("{{json .L}}", '["x","y"]'),
        ("{{json .}}", json.dumps(VALUE, separators=(",", ":"))),
        ("{{.L}}", "[x y]"),
        ("{{.M}}", "map[k:v]"),
        ("{{index .L 1}}", "y"),
        ('{{index .M "k"}}', "v"),
        ("{{index .L 7}}", ""),
        ('{{join .L ", "}}', "x, y"),
        ("{{len .L}}", "2"),
        ("{{upper .M.k}}", "V"),
        ("{{range .L}}<{{.}}>{{end}}!", "<x><y>!"),
        ("{{range .L}}{{println .}}{{end}}", "x\ny\n"),
        ("{{range .M}}{{.}}{{end}}", "v"),
        ("{{range .B.D}}no{{end}}none", "none"),
        ("{{range .B.D}}no{{else}}none{{end}}", "none"),
        ("{{range $i, $v := .L}}{{if $i}}, {{end}}{{$i}}={{$v}}{{end}}", "0=x, 1=y"),
        ("{{range $k, $v := .M}}{{$k}}:{{$v}}:{{$.A}}{{end}}", "k:v:1"),
        ("{{if .B.C}}yes{{else}}no{{end}}", "yes"),
        ("{{if .B.D}}yes{{else if eq .A 2}}two{{else if eq .A 1}}one{{else}}no{{end}}!", "one!"),
        ("{{if and .A (not .B.D)}}yes{{end}}", "yes"),
        ("{{if or .B.D .L}}yes{{end}}", "yes"),
        ("{{with .M}}{{.k}}{{end}}{{with .B.D}}no{{else}}none{{end}}", "vnone"),
        ("{{with $m := .M}}{{$m.k}}{{end}}", "v"),
        ("{{$a := index .L 1}}{{$a | upper | json}}", '"Y"'),
        ('{{printf "%v-%05d %s" .M 7 (index .L 0)}}', "map[k:v]-00007 x"),
        ("a {{- .A -}} b", "a1b"),
        ("a{{/* a note */}}b", "ab"),
        ("{{range .L}}{{range .}}{{end}}<{{.}}>{{end}}", "<x><y>"),
        ('{{slice "abcdef" 1 3}}{{truncate "abcdef" 2}}{{title "ab"}}', "bcabAb"),
        ('{{join (split "a:b" ":") "+"}}', "a+b"),
        ('{{if ne .A 1}}x{{else}}{{println "one" .A}}{{end}}', "one 1\n"),
        ('{{"}}"}}', "}}"),
        ("{{json .M.k}}{{`raw`}}{{true}}", '"v"rawtrue'),
        ("a\\tb\\n", "a\tb\n"),
        ("plain", "plain"),
    ],
)
def test_a_template(template: str, expected: str) -> None:
    assert expected == render(template, VALUE)


@pytest.mark.parametrize(
    ("template", "why", "hint"),
    [
        ("{{.Aa}}", "no field '.Aa'", "did you mean '.A'"),
        ("{{.Zzz}}", "no field '.Zzz'", "the fields are: A, B, L, M"),
        ("{{template .A}}", "not understood", "jq"),
        ("{{.A | nosuch}}", "not understood", "jq"),
        ("{{if .A}}x", "an 'if' without an 'end'", ""),
        ("{{.A}}{{else}}", "an 'else' without an 'if'", ""),
        ("{{$x}}", "not understood", "jq"),
        ("{{upper}}", "not understood", "jq"),
        ("{{lt .A .L}}", "'lt' cannot be asked", ""),
        ("{{range .L}}", "without an 'end'", ""),
        ("{{end}}", "without a 'range'", ""),
        ("{{}}", "not understood", "jq"),
        ("{{.A.B}}", "has no fields", ""),
    ],
)
def test_a_bad_template_is_explained(template: str, why: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        render(template, VALUE)
    assert why in caught.value.why
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (123_456_789, "123MB"), (1_314_000_000, "1.31GB"), (999_999, "1MB")],
)
def test_sizes_have_decimal_units_as_dockers(size: int, text: str) -> None:
    assert text == listing.bytes_for_people(size)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "Less than a second"),
        (1, "1 second"),
        (45, "45 seconds"),
        (61, "About a minute"),
        (600, "10 minutes"),
        (3700, "About an hour"),
        (7200, "2 hours"),
        (3 * 86400, "3 days"),
        (15 * 86400, "2 weeks"),
        (90 * 86400, "3 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_lengths_of_time_read_as_dockers(seconds: float, text: str) -> None:
    assert text == listing.ago(seconds)


def test_a_time_that_builders_zero_is_not_shown_as_fifty_years() -> None:
    assert listing.since("1970-01-01T00:00:00Z") == "N/A"
    assert listing.since("") == "N/A"
    assert listing.since("yesterday") == "N/A"


def test_times_with_nanoseconds_are_read() -> None:
    assert listing.seconds("2023-11-14T22:13:20.123456789Z") == 1700000000.123456


@pytest.mark.parametrize("template", ["{{.Repository", "a {{.Tag}} {{", "{{.Repository}", "{{json .Labels"])
def test_a_template_that_is_not_closed_is_an_error(template: str) -> None:
    """Else it would be printed as it stands, once a row."""
    with pytest.raises(UsageError, match="is not closed"):
        render(template, {"Repository": "debian", "Tag": "12", "Labels": {}})


@pytest.mark.parametrize("form", ["yaml", "table ID", "Name"])
def test_a_word_is_no_template(form: str) -> None:
    with pytest.raises(UsageError, match="there is no format") as caught:
        listing.show([], (), form)
    assert "json" in caught.value.hint


@pytest.mark.parametrize(("is_terminal", "shown"), [(True, "\\x1b[2J\ta"), (False, "\x1b[2J\ta")])
def test_a_template_tames_what_images_say_on_a_terminal_only(
    is_terminal: bool, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    assert render("{{.Label}}\\ta\\n", {"Label": "\x1b[2J"}) == shown + "\n"
