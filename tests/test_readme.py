"""What the README shows is what is printed, numbers and paths apart."""

import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from compare import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
JAPANESE = (ROOT / "README.ja.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


AGREES = re.compile(
    r"^((?:gradient )?\w+(?: +[\d.]+(?:e-\d+)?){3}  )\d+ rows?\b[^\n]*(?<!DIFFERENT)$", re.MULTILINE
)
"""A row of the table of quantities, unless it is called off; in front of where it was worst."""


def masked(text):
    """Return the words of a text; rows of losses, numbers, paths and what is luck made equal.

    Where a quantity agrees, all its errors are rounding: which is the largest, and on which
    stimulus, is another on another processor.
    """
    lines = [line for line in text.splitlines() if not re.fullmatch(r"[\s\d.]*", line)]
    text = AGREES.sub(r"\1STIMULUS", "\n".join(lines))
    text = re.sub(r"(\S+ )?\S+ @\d+", "WORST", text)
    text = re.sub(r"sha256 \w+", "sha256 HASH", text)
    text = re.sub(r"wrote \S+ and \S+", "wrote PATHS", text)
    text = re.sub(r"(?<![\w.=])-?\d[\d.,/]*(e[-+]?\d+)?(?![\w=])", "N", text)
    return text.split()


def test_the_first_commands_print_what_is_shown(mnist, tmp_path):
    install, command, shown = blocks("console")[0].split("\n", 2)
    assert (install, command) == ("$ pip install .", "$ netparity run")
    program = str(Path(sys.executable).parent / "netparity")
    done = subprocess.run(
        [program, *command.split()[2:], "--steps", "31", "--out", str(tmp_path / "out")],
        env={**os.environ, "NETPARITY_DATA": str(mnist)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip  # what, then how
    assert done.returncode == 0, done.stderr
    # Fewer steps than shown: what is said of 31 is said there of the last 100.
    assert masked(done.stdout) == masked(shown)


def test_the_failure_is_the_one_shown(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    command, shown = blocks("console")[1].split("\n", 1)
    assert cli.main(command.split()[2:]) == 1
    assert masked(capsys.readouterr().out) == masked(shown)
    assert "First divergence: gradient b1" in shown


def test_a_port_is_judged_as_shown(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    (wrong, shown), (right, summary) = (block.split("\n", 1) for block in blocks("console")[2:4])
    assert cli.main(wrong.split()[2:]) == 1
    assert masked(capsys.readouterr().out) == masked(shown)
    assert cli.main(right.split()[2:]) == 0
    beginning = masked(summary)
    assert masked(capsys.readouterr().out)[: len(beginning)] == beginning


def test_python_examples_run(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    notebook, judged, optimizer, port, function, in_a_test = blocks("python")
    exec(notebook.replace("200", "2"), {})
    assert Path("out/weight_init_compare.png").is_file()
    out, names = io.StringIO(), {}
    with redirect_stdout(out):
        exec(judged, {})
    assert out.getvalue().startswith("DIFFERENT  TwoLayerNet")
    with redirect_stdout(out):
        exec(optimizer, {})
    assert "SAME  Adam computes what the Adam of PyTorch computes." in out.getvalue()
    with redirect_stdout(out):
        exec(port, {})
        exec(function, {})
    assert "SAME  Port computes what Block computes." in out.getvalue()
    assert "First divergence: gradient x, on your inputs" in out.getvalue()
    exec(in_a_test, names)
    names["test_my_network"]()


def outline(text):
    """Return what must be the same in every language."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return {
        "headings": re.findall(r"^#+(?= )", prose, re.MULTILINE),
        "blocks": re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL),
        "commands": sorted(set(re.findall(r"`[^`\n]+`", prose))),
        "links": sorted(re.findall(r"\]\(([^)]+)\)|<(https:[^>]+)>", prose)),
        "numbered": len(re.findall(r"^\d\. ", prose, re.MULTILINE)),
        "items": len(re.findall(r"^- ", prose, re.MULTILINE)),
        "cells": [line.count("|") for line in prose.splitlines() if line.startswith("|")],
    }


def test_both_languages_say_the_same():
    assert outline(JAPANESE) == outline(README)
    headings = [re.findall(r"^#+ .*", text, re.MULTILINE) for text in (README, JAPANESE)]
    assert not set(headings[0][1:]) & set(headings[1][1:])  # translated, all but the name


def test_a_difference_between_the_languages_is_seen():
    for old, new in (
        ("## インストール", "インストール"),
        ("$ netparity run", "$ netparity walk"),
        ("`make test-all`", "`make all`"),
        ("(NOTICE)", "(LICENSE)"),
        ("| SAME |", "| SAME"),
    ):
        assert old in JAPANESE
        assert outline(JAPANESE.replace(old, new)) != outline(README)


def test_masking_still_sees_another_verdict():
    shown = blocks("console")[1]
    assert masked(shown) != masked(shown.replace("DIFFERENT", "SAME"))
    assert masked(shown) != masked(shown.replace("gradient b1, on", "gradient W2, on"))


def test_masking_hides_a_stimulus_only_where_a_quantity_agrees():
    shown = blocks("console")[1]
    table = shown[shown.index("quantity  ") :].splitlines()
    *agreeing, different = table[1:]
    assert len(agreeing) > 1
    for line in agreeing:
        other = line.replace(re.search(r"\d rows?, .*", line)[0], "1 row")
        assert other != line
        assert masked(other) == masked(line) != masked(f"{line}  DIFFERENT")
        assert masked(line) != masked(line.replace("rows", "columns"))
    other = re.sub(r"(\d rows?), .*(?=  DIFFERENT)", r"\1, duplicates", different)
    assert masked(different) != masked(other)


def test_options_that_are_named_exist(capsys):
    named = set(re.findall(r"--[a-z][a-z-]+", README)) - {"--help", "--index-url"}  # pip's
    for command in ("run", "check"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
    known = capsys.readouterr().out
    assert all(option in known for option in named)


def test_what_is_seen_is_what_was_measured():
    power = (ROOT / "docs" / "power.md").read_text(encoding="utf-8")

    def cells(line):
        return [cell.strip().replace(".0 %", " %") for cell in line.strip("|").split("|")]

    alarms, float64, float32 = (
        {cells(line)[0]: cells(line) for line in part.splitlines() if line.startswith("|")}
        for part in re.split(r"^## ", power, flags=re.MULTILINE)[1:4]
    )
    table = re.search(r"seen, float64.*?\n\|-.*?\n(.*?)\n\n", README, re.DOTALL)
    for line in table[1].splitlines():
        name, in_float64, in_float32, wrong = cells(line)
        name = name.strip("`").removeprefix("torch.testing.")
        name = "one line, 1e-5" if "1e-5" in name else name
        measured = float64[name][-2], float32[name][-2], alarms[name][1]
        assert (in_float64, in_float32, wrong.split()[0]) == measured
    assert len(table[1].splitlines()) == len(alarms) - 2  # all but the head


def test_links_and_figure_exist():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README + JAPANESE):
        assert (ROOT / target).exists(), target
