"""What hurts whoever changes it has a comment: locks, threads, and numbers that were chosen.

Of a lock it says what it guards, of a thread what it does and who ends it, of a number why it is
that one, or what it trades off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.conftest import REPOSITORY

# A lock, or what has one, or a thread, that is made; not a type that is named.
_MADE = re.compile(
    r"(?<!type\()\b(?:threading\.(?:Lock|RLock|Condition|Event|Semaphore|BoundedSemaphore|Barrier"
    r"|Thread|Timer)|SafeCondition|ThreadPoolExecutor|DaemonPool|yielding_lock|PatientLock|Latch"
    r"|SimpleQueue)\("
    r"|default_factory=threading\.\w+"
)
# A constant of a module that is a number, a product of numbers, or several.
_NUMBER = re.compile(r"^\w+(?:, \w+)*(?:: [^=\n]+)? = [-(]*\d[-\w.(),<>+* ]*$", re.MULTILINE)


def _bare(text: str) -> Iterator[int]:
    """Yield the numbers of the lines that need a comment and have none, there or right above."""
    for match in (*_MADE.finditer(text), *_NUMBER.finditer(text)):
        before = text[: match.start()].split("\n")
        line = before.pop() + text[match.start() :].split("\n", 1)[0]
        is_told = "#" in line or (before and before[-1].lstrip().startswith("#"))
        if not is_told and not line.lstrip().startswith(("class ", "def ")):
            yield len(before) + 1


def test_locks_threads_and_numbers_have_a_comment() -> None:
    bare = [
        f"{path.relative_to(REPOSITORY)}:{number}"
        for path in sorted((REPOSITORY / "pymonik").rglob("*.py"))
        for number in _bare(path.read_text(encoding="utf-8"))
    ]
    assert not bare, (
        "say in a comment, on the line or right above, what the lock guards, who ends the thread, "
        f"or why the number is that one: {', '.join(bare)}"
    )


def test_what_needs_a_comment_is_found() -> None:
    needs = ("_LIMIT = 64 << 10", "A, B = 1.0, -2e3", "N: int = 5", "    lock = threading.Lock()")
    others = (*(f"{line}  # why" for line in needs), "class C(threading.Thread):", "A = f(1)")
    assert [list(_bare(line)) for line in needs] == [[1]] * len(needs)
    assert [list(_bare(line)) for line in others] == [[]] * len(others)
    assert list(_bare(f"# Why.\n{needs[0]}\n{needs[1]}")) == [3]
