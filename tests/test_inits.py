"""`netparity inits`: three figures of both stacks, whose values are judged."""

import numpy as np
import pytest

from compare import cli, inits_command
from compare.inits import spread
from compare.inits_command import activations_text
from scratch import Relu, Sigmoid

FEW = ["inits", "--data", "digits", "--steps", "2"]


@pytest.fixture(scope="module")
def right():
    """What `spread` gives of right layers."""
    return spread(0)


def test_figures_are_written_and_both_stacks_are_same(tmp_path, capsys):
    assert cli.main([*FEW, "--out", str(tmp_path / "new")]) == 0
    files = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert files == ["inits_activations.png", "inits_gradients.png", "inits_units.png"]
    assert all(path.stat().st_size > 10_000 for path in (tmp_path / "new").iterdir())
    out = capsys.readouterr().out
    assert "zero 1 1 1 1" in out
    assert "constant 1 1 1 1" in out
    assert "he 100 100 100 100" in out
    assert "SAME  Both stacks compute what is drawn" in out
    lines = [line for line in out.splitlines() if not line.startswith("wrote")]
    assert max(map(len, lines)) <= 80


def test_a_wrong_gradient_is_different(monkeypatch, tmp_path, capsys, right):
    monkeypatch.setattr(inits_command, "spread", lambda seed: right)
    monkeypatch.setattr(inits_command, "png", lambda figure: b"")
    monkeypatch.setattr(Relu, "backward", lambda self, dout: dout)
    assert cli.main([*FEW, "--out", str(tmp_path)]) == 1
    assert "First divergence: gradient W4, at step 0" in capsys.readouterr().out


def test_a_wrong_activation_is_different(monkeypatch, right):
    assert not any(judgement.fails for judgement in right[1])
    forward = Sigmoid.forward
    monkeypatch.setattr(Sigmoid, "forward", lambda self, x: forward(self, x * (1 + 1e-9)))
    failing = {judgement.where for judgement in spread(0)[1] if judgement.fails}
    assert failing == {f"sigmoid, {init}" for init in ("std=1", "std=0.01", "xavier", "he")}


def test_what_the_book_says_holds(right):
    """Section 6.2: Xavier spreads sigmoid and tanh; He keeps relu, and Xavier lets it shrink."""
    spreads, _ = right
    deviation = {
        (s.activation, s.label): [float(np.std(out)) for out in s.outputs[0]] for s in spreads
    }
    for activation in ("sigmoid", "tanh"):
        small, xavier = (deviation[activation, init] for init in ("std=0.01", "xavier"))
        assert xavier[-1] > 5 * small[-1]
    assert 0.5 < deviation["relu", "he"][-1] / deviation["relu", "he"][0] < 2
    assert deviation["relu", "xavier"][-1] < 0.5 * deviation["relu", "xavier"][0]
    assert "relu he" in activations_text(spreads)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--steps", "0"], "argument --steps: expected an integer of at least 1, not '0'"),
        (["--data", "cifar"], "argument --data: invalid choice: 'cifar'"),
        (["--seed", "-1"], "argument --seed: expected an integer of at least 0, not '-1'"),
        (["--out", __file__], "test_inits.py"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, says):
    assert cli.main(["inits", *arguments]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
