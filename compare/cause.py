"""What is said of why a candidate differs: frozen data, as the report keeps and words it."""

from dataclasses import dataclass

from compare.causes.mistake import Texts


@dataclass(frozen=True)
class Cause:
    """One mistake that explains what was seen.

    Attributes
    ----------
    key, part : str
        As in the catalogue.
    says : (str, str)
        What is wrong, in English and in Japanese.
    wrote, write : str
        The line as it probably stands there, and what to write instead.
    source : (str, str)
        Where that is explained.
    finding : (str, str)
        What shows, where that is simple: 'b3 is 128 times too small'.
    is_certain : bool
        Replayed in the reference it gives what the candidate gave, to rounding, wherever it can be
        told from other mistakes; nothing else in the catalogue does.
    is_seen : bool
        It was seen, rather than concluded from values: no replay proves it.
    mends : tuple of str
        The quantities that agree once it is taken out, and did not before.
    equals : tuple of (str, str)
        Other explanations that fit as well, ...
    equal_keys : tuple of str
        ... and their names in the catalogue.
    piece : str
        Which piece of the network is wrong, as in the catalogue.
    """

    key: str
    part: str
    says: Texts
    wrote: str = ""
    write: str = ""
    source: Texts = ("", "")
    finding: Texts = ("", "")
    is_certain: bool = True
    is_seen: bool = False
    mends: tuple[str, ...] = ()
    equals: tuple[Texts, ...] = ()
    equal_keys: tuple[str, ...] = ()
    piece: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Why a candidate differs, as far as that could be found out.

    Attributes
    ----------
    causes : tuple of Cause
        In the order of cause and effect.
    error : float
        The largest relative error of anything once all of them are taken out of the candidate's
        values, where everything then agrees; NaN where something is off still.
    values, places : int
        How many values agree then, and on how many stimuli.
    place : (str, str)
        What these are: stimuli, updates, steps.
    left : tuple of str
        What is off still.
    shape : tuple of (str, str)
        What the error looks like that nothing explains.
    next : (str, str)
        The experiment to make then.
    beside : tuple of (str, str)
        What the candidate is beside its mistakes, such as another convention, and no mistake.
    tried : (int, int)
        How many mistakes were tried, and of how many, where that were not all; else zeros.
    """

    causes: tuple[Cause, ...] = ()
    error: float = float("nan")
    values: int = 0
    places: int = 0
    place: Texts = ("stimuli", "刺激")
    left: tuple[str, ...] = ()
    shape: tuple[Texts, ...] = ()
    next: Texts = ("", "")
    beside: tuple[Texts, ...] = ()
    tried: tuple[int, int] = (0, 0)

    def rank(self) -> tuple[bool, int, bool, int]:
        """The best first: what explains everything, then with the fewest causes."""
        guesses = any(not cause.is_certain for cause in self.causes)
        return not self.is_repaired, len(self.left), guesses, len(self.causes)

    @property
    def is_simple(self) -> bool:
        """Whether one cause explains everything."""
        return self.is_repaired and len(self.causes) <= 1

    @property
    def doubts_activation(self) -> bool:
        """Whether several causes lie in an activation, which may have been taken for another."""
        return len(self.causes) > 1 and any(c.piece in ("act", "slope") for c in self.causes)

    @property
    def doubts_loss(self) -> bool:
        """Whether the loss is said to be wrong, or is so still, and nothing before it."""
        after = ("loss", "gradient ", "state ")
        if not all(name.startswith(after) for name in self.left):
            return False
        return "loss" in self.left or any(cause.part == "loss" for cause in self.causes)

    @property
    def is_repaired(self) -> bool:
        """Whether everything agrees once the causes are taken out."""
        return self.places > 0 and not self.left
