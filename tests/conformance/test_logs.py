"""What tasks log and print reaches their author, once."""

from __future__ import annotations

import enum
import gc
import io
import logging
import logging.config
import sys
import warnings
from typing import Any

import pytest

from pymonik import PymonikContext, task

from .conftest import Connect


@pytest.fixture
def told(connect: Connect, caplog: pytest.LogCaptureFixture) -> Any:
    """Run a program; give the records of what its tasks have logged."""
    caplog.set_level(logging.DEBUG)

    def run(program: Any, **settings: Any) -> list[logging.LogRecord]:
        with connect(forward_logs=True, **settings):
            program()
        ours = ("pymonik.task", "pymonik.print", "mine")
        return [r for r in caplog.records if r.name.startswith(ours)]

    return run


@task(require_context=True)
def logs_a_level(ctx: PymonikContext) -> None:
    ctx.logger.warning("water is %s", "high", level=3, extra={"height": 7})
    ctx.logger.log(logging.ERROR, "flood", level=9)


def test_a_keyword_may_be_called_level(told: Any) -> None:
    records = told(lambda: logs_a_level.invoke().get())
    assert [(r.levelno, r.pymonik["level"]) for r in records] == [(30, 3), (40, 9)]


class Level(enum.IntEnum):
    HIGH = 3


class Word(str):
    def __str__(self) -> str:
        return self


class Share(float):
    pass


@task(require_context=True)
def logs_odd_fields(ctx: PymonikContext) -> None:
    ctx.logger.warning(Word("odd"), level=Level.HIGH, word=Word("w"), share=Share(0.5), none=None)
    logging.getLogger("mine").log(Level.HIGH * 10, Word("mine"))
    print(Word("printed"))


def test_fields_of_any_type_arrive_as_what_they_are(told: Any, backend: str) -> None:
    records = told(lambda: logs_odd_fields.invoke().get())
    fields = next(r.pymonik for r in records if r.name == "pymonik.task")
    assert (fields["level"], fields["word"], fields["share"]) == (3, "w", 0.5)
    assert fields["none"] is None
    if backend != "inline":  # there nothing travels
        assert [type(fields[n]) for n in ("level", "word", "share")] == [int, str, float]
    assert any("odd" in r.getMessage() for r in records)


def configure_anew() -> None:
    logging.config.dictConfig({"version": 1, "root": {"level": "CRITICAL", "handlers": []}})


def replace_streams() -> None:
    sys.stdout = sys.stderr = io.StringIO()


def close_stream() -> None:
    sys.stdout = None  # type: ignore[assignment]


def drop_handlers() -> None:
    logging.getLogger().handlers.clear()


def basic() -> None:
    logging.basicConfig(level=logging.CRITICAL, force=True, handlers=[logging.NullHandler()])


def disable() -> None:
    logging.disable(logging.CRITICAL)


MUTES = [configure_anew, replace_streams, close_stream, drop_handlers, basic, disable]


@task(require_context=True, chunk_size=3)
def mutes_then_tells(ctx: PymonikContext, way: int | None) -> None:
    """Do what would silence a process, or tell something in every way there is."""
    if way is not None:
        MUTES[way]()
        return
    logging.getLogger("mine").error("logged")
    ctx.logger.error("told")
    print("printed", flush=True)


@pytest.mark.parametrize("way", range(len(MUTES)), ids=[mute.__name__ for mute in MUTES])
@pytest.mark.parametrize("apart", [True, False], ids=["three units", "one unit"])
def test_a_task_that_silences_its_process_does_not_silence_the_next(
    told: Any, way: int, apart: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def program() -> None:
        if apart:
            for step in (None, way, None):
                mutes_then_tells.invoke(step).get()
        else:
            mutes_then_tells.map_invoke([None, way, None]).get()

    records = told(program, workers=1)
    texts = [r.getMessage() for r in records]
    assert sum("logged" in text for text in texts) == 2
    assert sum("told" in text for text in texts) == 2
    assert sum("printed" in text for text in [*texts, *capsys.readouterr().out.split()]) == 2


@task(require_context=True)
def logs(ctx: PymonikContext, x: int) -> int:
    ctx.logger.warning("careful: %d", x, strike=42)
    return x


def test_a_record_tells_its_task_element_and_attempt(told: Any) -> None:
    records = told(lambda: logs.map_invoke([5, 6]).get())
    assert [r.levelno for r in records] == [logging.WARNING] * 2
    assert sorted(r.pymonik["element"] for r in records) == [0, 1]
    assert {(r.pymonik["task"], r.pymonik["attempt"]) for r in records} == {("logs", 1)}
    assert {r.pymonik["strike"] for r in records} == {42}
    text = " ".join(r.getMessage() for r in records)
    assert "careful: 5" in text
    assert "careful: 6" in text


@pytest.mark.asynchronous
def test_any_logger_will_do(told: Any) -> None:
    @task
    def usual(x: int) -> None:
        logging.getLogger("mine.deep").error("as usual %d", x)

    (record,) = told(lambda: usual.invoke(7).get())
    assert (record.name, record.levelno) == ("mine.deep", logging.ERROR)
    assert "as usual 7" in record.getMessage()
    assert record.pymonik["task"] == "usual"


@pytest.mark.asynchronous
def test_an_exception_is_logged_with_its_traceback(
    told: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @task(require_context=True, retries=1)
    def fails(ctx: PymonikContext) -> None:
        try:
            raise ValueError("inner")
        except ValueError:
            ctx.logger.exception("it broke", where="here")
        if ctx.attempt == 1:
            raise RuntimeError("again")

    first, second = told(lambda: fails.invoke().get())
    assert (first.pymonik["attempt"], second.pymonik["attempt"]) == (1, 2)
    assert "attempt 2" in second.getMessage()
    assert "ValueError: inner" in first.exc_text
    assert caplog.text.count("ValueError: inner") == 2


@pytest.mark.asynchronous
def test_print_is_logged_line_by_line(told: Any) -> None:
    @task
    def talks(x: int) -> None:
        print("one", x)
        print("two", end="")
        print(" halves\nthree")
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        for percent in range(0, 101, 10):
            print(f"\r{percent} %", end="", flush=True)
        print("\nfour", end="")
        print("to the error stream", file=sys.stderr)

    records = told(lambda: talks.invoke(1).get())
    out = [r.pymonik_text for r in records if r.name.endswith("stdout")]
    assert out == ["one 1", "two halves", "three", "100 %", "four"]
    assert [r.pymonik_text for r in records if r.name.endswith("stderr")] == ["to the error stream"]
    assert {r.pymonik["task"] for r in records} == {"talks"}


def test_what_no_logger_shows_is_printed(
    connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    @task
    def talks(x: int) -> None:
        print("hello from", x)
        print("oh", file=sys.stderr)

    with connect(forward_logs=True):
        talks.map_invoke([1, 2]).wait().get()
    captured = capsys.readouterr()
    assert sorted(captured.out.splitlines()) == ["hello from 1", "hello from 2"]
    assert captured.err.splitlines() == ["oh", "oh"]


@pytest.mark.asynchronous
def test_warnings_are_shown(connect: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    @task
    def warns() -> None:
        warnings.simplefilter("always")
        warnings.warn("mind the gap", stacklevel=1)

    with connect(forward_logs=True):
        warns.invoke().get()
    assert "mind the gap" in capsys.readouterr().err


@pytest.mark.asynchronous
def test_sub_tasks_and_values_nobody_asks_for_are_heard_too(told: Any) -> None:
    @task
    def parent() -> Any:
        print("parent")
        logs.invoke(1)
        return [logs.invoke(2), 3]

    @task
    def alone() -> None:
        print("alone")

    def program() -> None:
        alone.invoke()
        assert parent.invoke().get() == [2, 3]

    texts = sorted(r.pymonik_text for r in told(program))
    assert texts == ["alone", "careful: 1 strike=42", "careful: 2 strike=42", "parent"]


@pytest.mark.asynchronous
def test_the_logs_of_a_task_that_failed_are_heard(told: Any) -> None:
    @task
    def fails() -> None:
        print("last words")
        raise ValueError("no")

    def program() -> None:
        assert isinstance(fails.invoke().exception(), ValueError)

    assert [r.pymonik_text for r in told(program)] == ["last words"]


@pytest.mark.asynchronous
def test_a_finalizer_may_print_at_any_time(told: Any) -> None:
    class Noisy:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            print("gone")

    @task
    def litter(x: int) -> int:
        for _ in range(200):
            Noisy()
        gc.collect()  # else the rest goes while a task of another test runs
        return x

    records = told(lambda: litter.map_invoke(range(20)).get())
    assert records[0].pymonik_text == "gone"


def test_what_comes_back_is_bounded(told: Any, backend: str) -> None:
    if backend != "emulator":
        pytest.skip("the embedded engine shows all of it")

    @task
    def floods(x: int) -> int:
        for number in range(2000):
            print(f"line {number} of many, each of them of some length or other")
        return x

    records = told(lambda: floods.invoke(1).get())
    assert 500 < len(records) < 1500
    assert "more lines are in the worker's own log" in records[-1].getMessage()


def test_a_long_line_comes_back_shortened(told: Any, backend: str) -> None:
    @task(require_context=True)
    def long(ctx: PymonikContext) -> None:
        ctx.logger.error("begin %s end", "x" * 100_000, data="y" * 100_000)

    (record,) = told(lambda: long.invoke().get())
    text = record.getMessage()
    assert "begin x" in text[:100]
    if backend == "emulator":
        assert "more characters are in the worker's own log" in text
        assert len(text) < 5_000
        assert len(record.pymonik["data"]) < 5_000
    else:
        assert len(record.pymonik["data"]) == 100_000


def test_logs_stay_on_the_cluster_unless_asked_for(
    connect: Connect, caplog: pytest.LogCaptureFixture, backend: str
) -> None:
    if backend != "emulator":
        pytest.skip("the embedded engine is here")
    caplog.set_level(logging.DEBUG)
    with connect():
        assert logs.map_invoke([1, 2]).get() == [1, 2]
    assert "careful" not in caplog.text


def test_a_task_called_plainly_logs_as_usual(caplog: pytest.LogCaptureFixture) -> None:
    assert logs(3) == 3
    assert "careful: 3" in caplog.text


@pytest.mark.parametrize("chunk", [1, 2])
def test_calls_that_fail_or_that_nobody_asks_for_are_heard_at_the_end(
    connect: Connect, caplog: pytest.LogCaptureFixture, chunk: int
) -> None:
    @task
    def talks(x: int) -> int:
        logging.getLogger("mine").warning("warned %s", x)
        if x == 1:
            raise ValueError("oops")
        return x

    def run() -> None:
        with connect(forward_logs=True):
            handles = talks.map_invoke(range(3), pmk_chunk_size=chunk)
            assert handles[0].get() == 0

    with pytest.raises(ValueError, match="oops"):
        run()
    heard = sorted(r.getMessage()[-8:] for r in caplog.records if r.name == "mine")
    assert heard == ["warned 0", "warned 1", "warned 2"]
