"""Golden reports: what is said of many networks, optimisers and runs is what was said of them."""

import pytest

import golden
from golden_items import ITEMS

KEPT = golden.read()
SEARCHED = ("pair/", "strange/", "batchnorm", "dgamma", "running", "float32")
"""Where the search for causes takes a second or more, in words of the keys of wrong code."""

SHORT = [
    key
    for key in ITEMS
    if key.startswith(("right/", "run/")) or not any(word in key for word in SEARCHED)
]
QUICK = {*SHORT[::20]}
"""What `make test` looks at."""


@pytest.mark.parametrize(
    "key",
    [pytest.param(key, marks=[] if key in QUICK else [pytest.mark.slow]) for key in ITEMS],
)
def test_what_is_said_is_what_was_said(key):
    changed = golden.differences(key, KEPT.get(key, {}), golden.computed(key))
    assert not changed, "\n".join([*changed, golden.CHANGE])


def test_each_item_is_kept_once_and_nothing_else():
    assert [*KEPT] == [*ITEMS]
    assert golden.GOLDEN.read_text(encoding="utf-8") == golden.written(KEPT)


def test_a_change_is_said_part_by_part():
    was = {"verdict": "SAME", "judged": {"places": 7}}
    now = {"verdict": "DIFFERENT", "judged": {"places": 7}, "first": "loss, 7 rows"}
    assert golden.differences("k", was, was) == []
    assert golden.differences("k", was, now) == [
        "k: verdict was 'SAME', is 'DIFFERENT'",
        "k: first was None, is 'loss, 7 rows'",
    ]
