"""The graph: its nodes (`ir`), their text (`show`), its laws (`verify`) and its passes."""
