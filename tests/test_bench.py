"""`netparity bench`: what it measures is what it says, and the naive loops compute what ours do."""

import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch

from compare.bench import alone, job_bench, naive_numpy, naive_torch, rounds, start
from compare.bench.contenders import CONTENDERS
from compare.bench.growth import SIZES as GROWING
from compare.bench.growth import GrowthBench
from compare.bench.job import Job, load_job
from compare.bench.job_bench import JobBench
from compare.bench.rounds import Timing, busy, time_rounds
from compare.bench.thread_bench import OURS, ThreadBench
from compare.cli import main
from compare.data import load_data
from compare.options import parse_options
from compare.plan import draw_plan, weight_rng
from compare.rounding import unit_roundoff
from compare.run import experiment
from compare.threads import one_thread_each
from sampled import one_in

SIZES = (784, 100, 100, 100, 100, 10)
STEPS = 40


def in_float32(data):
    """The images rounded to float32, as the naive loops are given them, for all."""
    x = data.x.astype(np.float32)
    return replace(data, x=x.astype(np.float64), torch_x=torch.tensor(x, dtype=torch.float64))


def allowed(steps):
    """How far apart losses of two right loops may be, relatively, after few steps.

    A step moves what it computes by the rounding of its longest sum, sqrt(784) u (Higham and Mary
    2019), and what the steps do adds up.
    """
    return steps * np.sqrt(SIZES[0]) * unit_roundoff(np.float64)


@pytest.fixture(scope="module")
def job():
    """A short run, its data as float32 gives them, and what both stacks recorded."""
    words = ["--data", "digits", "--steps", str(STEPS), "--judge", "none"]
    options = parse_options(words)
    data = load_data("digits", None, "float64", "cpu", print)
    data, x = in_float32(data), data.x.astype(np.float32)
    with one_thread_each():
        trials = experiment(options, data, lambda *step: None)
    plan = draw_plan(SIZES, len(x), STEPS, options.batch_size, seed=options.seed)
    return options, data, x, plan, trials


def test_the_naive_numpy_loop_computes_what_ours_does_once_its_epsilon_is_out(job):
    options, data, x, plan, trials = job
    for label, std in options.init:
        rng = weight_rng(plan.seed)
        net = naive_numpy.NaiveNet(weight_init_std=std, rng=rng, epsilon=0)
        losses = naive_numpy.train([net], x, data.t, plan.batches, options.lr)
        (trial,) = (trial for trial in trials if trial.label == label)
        np.testing.assert_allclose(losses, trial.trace.scratch, rtol=allowed(STEPS))


def test_its_epsilon_is_seen(job):
    options, data, x, plan, trials = job
    net = naive_numpy.NaiveNet(weight_init_std="he", rng=weight_rng(plan.seed))
    losses = naive_numpy.train([net], x, data.t, plan.batches, options.lr)
    assert abs(losses[0] / trials[-1].trace.scratch[0] - 1) > allowed(STEPS)


def test_the_naive_torch_loop_computes_what_ours_does(job):
    options, data, x, plan, trials = job
    rest = torch.float64, "cpu"
    for label, std in options.init:
        net = naive_torch.NaiveNet(SIZES, std, weight_rng(plan.seed), *rest)
        losses = naive_torch.train([net], x, data.t, plan.batches, options.lr, *rest)
        (trial,) = (trial for trial in trials if trial.label == label)
        np.testing.assert_allclose(losses, trial.trace.torch, rtol=allowed(STEPS))


@pytest.fixture(scope="module")
def short():
    job = load_job(["--data", "digits", "--steps", "4", "--hidden", "20", "15"])
    return replace(job, data=in_float32(job.data))


@pytest.mark.parametrize("name", CONTENDERS)
def test_every_contender_does_the_same_job(short, name, monkeypatch):
    monkeypatch.setitem(naive_numpy.NaiveNet.__init__.__kwdefaults__, "epsilon", 0)
    with one_thread_each():
        expected, losses = CONTENDERS["scratch alone"](short), CONTENDERS[name](short)
    if name.startswith("products"):
        assert losses == []
        return
    np.testing.assert_allclose(losses[: len(expected)], expected, rtol=allowed(4))
    assert len(losses) in (len(expected), 2 * len(expected))


def test_another_job_would_be_seen(short):
    other = replace(short, options=replace(short.options, lr=short.options.lr * (1 + 1e-9)))
    losses = [CONTENDERS["scratch alone"](each) for each in (short, other)]
    assert not np.allclose(*losses, rtol=allowed(4), atol=0)


def test_operations_are_those_of_the_products(short):
    B, one = short.options.batch_size, 0
    for i, (fan_in, fan_out) in enumerate(pairwise((784, 20, 15, 10))):
        one += 2 * B * fan_in * fan_out * (4 if i else 3)  # forward twice, dW, and dx but for x
    assert short.operations() == one * 4 * 3
    whole = Job(parse_options(["--steps", "2000"]), short.data)
    assert whole.operations() == 551_731_200_000


def test_rounds_go_forwards_and_backwards():
    seen = []
    work = {name: lambda name=name: seen.append(name) for name in "abc"}
    assert set(time_rounds(work, 3, seen.append)) == set("abc")
    assert seen == [*"abc", 1, *"cba", 2, *"abc", 3]


def test_waiting_is_wall_time_and_work_is_cpu_time(monkeypatch):
    now = {"wall": 0.0, "CPU": 0.0}
    clocks = SimpleNamespace(perf_counter=lambda: now["wall"], process_time=lambda: now["CPU"])
    monkeypatch.setattr(rounds, "time", clocks)

    def wait():
        now["wall"] += 2

    def work():
        now["wall"] += 1
        now["CPU"] += 1

    found = time_rounds({"wait": wait, "work": work}, 3, lambda _: None)
    assert found == {"wait": Timing([2] * 3, [0] * 3), "work": Timing([1] * 3, [1] * 3)}


def test_busy_processes_are_there_and_gone():
    before = set(psutil.Process().children())
    with busy(2):
        spinning = set(psutil.Process().children()) - before
        assert len(spinning) == 2
    assert not any(process.is_running() for process in spinning)


def timings(**seconds):
    """A JobBench of 2 rounds with 1 s where nothing is said, and a billion operations a stack."""
    given = {name: Timing([1.0, 1.0], [1.0, 1.0]) for name in CONTENDERS}
    return JobBench("data", "net", 1e9, given | seconds, {"run": 5e8})


def test_ratios_are_taken_round_by_round():
    bench = timings(
        run=Timing([3.0, 5.0], [8.0, 2.0]), **{"scratch alone": Timing([1.0, 3.0], [1.0, 3.0])}
    )
    ratios = bench.ratios()
    assert ratios["CPU: run / (scratch + torch_ref)"] == (2.25, 0.5, 4.0)
    assert ratios["wall: run / (scratch + torch_ref)"] == (1.375, 1.25, 1.5)
    assert ratios["CPU: judging, share of run"] == ((1 / 2 + 7 / 8) / 2, 1 / 2, 7 / 8)
    assert bench.share("scratch alone") == ((1 + 1 / 3) / 2, 1 / 3, 1.0)
    assert bench.share("run") is None
    assert bench.rate("run") == 0.5  # both stacks' in the median of 4 s


def test_the_table_is_80_columns_wide_for_long_jobs_too():
    slow = {name: Timing([1234.5, 99.96], [987.6, 12.345]) for name in CONTENDERS}
    assert max(map(len, timings(**slow).text().splitlines())) <= 80


def test_the_peak_of_what_is_given_back_is_seen(monkeypatch):
    def greedy(job):
        block = np.ones(25_000_000)  # 200 MB
        time.sleep(0.1)
        return [float(block[0])]

    monkeypatch.setitem(CONTENDERS, "greedy", greedy)
    taken = alone._measure("greedy", ["--data", "digits"])
    assert taken.peak - taken.base > 150e6


def peak_of(steps, watch):
    """Bytes that Python and numpy take at most in a run of so many steps."""
    words = ["--data", "digits", "--hidden", "20", "--init", "he", "--steps", str(steps)]
    options = parse_options([*words, "--batch-size", "8"])
    data = load_data("digits", None, "float64", "cpu", lambda _: None)
    tracemalloc.start()
    try:
        with one_thread_each():
            experiment(options, data, watch)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_is_flat_in_steps_but_for_the_trajectories():
    kept = []
    watches = (lambda *_: None, lambda step, trials: kept.append(trials[0].ours.values))
    grown, leaking = ((peak_of(160, each) - peak_of(40, each)) / 120 for each in watches)
    recorded = 8 * 8 + 5 * (8 + 24)  # the batch's indices; a number in each of five lists
    assert grown < 3 * recorded
    assert leaking > 100 * recorded


def test_growth_says_the_exponent():
    names = [(what, size) for what, sizes in GROWING.items() for size in sizes]
    given = {f"{what} {n}": Timing([n**2], [n**1.5]) for what, n in names}
    text = GrowthBench("title", given, {f"{what} {n}": float(n) for what, n in names}).text()
    said = [line.split()[1:] for line in text.splitlines() if "exponent" in line]
    assert said == [["1.50", "1.00"]] * len(GROWING)
    assert max(map(len, text.splitlines())) <= 80


def test_threads_are_set_against_ours():
    text = ThreadBench("title", {OURS: Timing([2.0], [2.0]), "x": Timing([3.0], [5.0])}).text()
    assert text.splitlines()[-1].split()[-1] == "1.50"


def test_a_start_is_timed():
    first, end = start._time(["--help"])
    assert 0 < first <= end


def test_bench_writes_a_table_json_and_a_chart(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        job_bench, "measure_alone", lambda jobs, at_once: [alone.Taken(1, 1, 4e8, 3e8)] * len(jobs)
    )
    words = ["bench", "--data", "digits", "--steps", "2", "--rounds", "1", "--busy", "1"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "beside 1 busy" in " ".join(out.split())
    lines = [line for line in out.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 80
    assert (tmp_path / "bench.png").stat().st_size > 10_000
    text = (tmp_path / "bench.json").read_text()
    assert '"ratios"' in text
    assert "NaN" not in text


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["nonsense"], "nonsense"),
        (["--rounds", "0"], "--rounds"),
        (["--device", "tpu"], "--device tpu"),
        (["--busy", "-1"], "--busy"),
        (["--dtype", "float16"], "--dtype"),
    ],
)
def test_bad_input_gets_one_line(words, what, capsys, tmp_path):
    assert main(["bench", *words, "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert what in err
    assert err.count("\n") == 1
    assert not out


@pytest.mark.parametrize(
    ("module", "late"),
    one_in(
        2,
        [
            ("compare.check_command", "torch"),
            ("compare.check", "matplotlib"),
            ("compare.cli", "numpy"),
        ],
    ),
)
def test_what_is_slow_to_import_is_imported_where_it_is_needed(module, late):
    assert not imports(module, late)


def imports(module, name):
    see = f"import sys, {module}; print({name!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", see], check=True, capture_output=True, text=True)
    return done.stdout == "True\n"


def test_what_is_imported_is_seen():
    assert imports("compare.candidate", "numpy")
