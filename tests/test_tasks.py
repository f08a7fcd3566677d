"""The runner of sweeps goes on after a kill and says what failed. This file is a sweep, too."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import measure
from tasks import Task, run

RUNS = 4
OUT = Path(os.devnull)


def square(number):
    return number**2


def failing(number):
    raise ZeroDivisionError(f"of {number}")


def killing(marker):
    """Kill the runner, the first time."""
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getppid(), signal.SIGKILL)
    return 0


def lacking():
    os.kill(os.getpid(), signal.SIGILL)


def ending():
    os._exit(7)


def tasks(runs):
    found = [Task(f"square/{n}", "test_tasks.square", (n,)) for n in range(runs)]
    marker = os.environ.get("NETPARITY_TEST_MARKER")
    return [*found[:2], Task("kill", "test_tasks.killing", (marker,)), *found[2:]]


def document(results):
    return f"the sum is {sum(results.values())}\n"


def kept_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_sweep_that_was_killed_goes_on_where_it_was(tmp_path):
    command = [sys.executable, measure.__file__, "test_tasks", "--processes", "1"]
    command += ["--folder", str(tmp_path)]
    env = os.environ | {"NETPARITY_TEST_MARKER": str(tmp_path / "marker")}
    path = tmp_path / "test_tasks.jsonl"
    killed = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [line["key"] for line in kept_lines(path)] == ["square/0", "square/1"]
    with path.open("a") as file:
        file.write('{"key": "kill", "res')  # a line in which it was killed
    again = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert "3 of 5 tasks to run" in again.stderr
    assert "the sum is 14" in again.stdout
    assert [line["key"] for line in kept_lines(path)] == [
        "square/0", "square/1", "kill", "square/2", "square/3",
    ]  # fmt: skip  # keys
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert "0 of 5 tasks to run" in done.stderr
    assert done.stdout == again.stdout
    fresh = subprocess.run(
        [*command, "--fresh"], env=env, capture_output=True, text=True, check=True
    )
    assert "5 of 5 tasks to run" in fresh.stderr


def test_one_process_and_two_give_the_same(tmp_path):
    asked = [Task(f"square/{n}", "test_tasks.square", (n,)) for n in range(6)]
    one, two = (run(tmp_path / f"{n}.jsonl", asked, n) for n in (1, 2))
    assert one == two
    assert [record["result"] for record in one.values()] == [0, 1, 4, 9, 16, 25]


def test_what_fails_is_said_and_kept_and_tried_again(tmp_path, capsys):
    asked = [
        Task("good", "test_tasks.square", (3,)),
        Task("bad", "test_tasks.failing", (5,)),
        Task("gone", "test_tasks.ending"),
        Task("good too", "test_tasks.square", (4,)),
    ]
    path = tmp_path / "some.jsonl"
    kept = run(path, asked, 1)
    assert (kept["good"]["result"], kept["good too"]["result"]) == (9, 16)
    assert "ZeroDivisionError: of 5" in kept["bad"]["error"]
    assert "ended with status 7" in kept["gone"]["error"]
    said = capsys.readouterr().err
    assert "bad failed: Traceback" in said and "gone failed: " in said
    assert sum("error" in line for line in kept_lines(path)) == 2
    run(path, asked, 1)
    assert "2 of 4 tasks to run" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGILL")
def test_a_kernel_that_the_processor_lacks_is_not_run(tmp_path, capsys):
    asked = [
        Task("first", "test_tasks.lacking", kernel="two threads"),
        Task("second", "test_tasks.square", (2,), "two threads"),
        Task("third", "test_tasks.square", (2,)),
    ]
    path = tmp_path / "kernels.jsonl"
    kept = run(path, asked, 1)
    assert [[*record.keys() - {"code"}] for record in kept.values()] == [
        ["not_run"], ["not_run"], ["result"],
    ]  # fmt: skip  # of each
    run(path, asked, 1)
    assert "0 of 3 tasks to run" in capsys.readouterr().err


def test_what_other_code_gave_does_not_count(tmp_path, capsys, monkeypatch):
    asked = [Task("square", "test_tasks.square", (3,))]
    monkeypatch.setattr("tasks.fingerprint", lambda: "other code")
    run(tmp_path / "some.jsonl", asked, 1)
    monkeypatch.undo()
    run(tmp_path / "some.jsonl", asked, 1)
    assert capsys.readouterr().err.count("1 of 1 tasks to run") == 2


def test_two_tasks_with_one_key_are_refused(tmp_path):
    with pytest.raises(AssertionError, match="one key"):
        run(tmp_path / "some.jsonl", [Task("a", "test_tasks.square", (1,))] * 2)
