"""Results of two runs in one folder: the set of one or of the other, never of both."""

import os
import threading
from pathlib import Path

import pytest

from compare.errors import InputError
from compare.files import prepare_folder, write_beside, write_results

NAMES = ("figure.png", "report.json")
WAIT = 0.5
"""Seconds in which a second writer that nothing keeps out is through."""


def files_of(run):
    return {name: f"{name} of {run}".encode() for name in NAMES}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.skipif(os.name == "nt", reason="Windows locks no folders")
@pytest.mark.parametrize("moment", ["write_bytes", "replace"])
def test_two_runs_that_end_at_the_same_time_leave_the_files_of_one(tmp_path, monkeypatch, moment):
    """The second starts to write in the middle of the first."""
    right, second = getattr(Path, moment), []

    def interrupted(self, *arguments):
        if not second:
            second.append(threading.Thread(target=write_results, args=(tmp_path, files_of("B"))))
            result = right(self, *arguments)
            second[0].start()
            second[0].join(WAIT)
            return result
        return right(self, *arguments)

    monkeypatch.setattr(Path, moment, interrupted)
    write_results(tmp_path, files_of("A"))
    second[0].join()
    assert contents(tmp_path) == files_of("B")


def test_nothing_is_renamed_before_all_is_written(tmp_path, monkeypatch):
    write_results(tmp_path, files_of("A"))
    right = Path.write_bytes

    def full(self, content):
        if "report" in self.name:
            raise OSError(28, "No space left on device")
        return right(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"cannot be written .No space left"):
        write_results(tmp_path, files_of("B"))
    assert contents(tmp_path) == files_of("A")


def test_what_belongs_to_the_set_and_is_not_written_is_removed(tmp_path):
    write_results(tmp_path, files_of("A"))
    write_results(tmp_path, {"report.json": b"raised"}, without=["figure.png", "never.png"])
    assert contents(tmp_path) == {"report.json": b"raised"}


def test_a_folder_that_is_prepared_twice_at_once_is_refused_to_nobody(tmp_path):
    complaints = []

    def prepare():
        try:
            for _ in range(50):
                prepare_folder(tmp_path, NAMES)
                write_beside(tmp_path / "kept.json", b"{}")
        except InputError as error:
            complaints.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert complaints == []
    assert contents(tmp_path) == {"kept.json": b"{}"}
