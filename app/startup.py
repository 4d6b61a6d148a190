"""Starting: what refuses it, and how the garbage collector rests while the program is put together.

Hundreds of modules make hundreds of thousands of objects that stay, and the collector would go through all of
them again and again in search of some that do not: a sixth of the time of a start.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


class StartRefused(Exception):
    """The program does not start like this; the text says why and what to do, for a person at a shell."""


@contextmanager
def putting_together() -> Iterator[None]:
    """No collection in this block; what is there at its end the collector never looks at again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
