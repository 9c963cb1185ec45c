"""Pins: `# reveals: T` is what both checkers see, `# error` what both refuse; nothing else is."""
# ruff: noqa: F821, RUF005

from __future__ import annotations

from pymonik import (
    MultiResultHandle,
    Pymonik,
    PymonikContext,
    ResultHandle,
    as_completed,
    get_context,
    task,
)


@task
def add(a: int, b: int = 2) -> int:
    return a + b


@task
def name(x: int) -> str:
    return str(x)


one = add.invoke(1, 2)
many = add.map_invoke([(1, 2)])

reveal_type(one.wait())  # reveals: ResultHandle[int]
reveal_type(one.wait(timeout=1.5))  # reveals: ResultHandle[int]
reveal_type(one.get())  # reveals: int
reveal_type(one.get(timeout=1))  # reveals: int
reveal_type(one.wait().get())  # reveals: int
reveal_type(one.done())  # reveals: bool
reveal_type(one.cancel())  # reveals: bool
reveal_type(one.exception())  # reveals: BaseException | None
reveal_type(one.named("pv"))  # reveals: ResultHandle[int]
reveal_type(one.result_id)  # reveals: str
reveal_type(one["key"])  # reveals: ResultHandle[Any]
reveal_type(one.unpack(2))  # reveals: tuple[ResultHandle[Any], ...]
one.add_done_callback(lambda handle: print(handle.get() + 1))
one.gett()  # error
one.result_id = "other"  # error

reveal_type(many.wait())  # reveals: MultiResultHandle[int]
reveal_type(many.get())  # reveals: list[int]
reveal_type(many[0])  # reveals: ResultHandle[int]
reveal_type(many[1:])  # reveals: MultiResultHandle[int]
reveal_type(many + many[:1])  # reveals: MultiResultHandle[int]
reveal_type(many + [one])  # reveals: MultiResultHandle[int]
reveal_type(len(many))  # reveals: int
reveal_type(one in many)  # reveals: bool
reveal_type(list(many))  # reveals: list[ResultHandle[int]]
reveal_type([handle.get() for handle in many])  # reveals: list[int]
reveal_type(next(many.as_completed()))  # reveals: ResultHandle[int]
reveal_type(next(as_completed(many)))  # reveals: ResultHandle[int]
reveal_type(next(as_completed([one])))  # reveals: ResultHandle[int]
reveal_type(MultiResultHandle([one, one]))  # reveals: MultiResultHandle[int]
many.append(one)
many.extend([one])
many.extend(many)
many.append(3)  # error
many.append(name.invoke(3))  # error

# A handle of an int is a handle of an object, and never the other way round.
general: ResultHandle[object] = one
special: ResultHandle[bool] = one  # error


async def main() -> None:
    reveal_type(await one)  # reveals: int
    async for ended in as_completed(many):
        reveal_type(ended)  # reveals: ResultHandle[int]
    async for ended in many.as_completed(timeout=1):
        reveal_type(await ended)  # reveals: int


with Pymonik("localhost:5001", workers=2, optimize=False) as client:
    reveal_type(client)  # reveals: Pymonik
    reveal_type(client.put([1, 2]))  # reveals: ResultHandle[list[int]]
    reveal_type(client.put("text", name="note"))  # reveals: ResultHandle[str]
    reveal_type(client.put_many([1, 2])[0])  # reveals: ResultHandle[int]
    reveal_type(client.put_many([1, 2], names=["a", "b"])[1].get())  # reveals: int
    stored: ResultHandle[str] = client.put(3)  # error
    reveal_type(client.plan().calls)  # reveals: int
    reveal_type(client.stats.submissions)  # reveals: int
    client.flush()
    reveal_type(add.invoke(1, pymonik=client))  # reveals: ResultHandle[int]
    add.invoke(1, pymonik="client")  # error

Pymonik(wokers=2)  # error

context: PymonikContext = get_context()
reveal_type(context.task_name)  # reveals: str
reveal_type(context.attempt)  # reveals: int
reveal_type(context.element)  # reveals: int | None
context.logger.error("text", keyword=3)
