"""Each golden pair: the pass makes that graph of it, and the values stay what they were."""

from __future__ import annotations

import pytest

from pymonik.graph.passes import PASSES

from . import golden
from .golden import Pair

PAIRS = [(name, pair) for name in PASSES for pair in golden.read(name)]
each_pair = pytest.mark.parametrize(
    ("name", "pair"), PAIRS, ids=[f"{name}: {pair.title}" for name, pair in PAIRS]
)


def test_every_pass_has_its_golden_file_and_no_other_is_there() -> None:
    assert {path.stem for path in golden.FOLDER.iterdir()} == set(PASSES)


@each_pair
def test_a_pass_makes_the_graph_of_its_golden_file(name: str, pair: Pair) -> None:
    made = golden.compiled(name, pair)
    assert made.before == pair.before
    assert made.after == pair.after


@each_pair
def test_both_sides_of_a_pair_give_the_same_values(name: str, pair: Pair) -> None:
    # Compared as text: 1, 1.0 and True are different values.
    with_pass, without = (repr(golden.values(name, pair, on)) for on in (True, False))
    assert with_pass == without


@pytest.mark.thorough
def test_some_pairs_keep_values_and_some_have_effects() -> None:
    found = [golden.values(name, pair, with_pass=True) for name, pair in PAIRS]
    assert sum(bool(values) for values, _ in found) > 40
    assert sum(bool(effects) for _, effects in found) > 4
