"""The hash of ours, BLAKE2b (RFC 7693), without all that `hashlib` loads along with it.

Enters: bytes. Leaves: digests. OpenSSL, which `hashlib` loads and which has no BLAKE2 of any length
and purpose, takes longer to load than most of PymoniK; whoever starts a program waits for it twice.
"""

from __future__ import annotations

try:
    from _blake2 import blake2b
except ImportError:  # a Python that was built without its own
    from hashlib import blake2b

__all__ = ["blake2b"]
