"""How numba compiles functions: without Python's lock, and cached where NUMBA_CACHE_DIR names a folder for that.

Numba's own choice of a folder fails where neither the package nor the user's home can be written. It does not see a
change of a compiled function in another file, so a cache must not outlive the code.
"""

import os

import numba

compiled = numba.njit(nogil=True, cache="NUMBA_CACHE_DIR" in os.environ)
"""Decorator of functions to compile."""
