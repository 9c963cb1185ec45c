"""Text that comes from elsewhere: names, statuses, errors, URLs, whoever has written them.

Enters: any text. Leaves: one that a terminal, a page and a log show as it is: nothing in it moves a
cursor, ends a line, turns the direction of writing, or opens a door.
"""

from __future__ import annotations

import re

# Bytes of a text that a cluster is sent: it copies some of them to every dependent of a task.
STORED = 16 << 10
# Patterns are compiled where one is first needed, which in most programs is nowhere.
_REFUSED = "[\0\ud800-\udfff]"
_CUT = " … "
# In a URL; and where a text begins with them, as an endpoint without a scheme does.
_CREDENTIALS = r"(?<=://)[^/?#\s]*@|^[^/?#\s:@]+:[^/?#\s@]*@"
# In what is no URL, as a path has one slash of two, a slip another character, a password a slash:
# shown as if it were. A port is no password. Each name is looked at once, from its beginning.
_ALMOST = r"(?<![^/?#\s:@'\"])[^/?#\s:@'\"]*:(?!//|\d+/)[^\s:@'\"]+@"


def harmless(text: str, lines: bool = False) -> str:
    """Return a text with all that is not printable written as an escape; idempotent.

    lines: line breaks and tabs stay, for a text that is more than a name. A carriage return never
    does: it lets a terminal write over what stands there.
    """
    if text.isprintable():
        return text
    allowed = "\n\t" if lines else ""
    return "".join([c if c.isprintable() or c in allowed else _escape(c) for c in text])


def storable(text: str, limit: int = STORED) -> str:
    """Return a text that messages and databases take: what they refuse is shown as an escape.

    PostgreSQL refuses NUL, UTF-8 has no lone surrogates. limit: bytes; the middle is cut out first,
    since the end of an error says as much as its beginning. Idempotent.
    """
    if re.search(_REFUSED, text):
        text = re.sub(_REFUSED, lambda match: _escape(match[0]), text)
    if len(text) * 4 <= limit or len(data := text.encode()) <= limit:
        return text
    half = (limit - len(_CUT.encode())) // 2
    head, tail = data[:half].decode(errors="ignore"), data[-half:].decode(errors="ignore")
    return f"{head}{_CUT}{tail}"


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode()


def first_unprintable(text: str) -> str:
    """Return what is not printable in a text, as an escape; "" when nothing is."""
    return "" if text.isprintable() else _escape(next(c for c in text if not c.isprintable()))


def demand_printable(what: str, text: str) -> str:
    """Return a text that can be an option of a program or a cluster; ValueError when it cannot.

    A line break in one would begin another.
    """
    found_character = first_unprintable(text)
    if found_character:
        raise ValueError(
            f"{what}: {harmless(redacted(text))!r} has a control character ({found_character})"
        )
    return text


def redacted(text: str) -> str:
    """Return a text with stars for the user and password in every URL in it."""
    return re.sub(_ALMOST, "***@", re.sub(_CREDENTIALS, "***@", text)) if "@" in text else text


def without_credentials(text: str) -> str:
    """Return a text without the user and password in every URL in it."""
    return re.sub(_CREDENTIALS, "", text) if "@" in text else text
