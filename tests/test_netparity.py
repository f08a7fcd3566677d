"""`import netparity` is the public face, wherever it is imported from."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import compare
import netparity

ROOT = Path(__file__).parents[1]
JUDGES = """
import netparity, numpy
assert netparity.check_function(numpy.tanh, __import__("torch").tanh, numpy.ones(3)).verdict
"""


def test_the_names_are_those_of_compare():
    assert netparity.__all__ == compare.__all__
    assert all(getattr(netparity, name) is getattr(compare, name) for name in compare.__all__)
    with pytest.raises(AttributeError, match="'netparity' has no attribute 'check'"):
        netparity.check  # noqa: B018  # what is read is the error


def test_it_is_found_in_the_folder_above_a_clone_of_its_name(tmp_path):
    (tmp_path / "netparity").mkdir()
    (tmp_path / "netparity" / "README.md").touch()
    done = subprocess.run([sys.executable, "-c", JUDGES], cwd=tmp_path, check=False,
                          capture_output=True, text=True)  # fmt: skip  # what, then how
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_wheel_holds_all_that_is_imported(tmp_path):
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    # In the place of the editable install, whose folder is not on the path with -S.
    others = [path for path in sys.path if path and Path(path) not in (ROOT, ROOT / "tests")]
    code = f"import sys; sys.path[:] = {[str(tmp_path / 'installed'), *others]!r}\n{JUDGES}"
    code += f"assert netparity.__file__.startswith({str(tmp_path)!r}), netparity.__file__\n"
    code += "import compare.port.check, netparity_plugin, scratch, torch_ref\n"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=tmp_path, check=False,
                          capture_output=True, text=True)  # fmt: skip  # as above
    assert done.returncode == 0, done.stderr
