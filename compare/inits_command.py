"""`netparity inits`: what initial weights do, in three figures of both stacks."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from compare.data import load_data
from compare.figure import png
from compare.files import prepare_folder, write_results
from compare.inits import Spread, Watched, spread, train
from compare.inits_figure import draw_activations, draw_gradients, draw_units
from compare.judgement import Judgement, first_failing
from compare.options import Parser, at_least
from compare.progress import say
from compare.threads import one_thread_each
from compare.wording import divergence_text, paragraph, place_text

FILES = ("inits_units.png", "inits_gradients.png", "inits_activations.png")


def inits(arguments: Sequence[str]) -> int:
    """Run the command; return 0 where both stacks compute the same, else 1."""
    parser = Parser(
        prog="netparity inits",
        description="Show what initial weights do to units, gradients and activations, in numpy "
        "and in torch.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--data", choices=["auto", "mnist", "digits"], default="auto", help="as for netparity run")
    add("--data-root", type=Path, metavar="DIR", help="folder that holds the four files of MNIST")
    add("--steps", type=at_least(1), default=200, metavar="N", help="updates (default: 200)")
    add("--seed", type=at_least(0), default=0, metavar="N", help="of weights and batches")
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="folder for the figures")
    options = parser.parse_args(arguments)
    prepare_folder(options.out, FILES)
    with warnings.catch_warnings(), one_thread_each():
        data = load_data(options.data, options.data_root, "float64", "cpu", say)
        watched, judged = train(data, options.steps, options.seed)
        spreads, judged_spread = spread(options.seed)
    sentences = units_text(watched), gradients_text(watched), activations_text(spreads)
    figures = (
        draw_units(watched, sentences[0]),
        draw_gradients(watched, sentences[1]),
        draw_activations(spreads, sentences[2]),
    )
    write_results(options.out, dict(zip(FILES, map(png, figures), strict=True)))
    for name, sentence in zip(FILES, sentences, strict=True):
        print("\n" + "\n".join([*paragraph(sentence), f"wrote {options.out / name}"]))
    return _verdict([*judged, *judged_spread])


def units_text(watched: Sequence[Watched]) -> str:
    """Return what figure 1 shows."""
    said = []
    for seen in watched:
        if seen.label in ("zero", "constant", "he"):
            numpy, torch = (" ".join(map(str, stack[-1][:-1])) for stack in seen.units)
            said.append(f"{seen.label} {numpy}" + f" (torch {torch}: rounding)" * (numpy != torch))
    return f"Equal weights stay equal. Units that differ in each hidden layer: {', '.join(said)}."


def gradients_text(watched: Sequence[Watched]) -> str:
    """Return what figure 2 shows."""
    first = {seen.label: seen.sizes[0][0][0] for seen in watched}
    said = ", ".join(f"{label} {first[label]:.0e}" for label in ("std=0.01", "xavier", "he"))
    return f"Small weights let the gradient vanish: dW of layer 1 at step 0: {said}."


def activations_text(spreads: Sequence[Spread]) -> str:
    """Return what figure 3 shows."""
    deviation = {(s.activation, s.label): float(s.outputs[0][-1].std()) for s in spreads}
    said = ", ".join(f"{activation} {label} {deviation[activation, label]:.2g}"
                     for activation, label in (("sigmoid", "xavier"), ("tanh", "xavier"),
                                               ("relu", "xavier"), ("relu", "he")))  # fmt: skip
    return f"Xavier spreads sigmoid and tanh, He spreads relu: deviation in layer 5: {said}."


def _verdict(judgements: Sequence[Judgement]) -> int:
    """Print whether both stacks computed the same, and return the exit status."""
    first = first_failing(judgements)
    if first:
        lines = ["DIFFERENT  The two stacks do not compute the same.", ""]
        place = place_text(first, judgements, 5)
        print("\n" + "\n".join([*lines, *divergence_text(first, judgements, place)]))
        return 1
    text = (
        f"SAME  Both stacks compute what is drawn: {len(judgements)} quantities, each within what "
        "rounding allows."
    )
    print("\n" + "\n".join(paragraph(text)))
    return 0
