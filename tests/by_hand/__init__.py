"""Networks written by hand in numpy beside their torch modules, and mistakes planted in them.

Each of plain, images, sequences and tokens holds some, made of the layers of layers.py, and
computes them in the ways of ways.py. A mistake is an edit of what the two say together.
"""

from functools import cache
from pathlib import Path
from types import ModuleType

from by_hand.architecture import Architecture

FAMILIES = {
    "plain": ("mlp", "book", "batchnorm", "bce", "autoencoder"),
    "images": ("lenet", "strided", "residual", "groupnorm"),
    "sequences": ("rnn", "lstm", "gru"),
    "tokens": ("tied", "attention", "gpt"),
}
NAMES = tuple(name for names in FAMILIES.values() for name in names)
HERE = Path(__file__).parent


def family_of(name: str) -> str:
    """Return the file in which a network stands."""
    return next(family for family, names in FAMILIES.items() if name in names)


@cache
def source(family: str) -> str:
    """Return what layers.py and the file of a family say together."""
    layers, own = (HERE / f"{part}.py" for part in ("layers", family))
    lines = own.read_text().splitlines()
    rest = [line for line in lines if "from by_hand.layers import" not in line]
    return layers.read_text() + "\n" + "\n".join(rest)


def _place(text: str, name: str, old: str) -> tuple[int, int]:
    """Return where `old` stands: in the function of the network, else once in all of the text."""
    function = text.index(f"def {name}(")
    end = text.find("\n\n\n", function)
    first = text.find(old, function, end)
    if first < 0:
        first = text.find(old)
        assert first >= 0, (name, old)
        assert text.find(old, first + 1) < 0, (name, old)
    else:
        assert text.find(old, first + 1, end) < 0, (name, old)
    return first, first + len(old)


@cache
def load(name: str, old: str = "", new: str = "", strength: float = 1.0) -> Architecture:
    """Return a network, with `old` replaced by `new` in its source where a mistake is planted."""
    text = source(family_of(name))
    if old:
        start, end = _place(text, name, old)
        text = text[:start] + new + text[end:]
    module = ModuleType(f"by_hand_{name}")
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)
    module.STRENGTH = strength
    return next(a for a in module.ARCHITECTURES if a.name == name)
