"""What can be read from a distribution point: a file or a collection, whatever it is made of.

Reading, listing and PROPFIND know only this; package store, content library and signature files say
what there is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


def _nothing() -> Iterable[Resource]:
    return ()


@dataclass(frozen=True, slots=True)
class Resource:
    """A file (its size is known) or a collection."""

    name: str
    modified: int  # seconds since 1970
    size: int | None = None
    etag: str = ""  # without the quotes; strong
    content: Path | bytes = b""
    children: Callable[[], Iterable[Resource]] = _nothing

    @property
    def is_collection(self) -> bool:
        return self.size is None


def text_file(name: str, modified: int, text: bytes) -> Resource:
    """A file that is made when it is read, and always comes out the same."""
    return Resource(name, modified, len(text), hashlib.sha256(text).hexdigest(), text)
