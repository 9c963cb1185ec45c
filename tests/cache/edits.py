"""Edits of a program in one place: another constant, operator or name, or two that change places.

Enters: sources, a random generator. Leaves: the sources with one of them edited.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable
from typing import Any

from .programs import Program

_OPERATORS = (ast.Add, ast.Sub, ast.Mult)
_COMPARISONS = (ast.Lt, ast.Gt, ast.LtE, ast.GtE, ast.Eq, ast.NotEq)


def edited(chance: random.Random, program: Program) -> Program:
    """Edit one random place of a program."""
    while True:
        name = chance.choice(["main", "main", "main", *program.sources])
        tree = ast.parse(program.sources[name])
        if not chance.choice(EDITS)(chance, tree):
            continue
        try:
            text = ast.unparse(ast.fix_missing_locations(tree))
            same = ast.dump(ast.parse(text)) == ast.dump(ast.parse(program.sources[name]))
        except Exception:  # it is no program any more
            continue
        if not same:
            return Program({**program.sources, name: text})


def _of(tree: ast.AST, *kinds: type) -> list[Any]:
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def _constant(chance: random.Random, tree: ast.AST) -> bool:
    places = _of(tree, ast.Constant)
    if not places:
        return False
    place = chance.choice(places)
    place.value = chance.choice(_others(place.value))
    return True


def _others(value: Any) -> list[Any]:
    if isinstance(value, bool) or value is None:
        return [not value, int(bool(value)), 1.0]
    if isinstance(value, int):
        return [
            value + 1,
            value - 1,
            float(value),
            value == 1,
            -0.0,
            f"{value}",
            f"{value}".encode(),
        ]
    if isinstance(value, float):
        return [-value, value + 1, int(value)]
    if isinstance(value, bytes):
        return [value + b"z", value.decode()]
    return [value + "z", value[::-1], value.encode()] if isinstance(value, str) else [0]


def _swap_constants(chance: random.Random, tree: ast.AST) -> bool:
    return _swap(chance, _of(tree, ast.Constant), "value")


def _swap_names(chance: random.Random, tree: ast.AST) -> bool:
    loads = [n for n in _of(tree, ast.Name) if isinstance(n.ctx, ast.Load)]
    return _swap(chance, loads, "id")


def _swap_attributes(chance: random.Random, tree: ast.AST) -> bool:
    return _swap(chance, _of(tree, ast.Attribute), "attr")


def _swap_targets(chance: random.Random, tree: ast.AST) -> bool:
    stores = [n for n in _of(tree, ast.Name) if isinstance(n.ctx, ast.Store)]
    return _swap(chance, stores, "id")


def _swap(chance: random.Random, places: list[Any], field: str) -> bool:
    if len(places) < 2:
        return False
    one, other = chance.sample(places, 2)
    first, second = getattr(one, field), getattr(other, field)
    setattr(one, field, second)
    setattr(other, field, first)
    return True


def _operator(chance: random.Random, tree: ast.AST) -> bool:
    places = _of(tree, ast.BinOp, ast.AugAssign)
    if places:
        chance.choice(places).op = chance.choice(_OPERATORS)()
    return bool(places)


def _comparison(chance: random.Random, tree: ast.AST) -> bool:
    places = _of(tree, ast.Compare)
    if places:
        chance.choice(places).ops[0] = chance.choice(_COMPARISONS)()
    return bool(places)


def _swap_items(chance: random.Random, tree: ast.AST) -> bool:
    """Let two neighbours in a list of any kind change places: statements, arguments, bases."""
    lists = [
        items
        for node in ast.walk(tree)
        for _, items in ast.iter_fields(node)
        if isinstance(items, list) and len(items) > 1
    ]
    items = chance.choice(lists)
    place = chance.randrange(len(items) - 1)
    items[place], items[place + 1] = items[place + 1], items[place]
    return True


def _drop(chance: random.Random, tree: ast.AST) -> bool:
    """Drop a decorator, a default or a statement."""
    lists = [
        items
        for node in ast.walk(tree)
        for field, items in ast.iter_fields(node)
        if (field == "decorator_list" and items) or (field == "body" and _is_long(items))
    ]
    if not lists:
        return False
    items = chance.choice(lists)
    del items[chance.randrange(len(items))]
    return True


def _is_long(items: Any) -> bool:
    return isinstance(items, list) and len(items) > 1


EDITS: list[Callable[[random.Random, ast.AST], bool]] = [
    *([_constant] * 4),
    *(_swap_constants, _swap_names, _swap_attributes, _swap_targets),
    *(_operator, _comparison, _swap_items, _swap_items, _drop),
]
