"""Classes, and objects that exist once, travel by value, each under a name."""
