"""Like the tests of graphs, these look at code: the modules of the tests themselves stay out."""

from tests.graph.conftest import no_modules_of_tests

__all__ = ["no_modules_of_tests"]
