"""The guide's Python snippets, in order, and what each fragment assumes before and after it.

Enters: `docs/hello-armonik.md`. Leaves: programs. The snippets are never edited: a fragment only
gets a prelude (imports, the tasks and the file it speaks of) and an epilogue that looks at what it
made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "hello-armonik.md"


@dataclass(frozen=True)
class Frame:
    """What surrounds a snippet; `opening` is its first line, by which it is recognised."""

    opening: str
    prints: str
    prelude: str = ""
    epilogue: str = ""


# The guide's arrays are random: seeded, they are the same here and in the expected output.
SEED = "import numpy\nnumpy.random.seed(12)\n"
RANDOM_SUM = """
import numpy
numpy.random.seed(12)
print(sum(numpy.random.randint(0, 10, size=(3, 3)).sum() for _ in range(20)))
"""
OPENED = "from pymonik import Pymonik\nclient = Pymonik()\nclient.create()\n"
THRESHOLD = "import numpy as np\nfrom pymonik import Pymonik, task\n"

FRAMES = [
    Frame(
        'pymonik = Pymonik(partition="my_pymonik_partition")',
        "called 5\n",
        "from pymonik import Pymonik, task\n",
        "add = task(lambda a, b: a + b, function_name='add')\n"
        "print('called', add.invoke(2, 3, pymonik=pymonik).get())\npymonik.close()\n",
    ),
    Frame("from pymonik import Pymonik, task", "Hello World!\n"),
    Frame("@task", "25\n", "from pymonik import Pymonik, task\n"),
    Frame("from pymonik import Pymonik, task", "[6 6 6]\n"),
    Frame("from pymonik import Pymonik, task", RANDOM_SUM, SEED),
    Frame("from pymonik import Pymonik, task", RANDOM_SUM, SEED),
    Frame(
        'add_task = Task(lambda a, b: a+b, func_name="add")',
        "[12, 23] 4\n",
        "from pymonik import Task\n" + OPENED,
        "print(add_task.map_invoke([(1, 11), (2, 21)]).get(), client.stats.calls)\n"
        "client.close()\n",
    ),
    Frame(
        "numpy_sum = Task(np.sum)",
        "6\n",
        "import numpy as np\nfrom pymonik import Task\n" + OPENED,
        "print(numpy_sum.invoke([1, 2, 3]).get())\nclient.close()\n",
    ),
    Frame(
        "@task",
        "[4 6]\n",
        THRESHOLD,
        "with Pymonik():\n"
        "    print(vec_add.invoke(np.array([1, 2]), np.array([3, 4])).wait().get())\n",
    ),
    Frame(
        "VECTOR_SIZE_THRESHOLD = 512",
        "True 3000\n",
        THRESHOLD,
        "with Pymonik():\n"
        "    a, b = np.arange(3000), np.arange(3000)[::-1]\n"
        "    c = vec_add.invoke(a, b).wait().get()\n"
        "    print((c == 2999).all(), c.size)\n",
    ),
    Frame(
        "@task(require_context=True)",
        "None\n",
        "from pymonik import Pymonik, task\n",
        "with Pymonik():\n    print(my_task.invoke().wait().get())\n",
    ),
    Frame(
        "from pymonik import ResultHandle",
        "ResultHandle [0, 1] 4950\n",
        # The annotation of the snippet is `pd.Dataframe`, which pandas does not have.
        "from __future__ import annotations\n"
        "import pandas as pd\n"
        "from pymonik import Pymonik, task\n"
        "pd.DataFrame({'x': range(100), 'y': 1}).to_csv('some_data.csv', index=False)\n"
        "@task\ndef some_operation(df):\n    return df['x'].head(2).tolist()\n"
        "@task\ndef some_other_operation(df):\n    return int(df['x'].sum())\n",
        "    print(type(df_handle).__name__, some_operation.invoke(df_handle).get(),\n"
        "          some_other_operation.invoke(df_handle).get())\n",
    ),
    Frame(
        'pymonik1 = Pymonik( """""" )',
        "3 -1 2 2\n",
        "from pymonik import Pymonik, task\n"
        "arg1, arg2 = 1, 2\n"
        "@task\ndef my_task(a, b, sign=1):\n    return a + sign * b\n",
        "print(my_task.invoke(arg1, arg2, pymonik=pymonik1).get(),\n"
        "      my_task.invoke(arg1, arg2, -1, pymonik=pymonik2).get(),\n"
        "      pymonik1.stats.calls, pymonik2.stats.calls)\n"
        "pymonik1.close()\npymonik2.close()\n",
    ),
]


def snippets() -> list[str]:
    """Return the guide's ```py blocks, as they stand."""
    return re.findall(r"^```py\n(.*?)^```", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL)


def program(snippet: str, frame: Frame) -> str:
    """Return a snippet as a whole script."""
    return f"{frame.prelude}{snippet}\n{frame.epilogue}"
