"""Like the tests of graphs, these look at what plans hold."""

from tests.graph.conftest import no_modules_of_tests

__all__ = ["no_modules_of_tests"]
