"""Causes: mistakes are named and repaired, in both languages; nothing is said of right code."""

import numpy as np
import pytest

import bugs
from compare import check_network, check_optimizer
from compare.activations import KNOWN
from compare.architecture import Extras
from compare.cause_wording import columns, language, wrapped
from compare.causes.mistake import Mistake
from compare.causes.network import NETWORK
from compare.causes.number import named
from compare.causes.replay import BACKWARD, Given, Planted, Replay
from compare.causes.run import BATCH, DATA, INIT
from compare.causes.update import UPDATE
from compare.evaluation import Mode
from compare.rules import Derived
from compare.stimuli import Stimuli, evaluated
from compare.torch_network import Reference
from correct import IMPLEMENTATIONS, random_network
from planted_bugs import expected
from planted_bugs.blind import BLIND, STRANGE
from planted_bugs.judging import judged, judged_compact
from planted_bugs.layered import LAYERED
from planted_bugs.pairs import PAIRS
from planted_bugs.updates import UPDATES
from sampled import one_in
from scratch import MultiLayerNet, SoftmaxWithLoss

ROWS = [*NETWORK, *UPDATE, *INIT, *DATA, *BATCH]
LAYER = {bug.name: bug for bug in LAYERED}


def fixed(names, items):
    return [next(item for item in items if item.name == name) for name in names]


# A fixed subset; `make power` plants them all.
SOME = [
    ("LAYERED", bug)
    for bug in fixed(
        ["affine without bias", "affine with W transposed", "softmax over the batch axis",
         "penalty of the norm", "seed divided twice", "relu lets all back",
         "decay doubled in the gradient", "batchnorm back without the mean", "dW added up",
         "layers copy W", "loss before the update", "root missing in He", "pixels by 256",
         "batch without its end", "product in float32"],
        LAYERED,
    )
] + [
    ("UPDATES", bug)
    for bug in fixed(
        ["uphill", "first parameter skipped", "v not decayed", "h replaced", "no bias correction",
         "nesterov of the book before 2021", "lr falls by itself"],
        UPDATES,
    )
] + [("BLIND", bug) for bug in BLIND[5::16]] + [
    ("BLIND", bug) for bug in fixed(["dropout keeps the share it should drop"], BLIND)
]  # fmt: skip  # by part


ONE_IN_9 = one_in(9, SOME)
"""All of them are in `make power` (tests/causes.py), too."""


@pytest.mark.parametrize(
    ("table", "bug"), ONE_IN_9, ids=lambda value: getattr(value, "name", value)
)
def test_cause_is_named_and_repaired(table, bug):
    found = judged(bug)
    place, keys = getattr(expected, table)[bug.name]
    assert found.place == place
    first = found.diagnosis.causes[0]
    assert {first.key, *first.equal_keys} & set(keys), found.text
    assert found.diagnosis.is_repaired, found.text
    assert max(map(columns, found.text.splitlines())) <= 80


@pytest.mark.parametrize("bug", one_in(2, bugs.BUGS[::20]), ids=lambda bug: bug.name)
def test_cause_is_named_where_only_loss_and_gradient_are_seen(bug):
    found = judged_compact(bug)
    place, keys = expected.COMPACT[bug.name]
    assert found.place == place
    said = [{cause.key, *cause.equal_keys} for cause in found.diagnosis.causes[:1]]
    assert bool(said) == bool(keys)
    assert all(said[0] & {key} for key in keys[:1]), found.text


@pytest.mark.parametrize("names", one_in(3, [(pair,) for pair in PAIRS[5::16]]), ids=" + ".join)
def test_a_second_mistake_is_found_behind_the_first(names):
    found = judged(*(LAYER[name] for name in names))
    said = [{cause.key, *cause.equal_keys} for cause in found.diagnosis.causes]
    for name in names:
        assert any(keys & set(expected.LAYERED[name][1]) for keys in said), found.text
    assert found.diagnosis.is_repaired


@pytest.mark.parametrize("bug", one_in(3, STRANGE[::6]), ids=lambda bug: bug.name)
def test_what_nobody_knows_is_called_unknown(bug):
    found = judged(bug)
    place, keys = expected.STRANGE[bug.name]
    assert found.place == place
    assert not [c for c in found.diagnosis.causes if c.is_certain and c.key not in keys]
    assert "Cause: not known" in found.text
    assert "  next       " in found.text


def test_float32_names_the_same():
    for name in ("db averaged",):
        found = judged(LAYER[name], dtype=np.float32)
        assert found.diagnosis.causes[0].key in expected.LAYERED[name][1], found.text
        assert found.diagnosis.is_repaired


# right code


def test_nothing_is_said_of_right_networks():
    for seed, implementation in enumerate(IMPLEMENTATIONS[::3]):
        network = random_network(np.random.default_rng(seed), implementation, np.float64)
        assert check_network(network).diagnosis is None


@pytest.mark.parametrize("activation", one_in(3, KNOWN))
@pytest.mark.parametrize(
    "extras",
    [Extras(), Extras(True), Extras(False, 0.3), Extras(True, 0.3), Extras(layernorm=True)],
)
def test_a_replay_without_mistakes_is_the_reference(activation, extras):
    """So that what a replay with a mistake shows is the mistake."""
    reference = Reference((6, 7, 7, 5), activation, 0.1, extras)
    normalized = extras.batchnorm or extras.layernorm
    rng = np.random.default_rng(0)
    stimuli = Stimuli((6, 7, 7, 5), np.float64, rng, normalized=normalized)
    for stimulus in (stimuli.plain(), stimuli.duplicates(), stimuli.blank()):
        e = evaluated(stimulus, reference)
        rule = Derived(e, np.float64)
        given = Given(
            stimulus.params, stimulus.x, stimulus.t, activation, 0.1, mode=e.mode,
            dropout=extras.dropout, layernorm=extras.layernorm,
        )  # fmt: skip  # what, then the circumstances
        values = Replay(given).with_gradients().values()
        assert list(values) == list(e.values())
        for name, value in e.values().items():
            assert np.linalg.norm(values[name] - value) <= rule.allowed(name), name


def states(activation):
    """Yield what mistakes show on: with and without BatchNorm and dropout, and under stress."""
    sizes, rng = (7, 7, 7, 5), np.random.default_rng(0)
    for extras in (Extras(), Extras(True, 0.3)):
        reference = Reference(sizes, activation, 0.1, extras)
        stimuli = Stimuli(sizes, np.float64, rng, normalized=extras.batchnorm)
        drawn = [stimuli.plain(), stimuli.blank(), stimuli.huge_units()]
        for s in [*drawn, stimuli.large_logits(reference)]:
            masks = [rng.random((len(s.x), 7)) > 0.3 for _ in range(2 if extras else 0)]
            for training in (True, False):
                mode = Mode(training, s.running, masks)
                other = {key: value + 1 for key, value in s.params.items()}
                yield Given(
                    s.params, s.x, s.t, activation, 0.1, mode=mode, dropout=extras.dropout,
                    previous=other, own=other,
                )  # fmt: skip  # what, then the circumstances


def test_what_is_ahead_of_the_gradients_is_told_from_the_way_back(monkeypatch):
    asked, piece = [], Replay._piece
    monkeypatch.setattr(Replay, "_piece", lambda c, name: asked.append(name) or piece(c, name))
    runs = [Replay(given) for given in states("tanh")]
    assert asked and not set(asked) & set(BACKWARD)
    asked.clear()
    for run in runs:
        run.with_gradients()
    assert set(asked) == set(BACKWARD)


def test_a_way_back_starts_at_the_last_layer_wherever_the_run_was_left():
    planted = Planted("seed", lambda c: 2 * c.right, {3})
    run = Replay(next(iter(states("tanh"))))
    run.i = 1
    assert np.array_equal(run.with_gradients([planted]).dzs[3], 2 * run.with_gradients().dzs[3])


def test_every_row_changes_something_somewhere():
    """One that gives what is right would explain nothing."""
    given = {
        a: [(g, Replay(g).with_gradients().values()) for g in states(a)]
        for a in ("relu", "sigmoid", "tanh")
    }
    for mistake in NETWORK:
        assert any(
            is_changed(mistake, *state)
            for activation in mistake.of.split() or given
            for state in given[activation]
        ), mistake.key


def is_changed(mistake, given, right):
    number = mistake.starts[-1] if mistake.starts else None
    fixed_number = None if number is None else (lambda _: number)
    planted = Planted(mistake.piece, mistake.change, None, fixed_number)
    try:
        wrong = Replay(given, [planted]).with_gradients().values()
    except (LookupError, ZeroDivisionError):
        return False
    return not all(np.array_equal(wrong[k], right[k], equal_nan=True) for k in right)


# the catalogue


def test_keys_are_unique_and_texts_are_there_in_both_languages():
    for rows in (NETWORK, UPDATE, INIT, DATA, BATCH):
        keys = [row.key for row in rows]
        assert len(set(keys)) == len(keys)
    for row in ROWS:
        texts = [row.says, *((value[0], value[1]) for value in row.means.values())]
        for en, ja in texts:
            assert en.isascii() and not ja.isascii(), row.key
            assert ("{where}" in en) == ("{where}" in ja), row.key
        assert ("{k}" in "".join(row.says)) <= bool(row.starts), row.key
        assert row.write.isascii(), row.key


def test_adding_a_row_is_all_it_takes():
    from compare.diagnosis import Search

    class Odd(MultiLayerNet):
        def gradient(self, x, t):
            grads = super().gradient(x, t)
            return {key: grad + np.sin(grad) for key, grad in grads.items()}

    row = Mistake(
        "sine", "gradient", "grads",
        lambda c: {key: g + np.sin(g) for key, g in c.grads.items()},
        ("the sine is added", "正弦が足されています"), "g + np.sin(g)", "g",
    )  # fmt: skip  # as in the tables
    net = Odd(11, [13, 7], 5, rng=np.random.default_rng(0))
    assert not check_network(net).diagnosis.causes
    rows = (*NETWORK, row)
    original, Search.rows = Search.rows, rows
    defaults = Search.__init__.__defaults__
    Search.__init__.__defaults__ = tuple(rows if d is original else d for d in defaults)
    try:
        diagnosis = check_network(net).diagnosis
    finally:
        Search.rows, Search.__init__.__defaults__ = original, defaults
    assert [cause.key for cause in diagnosis.causes] == ["sine"]
    assert diagnosis.is_repaired


@pytest.mark.parametrize(
    ("number", "name"),
    [(1 / 7, "1/7"), (0.5, "1/2"), (-1.0, "-1"), (1 / np.log(2), "1/ln 2"), (1e-7, "1e-07"),
     (0.123456789, "0.123457")],
)  # fmt: skip  # a number, its name
def test_numbers_have_names(number, name):
    assert named(number * (1 + 1e-15), {}, np.float64).name == name


# words


def test_the_learner_reads_the_number_the_cause_the_proof_and_the_line():
    found = judged(LAYER["seed divided twice"])
    text = " ".join(found.text.split())
    assert "Cause: W4 is 7 times too small: the gradient by the logits" in text
    assert "is divided by the batch size twice." in text
    assert "with this one change everything agrees to" in text
    assert "write (y - t) / B" in text


def test_japanese_is_spoken_and_fits_the_console(monkeypatch):
    class Wrong(SoftmaxWithLoss):
        def backward(self):
            return super().backward() * len(self.y)

    net = MultiLayerNet(11, [13, 7], 5, rng=np.random.default_rng(0))
    net.last_layer = Wrong()
    report = check_network(net)
    text = report.text(lang="ja")
    assert "原因:" in text and "割られていません" in text and "正しくは" in text
    assert max(map(columns, text.splitlines())) <= 80
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert language() == "ja"
    assert language("en") == "en"
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert language() == "en"


def test_a_console_that_cannot_show_japanese_gets_english(monkeypatch):
    class Ascii:
        encoding = "ascii"

    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    monkeypatch.setattr("sys.stdout", Ascii())
    assert language() == "en"


def test_wrapping_knows_that_japanese_is_wide():
    lines = wrapped("あ" * 100, "  証明 ", "   ")
    assert max(map(columns, lines)) <= 80
    assert "".join(line.strip() for line in lines) == "証明 " + "あ" * 100


def test_an_optimiser_is_explained_too():
    class SGD:
        def __init__(self, lr):
            self.lr = lr

        def update(self, params, grads):
            for key in params:
                params[key] += self.lr * grads[key]

    report = check_optimizer(SGD(0.01))
    assert "goes uphill" in " ".join(str(report).split())
    assert "逆向き" in report.text("ja")
    assert check_optimizer(SGD(0.01), explain=False).diagnosis is None


def test_asking_for_no_explanation_gives_none():
    network = bugs.network(None, {"W1": np.ones((4, 3)), "b1": np.zeros(3)}, "relu")
    network.loss = lambda x, t: 1.0
    assert check_network(network, activation="relu", explain=False).diagnosis is None
