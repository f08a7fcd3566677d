"""--json is there whatever comes of the judging, and - leaves stdout to it alone."""

import json

import pytest

from compare import cli
from sampled import one_in
from test_check_command import OPTIMIZER, RIGHT, write

BACK = "        dy = softmax"
CASES = {
    "same": (RIGHT, [], 0),
    "convention refused": (RIGHT, ["--strict"], 1),
    "different": (RIGHT.replace("dh.sum(", "dh.mean("), [], 1),
    "ends itself": (RIGHT.replace(BACK, "        len(x) < 7 and exit()\n" + BACK), [], 1),
    "cannot be called": (RIGHT.replace("np.maximum", "np.minimun"), [], 2),
    "is not built": (RIGHT.replace("rng = np", "1 / 0; rng = np"), [], 2),
    "no network": ("", [], 2),
    "no Python": ("def f(:\n", [], 2),
    "no such argument": (RIGHT, ["--arg", "depth=4"], 2),
    "no such optimizer": (RIGHT + OPTIMIZER, ["--optimizer", "Adam"], 2),
}  # fmt: skip  # a file, options, the exit status


@pytest.mark.parametrize("to", one_in(2, ["file", "stdout"]))
@pytest.mark.parametrize(("text", "options", "status"), one_in(2, CASES.values()), ids=CASES)
def test_json_is_written_in_every_case(capsys, tmp_path, text, options, status, to):
    kept = tmp_path / "kept.json"
    arguments = [str(write(tmp_path, net=text)), "--json", "-" if to == "stdout" else str(kept)]
    assert cli.main(["check", *arguments, *options]) == status
    out, err = capsys.readouterr()
    found = json.loads(out if to == "stdout" else kept.read_text(encoding="utf-8"))
    assert kept.exists() == (to == "file")
    judged = found if isinstance(found, list) else [found]
    assert all(each["schema"] == 1 for each in judged)
    if status == 2:
        message = err.splitlines()[-1].removeprefix("netparity: ")
        assert judged[-1]["error"] == {"message": message, "exit_status": 2}
    else:
        assert found["verdict"] == ("SAME" if options or status == 0 else "DIFFERENT")
        assert f"{found['verdict']} " in (err if to == "stdout" else out)
    assert ("built" in out) == ("built" in out + err and to == "file")


@pytest.mark.parametrize("name", ["", ":TwoLayerNet", ":Nobody"])
def test_the_file_that_is_judged_is_never_overwritten(capsys, tmp_path, name):
    path = write(tmp_path, net=RIGHT)
    assert cli.main(["check", f"{path}{name}", "--json", str(path)]) == 2
    assert "is the file that is judged; choose another" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == RIGHT


def test_a_file_that_is_not_there_is_refused_in_json_too(capsys, tmp_path):
    kept = tmp_path / "kept.json"
    assert cli.main(["check", str(tmp_path / "none.py"), "--json", str(kept)]) == 2
    assert "none.py: no such file" in json.loads(kept.read_text())["error"]["message"]
