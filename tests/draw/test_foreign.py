"""Names, statuses and errors that somebody else has chosen are harmless in whatever shows them."""

from __future__ import annotations

import json
import logging
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymonik import Pymonik, Task
from pymonik.analysis.session.tasks import SessionTask
from pymonik.cli.tables import indented, table
from pymonik.draw.formats import FORMATS
from pymonik.draw.html import Stage, page
from pymonik.draw.model import Box, Drawing, Link
from pymonik.draw.tasks import drawing_of_tasks
from pymonik.runs.record import RunRecord
from pymonik.runs.trace import chrome, timeline
from pymonik.runtime.worker.logs import Clef
from pymonik.values.foreign import harmless, redacted, without_credentials
from pymonik.values.outcome import Failure

# A title for a terminal, a screen to clear, a line of its own, the other direction, marks of all
# that draws: HTML, DOT, Mermaid, XML, rich.
NASTY = (
    "\x1b]0;owned\x07\x9b2J\r\nroot: \u202egnp.exe\u2028\x00\ud800\ufffe"
    '<script>alert(1)</script>" ]];x-->y \'%%{init:{}}%%`#quot;\\N\\\\"[/red][bold]&lt;]]>'
)
ALL = (NASTY,)
BOX = Box((NASTY, "f"), 3, 2, NASTY, True, ALL, 4, ((NASTY, NASTY),), status=NASTY, notes=ALL)
DRAWING = Drawing((BOX, Box(("g",))), (Link(0, 1, 2),))
CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe]"
)


@given(st.text())
def test_a_harmless_text_is_printable_and_stays_as_it_is(text: str) -> None:
    assert harmless(text).isprintable()
    assert harmless(harmless(text)) == harmless(text)
    assert harmless(text, lines=True).replace("\n", "").replace("\t", "").isprintable()
    assert text != harmless(text) or text.isprintable()


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_has_a_control_character_or_a_line_of_a_name(form: str) -> None:
    written = FORMATS[form](DRAWING)
    assert not CONTROL.search(written)
    assert not any(line.startswith("root: ") for line in written.splitlines())
    if form not in ("terminal", "dot", "json"):  # which know no mark-up of this kind
        assert "<script>alert" not in written


def test_svg_and_graphml_are_well_formed() -> None:
    for form in ("svg", "graphml"):
        root = ElementTree.fromstring(FORMATS[form](DRAWING))
        assert not [element for element in root.iter() if element.tag.endswith("script")]


def test_dot_and_mermaid_keep_names_inside_their_labels() -> None:
    dot = FORMATS["dot"](DRAWING)
    for label in re.findall(r'label="(.*?)(?<!\\)(?:\\\\)*"', dot):
        assert "script" in label or "g" in label or label == "2"
    assert len(dot.splitlines()) == len(FORMATS["dot"](_with_names("n")).splitlines())
    mermaid = FORMATS["mermaid"](DRAWING)
    assert len(mermaid.splitlines()) == len(FORMATS["mermaid"](_with_names("n")).splitlines())
    (label,) = re.findall(r'n0\[\["(.*)"\]\]$', mermaid, re.MULTILINE)
    assert not set('"`%{}<>') & set(label.replace("<br>", ""))


def _with_names(name: str) -> Drawing:
    box = Box((name, "f"), 3, 2, "calls", True, (name,), 4, (), 1, (), None, "", (name,))
    return Drawing((box, Box(("g",))), (Link(0, 1, 2),))


def test_pages_have_no_mark_up_of_others() -> None:
    record = RunRecord(NASTY, 1.0, NASTY, NASTY, 1)
    record.spans = [(0, NASTY, 0.0, 1.0, 1)]
    for written in (page(NASTY, [Stage("s", NASTY, DRAWING)]), timeline(record)):
        assert "<script>alert" not in written
        assert not CONTROL.search(written.replace("\t", ""))
    assert not CONTROL.search(chrome(record))


def test_tasks_of_a_session_are_harmless() -> None:
    task = SessionTask(NASTY, NASTY, NASTY, ("x",), ALL, (), 1.0, ((NASTY, NASTY),), NASTY)
    for form, write in FORMATS.items():
        assert not CONTROL.search(write(drawing_of_tasks([task], {}))), form


def test_tables_and_what_others_said_keep_their_lines() -> None:
    assert len(table([(NASTY, "a"), ("b", NASTY)]).splitlines()) == 2
    assert not CONTROL.search(table([(NASTY, "a")]))
    assert all(line.startswith("    ") for line in indented(f"a\n{NASTY}").splitlines()[1:])


def test_the_story_of_a_failure_moves_no_cursor() -> None:
    failure = Failure("error", NASTY, NASTY, NASTY, 0, NASTY, 2, NASTY, path=ALL, lost=NASTY)
    assert not CONTROL.search(str(failure.error()))


def test_a_log_line_is_one_line_of_json_whatever_is_in_it() -> None:
    record = logging.LogRecord(NASTY, logging.INFO, "", 0, "%s", (NASTY,), None)
    fields = {"logger": "mine", "@t": "mine", NASTY: NASTY, "nan": float("nan"), "inf": -1e999}
    record.pymonik = fields
    written = Clef().format(record)
    assert not CONTROL.search(written)
    assert "\n" not in written

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    line = json.loads(written, parse_constant=refuse)
    assert (line["logger"], line["@logger"], line["@@t"]) == (NASTY, "mine", "mine")


@pytest.mark.parametrize(
    ("text", "stars", "none"),
    [
        ("a https://joe:pw@h/x b", "a https://***@h/x b", "a https://h/x b"),
        ("git+https://tok@h, http://a:b@c", "git+https://***@h, http://***@c", "git+https://h, http://c"),
        ("https://joe:p@w@h/x", "https://***@h/x", "https://h/x"),
        ("joe:pw@host:1", "***@host:1", "host:1"),
        ("a https:=//joe:pw@h", "a https:=//***@h", "a https:=//joe:pw@h"),
        ("https://joe:p/w@h", "https://***@h", "https://joe:p/w@h"),
        ("git+https://h:8080/x.git@v1", "git+https://h:8080/x.git@v1", "git+https://h:8080/x.git@v1"),
        ("no /a/https:/joe:pw@h/x", "no /a/https:/***@h/x", "no /a/https:/joe:pw@h/x"),
        ("six @ https://h/x@1", "six @ https://h/x@1", "six @ https://h/x@1"),
        ("joe@example.org wrote", "joe@example.org wrote", "joe@example.org wrote"),
    ],
)  # fmt: skip
def test_credentials_are_no_part_of_a_message(text: str, stars: str, none: str) -> None:
    assert redacted(text) == stars
    assert without_credentials(text) == none


def test_what_shows_itself_moves_no_cursor() -> None:
    named = Task(abs, func_name=NASTY)
    with Pymonik(backend="inline") as client:
        handle = named.invoke(-1)
        plan = client.plan()
        for one in (named, handle, handle.wait(), *plan.units, *plan.graph.nodes):
            assert not CONTROL.search(repr(one)), repr(one)
