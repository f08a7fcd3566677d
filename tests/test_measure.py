"""The documents of sweeps are written from results: here from results that are made up."""

import pytest

import calibrate
import causes
import chapter
import power
from others import OTHERS
from tasks import KERNELS

SEEN = [[1.0, {power.OURS: True, "assert_close": False}]]
ROW = dict.fromkeys(causes.Row._fields, True) | {"part": "loss", "false_certainty": False}


def made_up(sweep, runs, result_of):
    return {task.key: result_of(task.key) for task in sweep.tasks(runs)}


def of_power(key):
    if key.startswith("power/alarms/"):
        return {"alarms": ["PaDiff"] * key.endswith("/1"), "steps": 30, "worst": 0.25}
    return SEEN if key.startswith("power/bugs/") else ["1e-03"] * 4


def of_chapter(key):
    return {"errors": ["1e-15", "1", "none"], "mistakes": [True, False], "alarms": [0, 12]}[
        key.split("/")[1]
    ]


def test_power_counts_runs_alarms_and_bugs():
    text = power.document(made_up(power, 2, of_power))
    assert f"{2 * len(KERNELS)} runs of correct networks, {60 * len(KERNELS)} judged steps" in text
    assert f"| PaDiff | {len(KERNELS)} |" in text and "| netparity | 0 |" in text
    assert "| netparity | 90 | 0 | 0 | 0 | 0 | 0 | 0 | 100.0 % | 100 % |" in text
    assert "| assert_close | 90 | 0 | 0 | 0 | 0 | 0 | 0 | 100.0 % | 0 % |" in text
    assert text.count("1e-03") == 4 * 7
    assert all(f"| {rule} |" in text for rule in OTHERS)


def test_a_kernel_that_was_not_run_does_not_count():
    results = made_up(power, 2, of_power)
    ran = {key: value for key, value in results.items() if "/two threads/" not in key}
    assert f"{len(KERNELS) - 1} kernels" in power.document(ran)


def test_chapter_counts_mistakes_and_alarms():
    text = chapter.document(made_up(chapter, 3, of_chapter))
    assert "| SGD | 1e-15 | 1 | none |" in text
    assert "| SGD | 1 of 2 | 0 of 3 (36 steps) | 1 of 2 | 0 of 3 (36 steps) |" in text


def test_causes_counts_bugs():
    results = made_up(causes, 0, lambda _: ROW)
    missed = next(key for key in results if key.startswith("causes/float64/COMPACT/"))
    results[missed] = ROW | {"first": False}
    text = causes.document(results)
    assert "| loss | 209 | 209 | 209 | 208 (99 %) | 209 | 209 | 0 |" in text
    assert f"Not named first: {missed.split('/')[-1]}." in text


def of_calibrate(key, worst=1.5):
    half = key.split("/")[1]
    kind = calibrate.HALVES[half][1][0].__name__
    return {"implementation": kind, "dtype": "float64", "values": 10, "worst": worst}


def test_calibrate_shows_half_of_what_there_is(capsys):
    text = calibrate.document(made_up(calibrate, 8, of_calibrate))
    assert '"networks": 8' in text and '"networks": 2' in text and '"beyond": 0' in text
    assert "shown: 8 networks, 80 values" in capsys.readouterr().out


def test_calibrate_says_what_is_beyond_the_factor():
    results = made_up(calibrate, 8, of_calibrate)
    for half, said in (("set", "198 is due"), ("shown", "1 are beyond it")):
        key = next(key for key in results if key.split("/")[1] == half)
        with pytest.raises(SystemExit, match=said):
            calibrate.document(results | {key: of_calibrate(key, 99.0)})


@pytest.mark.slow
@pytest.mark.parametrize("title", chapter.ROWS)
def test_the_chapter_finds_its_mistakes(title):
    assert all(chapter.mistakes(title, "float64"))
