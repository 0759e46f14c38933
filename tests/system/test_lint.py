"""``wherry lint`` as a user types it: files, directories, standard input; levels, statuses, forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wherry_command import Wherry

BAD = "FROM debian\nRUN apt-get update && apt-get install -y python3 && rm -rf /var/lib/apt/lists/*\n"
ADVICE = """\
FROM debian:12
LABEL org.opencontainers.image.licenses=MIT org.opencontainers.image.authors=me
LABEL org.opencontainers.image.source=https://example.org
USER me
"""
GOOD = ADVICE.replace("debian:12", "debian:12@sha256:" + 64 * "0")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in (("bad", BAD), ("advice", ADVICE), ("good", GOOD)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(text)
    return tmp_path


def test_a_finding_is_shown_with_its_line_reason_and_hint(wherry: Wherry, project: Path) -> None:
    done = wherry("lint", "bad/Dockerfile", cwd=project)
    assert (done.status, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    place = "bad/Dockerfile:2:42  warning  unversioned-install (DL3008)  apt-get installs 'python3' without a version"
    start = lines.index(place)
    assert lines[start + 1] == "    2 | " + BAD.splitlines()[1]
    assert lines[start + 2].index("^") == len("    2 | ") + 41
    assert lines[start + 3].strip().startswith("why: ")
    assert lines[start + 4].strip().startswith("try: python3=VERSION")
    assert "\x1b" not in done.stdout


def test_the_reason_is_told_once_a_rule(wherry: Wherry, project: Path) -> None:
    told = wherry("lint", "bad", "bad/Dockerfile", cwd=project).stdout
    assert told.count("unversioned-install") == 2
    assert told.count("why: the next build installs what is newest then") == 1


def test_status_and_level(wherry: Wherry, project: Path) -> None:
    assert wherry("lint", "good", cwd=project).status == 0
    assert wherry("lint", "--level", "info", "good", cwd=project).status == 0
    hidden = wherry("lint", "advice", cwd=project)
    assert hidden.status == 0
    assert "1 more below 'warning'" in hidden.stdout
    assert wherry("lint", "--level", "info", "advice", cwd=project).status == 1
    assert wherry("lint", "--level", "error", "bad", cwd=project).status == 0


def test_the_recipe_of_the_directory_is_the_default_and_a_dash_reads_standard_input(
    wherry: Wherry, project: Path
) -> None:
    assert "Dockerfile:1:6" in wherry("lint", cwd=project / "bad").stdout
    done = wherry("lint", "-", stdin=BAD)
    assert done.status == 1
    assert "standard input:1:6" in done.stdout


def test_what_cannot_be_read_is_125_and_the_others_are_looked_at(wherry: Wherry, project: Path) -> None:
    (project / "broken").write_text("FROM debian:12\nRUM x\n")
    done = wherry("lint", "none", "broken", "bad", cwd=project)
    assert done.status == 125
    assert "'none'" in done.stderr
    assert "broken:2:1: unknown instruction 'RUM'" in done.stderr
    assert "unversioned-install" in done.stdout
    assert "Traceback" not in done.stderr


def test_rules_are_turned_off_by_option_and_by_settings(wherry: Wherry, project: Path) -> None:
    names = ("moving-tag", "DL3008", "missing-label")
    words = [word for name in names for word in ("--ignore", name)]
    assert wherry("lint", *words, "--ignore", "DL3002,root-user", "bad", cwd=project).status == 0
    (wherry.folder / "config/wherry").mkdir()
    (wherry.folder / "config/wherry/wherry.toml").write_text(f"[lint]\nignore = {json.dumps([*names, 'root-user'])}\n")
    assert wherry("lint", "bad", cwd=project).status == 0
    assert wherry("lint", "bad", cwd=project, env={"WHERRY_LINT_IGNORE": "moving-tag"}).status == 1


def test_settings_say_level_labels_and_registries(wherry: Wherry, project: Path) -> None:
    env = {"WHERRY_LINT_LABELS": "org.example.group", "WHERRY_LINT_REGISTRIES": "quay.io", "WHERRY_LINT_LEVEL": "error"}
    assert "foreign-registry" in wherry("lint", "good", cwd=project, env=env).stdout
    assert "'org.example.group'" in wherry("lint", "--level", "warning", "good", cwd=project, env=env).stdout


def test_rows_for_programs(wherry: Wherry, project: Path) -> None:
    done = wherry("lint", "--format", "json", "bad", cwd=project)
    assert done.status == 1
    rows = {row["Rule"]: row for row in map(json.loads, done.stdout.splitlines())}
    row = rows["unversioned-install"]
    assert (row["File"], row["Line"], row["Column"], row["Level"]) == ("bad/Dockerfile", 2, 42, "warning")
    assert row["Codes"] == ["DL3008"]
    short = wherry("lint", "--format", "{{.Rule}}:{{.Line}}", "bad", cwd=project).stdout.split()
    assert "moving-tag:1" in short


def test_a_copy_of_what_the_ignore_file_leaves_out(wherry: Wherry, project: Path) -> None:
    (project / "good/Dockerfile").write_text(GOOD + "COPY data /data\nCOPY src /src\n")
    (project / "good/.dockerignore").write_text("data\n")
    rows = wherry("lint", "--format", "{{.Rule}} {{.Line}}", "good", cwd=project).stdout.splitlines()
    assert rows == ["copy-left-out 5"]


def test_no_secret_comes_out(wherry: Wherry) -> None:
    text = "FROM debian:12\nENV API_KEY=opensesame\nRUN git clone https://me:hunter2@example.org/a.git\n"
    for form in ("table", "json"):
        done = wherry("lint", "--format", form, "-", stdin=text)
        assert "secret-in-address" in done.stdout
        assert "opensesame" not in done.stdout
        assert "hunter2" not in done.stdout


def test_of_a_long_line_the_part_around_the_place_is_shown(wherry: Wherry) -> None:
    text = f"FROM debian:12\nRUN true {'x' * 300} && apt-get install -y cmake {'y' * 300}\n"
    lines = wherry("lint", "--ignore", "missing-label,root-user", "-", stdin=text).stdout.splitlines()
    assert len(lines[1]) < 200
    assert lines[1][lines[2].index("^") :].startswith("cmake y")


def test_a_large_recipe_is_no_trouble(wherry: Wherry) -> None:
    text = "FROM debian:12\n" + "RUN apt-get install -y cmake && cd x; make | tee log\n" * 5_000
    assert wherry("lint", "--format", "{{.Line}}", "-", stdin=text, timeout=60).stdout.split()[-1] == "5001"


def test_a_recipe_does_not_steer_the_terminal(wherry: Wherry) -> None:
    done = wherry("lint", "-", stdin=b"FROM debian\x1b[31m\nADD \x07x\xff /y\n")
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout + done.stderr


def test_the_rules_are_listed_and_explained(wherry: Wherry) -> None:
    assert "unversioned-install" in wherry.ok("lint", "--rules")
    names = wherry.ok("lint", "--rules", "--format", "{{.Name}}").split()
    assert {"moving-tag", "native-code", "only-deletes"} <= set(names)
    told = wherry.ok("lint", "--explain", "DL3008")
    assert told.startswith("unversioned-install (DL3008, ")
    wrong = wherry("lint", "--explain", "moving-tags")
    assert (wrong.status, "did you mean 'moving-tag'?" in wrong.stderr) == (125, True)
