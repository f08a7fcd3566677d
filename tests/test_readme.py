"""What the README shows is what is printed, numbers and paths apart."""

import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from compare.options import parse_options

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def masked(text):
    """Return the words of a text; rows of losses, numbers, quantities and paths made equal."""
    lines = [line for line in text.splitlines() if not re.fullmatch(r"[\s\d.]*", line)]
    text = re.sub(r"(\S+ )?\S+ @\d+", "WORST", "\n".join(lines))
    text = re.sub(r"sha256 \w+", "sha256 HASH", text)
    text = re.sub(r"wrote \S+ and \S+", "wrote PATHS", text)
    text = re.sub(r"(?<![\w.=])-?\d[\d.,/]*(e[-+]?\d+)?(?![\w=])", "N", text)
    return text.split()


def test_the_first_command_prints_what_is_shown(mnist, tmp_path):
    command, shown = blocks("console")[0].split("\n", 1)
    assert command == "$ python compare/run.py"
    done = subprocess.run(
        [sys.executable, *command.split()[2:], "--steps", "31", "--out", str(tmp_path / "out")],
        cwd=ROOT, env={**os.environ, "NETPARITY_DATA": str(mnist)}, capture_output=True, text=True,
    )  # fmt: skip  # what, then how
    assert done.returncode == 0, done.stderr
    assert masked(done.stdout) == masked(shown)


def test_python_examples_run_and_the_failure_is_the_one_shown(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests")
    judged, in_a_test = blocks("python")
    out = io.StringIO()
    with redirect_stdout(out):
        exec(judged, {})
        exec(in_a_test, {})
    (shown,) = blocks("text")
    assert masked(out.getvalue()) == masked(shown)
    assert "First divergence: gradient b1" in shown


def test_masking_still_sees_another_verdict():
    (shown,) = blocks("text")
    assert masked(shown) != masked(shown.replace("DIFFERENT", "SAME"))
    assert masked(shown) != masked(shown.replace("gradient b1, on", "gradient W2, on"))


def test_options_that_are_named_exist():
    named = set(re.findall(r"--[a-z][a-z-]+", README)) - {"--help"}
    help_text = io.StringIO()
    with redirect_stdout(help_text), pytest.raises(SystemExit):
        parse_options(["--help"])
    assert all(option in help_text.getvalue() for option in named)


def test_links_and_figure_exist():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target
