"""Drawings of graphs: a small model made once (`model`), laid out once (`layout`), and renderers
that only print it.
"""
