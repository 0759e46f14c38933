"""Records are read back, joined, and a lost end is recognised."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

from wherry.containers.records import find_record, old_records, read_records, record_files, remove_records
from wherry.containers.times import now

HERE = os.uname().nodename


def start(name: str, **more: object) -> str:
    line = {"kind": "start", "id": name, "time": "2026-01-01T00:00:00.000Z", "pid": 1, "cwd": "/", "command": ["true"]}
    return json.dumps({**line, "node": HERE, "boot_id": "boot", **more})


def end(name: str, status: int = 0) -> str:
    usage = {"wall_ms": 1, "user_ms": 2, "system_ms": 3, "max_rss_kb": 4}
    return json.dumps({"kind": "end", "id": name, "time": "2026-01-01T00:00:01.000Z", "exit": status, "usage": usage})


def write(state: Path, *lines: str, node: str = HERE, day: str = "2026-01-01") -> None:
    folder = state / "records" / node
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{day}.jsonl").write_text("".join(f"{line}\n" for line in lines))


def test_start_and_end_are_joined_in_the_order_of_their_starts(tmp_path: Path) -> None:
    write(tmp_path, start("a"), start("b"), end("b", 3), end("a"))
    assert [(record.id, record.end and record.end.exit) for record in read_records(str(tmp_path))] == [
        ("a", 0),
        ("b", 3),
    ]


def test_an_end_on_the_next_day_is_found(tmp_path: Path) -> None:
    write(tmp_path, start("a"))
    write(tmp_path, end("a", 7), day="2026-01-02")
    assert [record.end.exit for record in read_records(str(tmp_path)) if record.end] == [7]


def test_what_is_started_again_has_a_record_each_time_and_the_newest_is_found(tmp_path: Path) -> None:
    write(tmp_path, start("a"), end("a", 1), start("a"), end("a", 2))
    assert [record.end.exit for record in read_records(str(tmp_path)) if record.end] == [1, 2]
    found = find_record(str(tmp_path), "a")
    assert found is not None
    assert found.end is not None
    assert found.end.exit == 2


def test_lines_that_are_cut_or_unknown_are_passed_over(tmp_path: Path) -> None:
    write(
        tmp_path, '{"kind":"start","id":"cu', "", '{"kind":"future"}', "\x00\xff", start("a"), end("nobody"), end("a")
    )
    assert [record.id for record in read_records(str(tmp_path))] == ["a"]


def test_an_end_that_never_came_is_lost_after_another_boot_or_without_its_process(tmp_path: Path) -> None:
    gone = 2**22 + 17  # above the kernel's highest pid
    write(
        tmp_path,
        start("other boot", boot_id="before"),
        start("gone", pid=gone),
        start("alive", pid=os.getpid(), time=now()),
    )
    write(tmp_path, start("pid taken over", pid=os.getpid(), time="2020-01-01T00:00:00.000Z"), day="2020-01-01")
    write(tmp_path, start("elsewhere", node="far", pid=gone), node="far")
    found = {record.id: record.lost for record in read_records(str(tmp_path), boot_id="boot")}
    assert found == {"other boot": True, "gone": True, "alive": False, "elsewhere": False, "pid taken over": True}


def test_no_records_are_no_error(tmp_path: Path) -> None:
    assert list(read_records(str(tmp_path))) == []
    assert find_record(str(tmp_path), "a") is None


def test_old_records_are_those_of_more_days_ago(tmp_path: Path) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    for days, node in ((0, "a"), (7, "a"), (8, "a"), (400, "b")):
        write(tmp_path, start("x"), node=node, day=str(today - datetime.timedelta(days=days)))
    (tmp_path / "records" / "a" / "0000-notes").write_text("not a record")
    state = str(tmp_path)
    assert len(record_files(state)) == 4
    assert old_records(state, 0) == []
    assert [path.removeprefix(f"{state}/records/")[:2] for path in old_records(state, 7)] == ["a/", "b/"]
    assert remove_records(old_records(state, 7)) == 2
    assert len(record_files(state)) == 2
    assert sorted(os.listdir(tmp_path / "records")) == ["a"]
    assert old_records(state, 10**12) == []
