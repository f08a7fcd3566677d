"""How causes are worded, in English and in Japanese; 80 columns."""

import locale
import os
import sys
import unicodedata
from collections.abc import Sequence

from compare.cause import Cause, Diagnosis
from compare.causes.mistake import Texts

WIDTH = 80
LANGUAGES = ("en", "ja")
LABEL = 11
"""Columns of what stands before a text."""

LABELS: dict[str, Texts] = {
    "cause": ("Cause", "原因"),
    "perhaps": ("Possible cause", "考えられる原因"),
    "proof": ("proof", "証明"),
    "or": ("or", "または"),
    "probably": ("probably", "おそらく"),
    "write": ("write", "正しくは"),
    "see": ("see", "参照"),
    "beside": ("beside", "そのほか"),
    "seen": ("seen", "観察"),
    "next": ("next", "次の実験"),
}
UNKNOWN: Texts = (
    "Cause: not known. None of the mistakes in the catalogue gives these values.",
    "原因: 不明です。目録のどの間違いからも、この値は出てきません。",
)
REST: Texts = (
    "There is more than that: {left} off still, and nothing in the catalogue explains it.",
    "ほかにも間違いがあります: {left} がまだずれていて、目録の間違いでは説明できません。",
)


MORE = (
    ("{count} more that fits as well", "{count} more that fit as well"),
    ("同じように合う説明がほかに {count} 個",) * 2,
)
"""By language, and whether it is more than one."""
TRIED: Texts = (
    "Not all mistakes were tried ({count} of {total}): the replays that are allowed are used up.",
    "全ての間違いは試していません({total} 個のうち {count} 個): 再現の上限に達しました。",
)
EQUAL = 3
"""Explanations that fit equally and are said, the first among them."""


def language(asked: str | None = None) -> str:
    """Return 'ja' where it is asked for, or the locale is Japanese and the console can show it."""
    if asked:
        return asked
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    name = next(filter(None, names), None) or locale.getlocale()[0] or ""
    if not name.lower().startswith("ja"):
        return "en"
    try:
        LABELS["cause"][1].encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "en"
    return "ja"


def diagnosis_text(diagnosis: Diagnosis, lang: str) -> list[str]:
    """Return the lines that say why, on what evidence, and what to write instead."""
    which = LANGUAGES.index(lang)
    causes = diagnosis.causes
    count, total = diagnosis.tried
    tried = wrapped(TRIED[which].format(count=count, total=total)) if total else []
    if not causes:
        return [*wrapped(UNKNOWN[which]), *tried, *_unknown(diagnosis, which)]
    lines: list[str] = []
    for number, cause in enumerate(causes, start=1):
        lines += [*_cause_text(diagnosis, cause, number, which), ""]
    for text in diagnosis.beside:
        lines[-1:] = [*labelled(LABELS["beside"][which], text[which]), ""]
    if diagnosis.left and not diagnosis.is_repaired:
        left = ", ".join(diagnosis.left[:6])
        rest = wrapped(REST[which].format(left=left))
        lines += [*rest, *tried, *_unknown(diagnosis, which), ""]
    elif tried:
        lines += [*tried, ""]
    return lines[:-1]


def _cause_text(diagnosis: Diagnosis, cause: Cause, number: int, which: int) -> list[str]:
    """Return the lines of one cause."""
    total = len(diagnosis.causes)
    kind = LABELS["cause" if cause.is_certain else "perhaps"][which]
    count = f" {number}/{total}" if total > 1 else ""
    finding = cause.finding[which] and cause.finding[which] + (": ", "。")[which]
    lines = wrapped(f"{kind}{count}: {finding}{cause.says[which]}{'.。'[which]}")
    rows = [("or", text[which]) for text in cause.equals[: EQUAL - 1]]
    if (more := len(cause.equals) - (EQUAL - 1)) > 0:
        rows.append(("or", MORE[which][more > 1].format(count=more)))
    if not cause.is_seen and (number == total or not diagnosis.is_repaired):
        rows.append(("proof", _proof(diagnosis, cause, which)))
    rows += [("probably", cause.wrote), ("write", cause.write), ("see", cause.source[which])]
    for key, text in rows:
        lines += labelled(LABELS[key][which], text) if text else []
    return lines


def _proof(diagnosis: Diagnosis, cause: Cause, which: int) -> str:
    if diagnosis.is_repaired:
        count, error = len(diagnosis.causes), f"{diagnosis.error:.0e}"
        change: Texts = (
            "this one change" if count == 1 else f"these {count} changes",
            "この一箇所" if count == 1 else f"この {count} 箇所",
        )
        return (
            f"with {change[0]} everything agrees to {error}: {diagnosis.values} values on "
            f"{diagnosis.places} {diagnosis.place[0]}",
            f"{change[1]}を直すと、{diagnosis.places} 個の{diagnosis.place[1]}の "
            f"{diagnosis.values} 個の値が全て {error} まで一致します",
        )[which]
    mended = ", ".join(cause.mends[:6]) + ", ..." * (len(cause.mends) > 6)
    return (f"with it {mended} agree", f"これを直すと {mended} が一致します")[which]


def _unknown(diagnosis: Diagnosis, which: int) -> list[str]:
    rows = [("seen", text[which]) for text in diagnosis.shape]
    rows.append(("next", diagnosis.next[which]))
    return [line for key, text in rows if text for line in labelled(LABELS[key][which], text)]


def labelled(label: str, text: str) -> list[str]:
    """Return '  proof      with this one change ...', wrapped."""
    space = " " * max(1, LABEL - columns(label))
    return wrapped(text, f"  {label}{space}", " " * (2 + LABEL))


def wrapped(text: str, first: str = "", others: str = "") -> list[str]:
    """Return the lines of a text, in which Japanese characters take two columns.

    English breaks at spaces, Japanese anywhere but before a closing mark.
    """
    lines, line = [], first
    start = True
    for piece in _pieces(text):
        if not start and columns(line + piece.rstrip()) > WIDTH:
            lines.append(line.rstrip())
            line, piece = others, piece.lstrip()
        line += piece
        start = False
    return [*lines, line.rstrip()]


def _pieces(text: str) -> Sequence[str]:
    """Return what may stand on a line of its own: words with the space after them, characters."""
    pieces: list[str] = []
    for character in text:
        joins = pieces and not pieces[-1].endswith(" ") and (
            character in "、。)」』 :" or not (_is_wide(character) or _is_wide(pieces[-1][-1]))
        )  # fmt: skip  # a condition
        if joins:
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces


def columns(text: str) -> int:
    """Return how many columns of a console a text takes."""
    return sum(2 if _is_wide(character) else 1 for character in text)


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"
