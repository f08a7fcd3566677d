"""Both stacks from the same draws and files: equal in every bit, and judged SAME over training."""

import gzip
import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch

import scratch
import torch_ref
from compare.data import DIGITS_FOLDER, load_data
from compare.judgement import Verdict
from compare.options import parse_options
from compare.plan import draw_plan, spaced_steps, weight_rng
from compare.run import experiment
from sampled import one_in

ROOT = Path(__file__).parents[1]
SIZES = (784, 20, 20, 15, 10)
DTYPES = {np.float64: torch.float64, np.float32: torch.float32}
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])


@dtypes
@pytest.mark.parametrize("rule", [0.01, "xavier", "he", 0])
def test_inits_are_equal_in_every_bit(dtype, rule):
    plan = draw_plan(SIZES, samples=10, steps=1, batch_size=1, seed=7)
    net = scratch.MultiLayerNet(
        784, [20, 20, 15], 10, weight_init_std=rule, rng=weight_rng(7), dtype=dtype
    )
    twin = torch_ref.MultiLayerNet(
        784, [20, 20, 15], 10, weight_init_std=rule, draws=plan.draws, dtype=DTYPES[dtype]
    )
    params = torch_ref.to_params(twin)
    for key, value in net.params.items():
        np.testing.assert_array_equal(params[key], value)
        assert params[key].dtype == value.dtype == dtype


def test_unequal_rules_are_unequal():
    plan = draw_plan(SIZES, samples=10, steps=1, batch_size=1, seed=7)
    he, xavier = (
        torch_ref.to_params(
            torch_ref.MultiLayerNet(784, [20, 20, 15], 10, weight_init_std=rule, draws=plan.draws)
        )
        for rule in ("he", "xavier")
    )
    assert not np.array_equal(he["W1"], xavier["W1"])


@dtypes
def test_digits_are_equal_in_every_bit(dtype):
    (x, t), (x_test, t_test) = scratch.load_mnist(folder=DIGITS_FOLDER, dtype=dtype)
    tx, tt = torch_ref.load_mnist(DIGITS_FOLDER, dtype=DTYPES[dtype])
    np.testing.assert_array_equal(x, tx.numpy())
    np.testing.assert_array_equal(t, tt.numpy())
    assert (x.shape, x_test.shape) == ((1500, 784), (297, 784))
    assert x.dtype == dtype
    assert (x.min(), x.max()) == (0, 1)
    assert np.bincount(np.r_[t, t_test]).tolist() == [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]


def test_mnist_is_equal_in_every_bit(mnist):
    said = []
    data = load_data("mnist", mnist, "float64", "cpu", said.append)
    assert said == [data.title]
    assert data.readers == 2
    assert len(data.x) == 60_000
    assert all(judgement.verdict is Verdict.SAME for judgement in data.judge())
    assert data.title == "MNIST, 60,000 images, sha256 ba891046e650"


def test_load_mnist_as_in_the_book():
    (x, t), _ = scratch.load_mnist(False, False, True, folder=DIGITS_FOLDER)
    assert (x.dtype, x.shape, x.max()) == (np.uint8, (1500, 1, 28, 28), 255)
    assert (t.shape, t.sum()) == ((1500, 10), 1500)


def test_files_may_be_plain_and_in_mnist_raw(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in DIGITS_FOLDER.glob("*.gz"):
        (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    (x, _), _ = scratch.load_mnist(folder=tmp_path)
    np.testing.assert_array_equal(x, torch_ref.load_mnist(tmp_path)[0].numpy())
    assert len(list(raw.iterdir())) == 4


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x00\x00\x08\x03", "its header says"),
        (b"not idx at all", "not an IDX file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "not an IDX file of unsigned bytes"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x09\x01", "has 9 bytes"),
    ],
)
def test_broken_idx_is_refused(tmp_path, content, says):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=says):
        scratch.mnist.read_idx(tmp_path / "file")


def test_cut_gzip_is_refused(tmp_path):
    whole = next(DIGITS_FOLDER.glob("train-images*")).read_bytes()
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="not a complete gzip file"):
        scratch.mnist.read_idx(tmp_path / "cut.gz")


def test_conversion_copies_both_ways(rng):
    twin = torch_ref.MultiLayerNet(
        4, [3], 2, draws=[rng.standard_normal(s) for s in pairwise((4, 3, 2))]
    )
    params = torch_ref.to_params(twin)
    weight = twin.linears()[0].weight.detach().numpy()
    assert params["W1"].shape == (4, 3)
    assert not np.shares_memory(params["W1"], weight)
    params["W1"] += 1
    torch_ref.load_params(twin, params)
    np.testing.assert_array_equal(weight, params["W1"].T)
    assert not np.shares_memory(params["W1"], weight)
    with pytest.raises(ValueError, match="W1, b1"):
        torch_ref.load_params(twin, {"W1": params["W1"]})
    with pytest.raises(ValueError, match="backward"):
        torch_ref.to_grads(twin)


@pytest.fixture(scope="module")
def digits():
    return {
        dtype: load_data("digits", None, dtype, "cpu", print) for dtype in ("float64", "float32")
    }


@pytest.mark.parametrize(
    ("activation", "dtype"), one_in(3, product(["relu", "sigmoid", "tanh"], ["float64", "float32"]))
)
def test_training_is_judged_same(digits, activation, dtype):
    options = parse_options(
        ["--steps", "5", "--batch-size", "16", "--hidden", "20", "15", "--activation", activation,
         "--dtype", dtype, "--judge", "every", "--lr", "0.1"]
    )  # fmt: skip  # a command line
    trials = experiment(options, digits[dtype], lambda *_: None)
    assert [trial.label for trial in trials] == ["std=0.01", "xavier", "he"]
    for trial in trials:
        assert trial.ledger.verdict is Verdict.SAME, trial.ledger.failing
        assert len(trial.ledger.points) == 5
        assert len(trial.trace.scratch) == len(trial.trace.torch) == len(trial.trace.errors) == 5


def test_plan_is_the_same_again_and_draws_what_scratch_draws():
    one, two = (draw_plan(SIZES, 100, 5, 8, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.batches, two.batches)
    assert one.batches.shape == (5, 8)
    assert not np.array_equal(one.batches, draw_plan(SIZES, 100, 5, 8, seed=4).batches)
    rng = weight_rng(3)
    for draw in one.draws:
        np.testing.assert_array_equal(draw, rng.standard_normal(draw.shape))


def test_spaced_steps():
    assert sorted(spaced_steps(2000)) == [0, 1, 3, 10, 30, 100, 300, 1000, 1999]
    assert spaced_steps(1) == {0}
    assert sorted(spaced_steps(5)) == [0, 1, 3, 4]


TRAIN_SCRATCH = """
import sys
for name in ("torch", "torch_ref", "compare"):
    sys.modules[name] = None
import numpy as np, scratch
rng = np.random.default_rng(0)
net = scratch.MultiLayerNet(6, [5], 3, rng=rng)
x, t = rng.standard_normal((8, 6)), rng.integers(3, size=8)
first = net.loss(x, t)
for _ in range(10):
    scratch.SGD(0.1).update(net.params, net.gradient(x, t))
assert net.loss(x, t) < first
"""

TRAIN_TORCH = """
import sys
for name in ("scratch", "compare"):
    sys.modules[name] = None
import numpy as np, torch, torch_ref
rng = np.random.default_rng(0)
net = torch_ref.MultiLayerNet(6, [5], 3, draws=[rng.standard_normal(s) for s in ((6, 5), (5, 3))])
x, t = torch.tensor(rng.standard_normal((8, 6))), torch.tensor(rng.integers(3, size=8))
optimizer = torch.optim.SGD(net.parameters(), 0.1)
first = net.loss(x, t).item()
for _ in range(10):
    optimizer.zero_grad()
    net.loss(x, t).backward()
    optimizer.step()
assert net.loss(x, t).item() < first
"""


@pytest.mark.parametrize(
    "code", one_in(2, [TRAIN_SCRATCH, TRAIN_TORCH]), ids=["scratch", "torch_ref"]
)
def test_each_stack_trains_without_the_other(code):
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
