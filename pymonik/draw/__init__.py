"""Drawings of graphs.

A small model is made once (`model`) and laid out once (`layout`); renderers only print it.
"""
