"""Several files in one body, both ways, and what is none."""

import pytest

from emulator.errors import MalformedMessage
from emulator.protocol.report_batch import MOST_FILES, decode_batch, encode_batch

FILES = [("a1", b"one\n"), ("B2", b""), ("c3", b"\x00\xff c3 5\n")]


def test_what_went_in_comes_out() -> None:
    assert decode_batch(encode_batch(FILES)) == FILES
    assert decode_batch(b"") == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"a1", "file 1: a line with a key and a length"),
        (b"a1 4\none", "file 1 is shorter than 4 bytes"),
        (b"../a 1\nx", "file 1: a line"),
        (b"a1 -1\nx", "file 1: a line"),
        (b"a1 x\nx", "file 1: a line"),
        (b"a1 1\nxb2 1\n", "file 2 is shorter"),
        (b" 1\nx", "file 1: a line"),
        (b"a" * 5000 + b" 1\nx", "file 1: a line"),
        (encode_batch([("a", b"")] * (MOST_FILES + 1)), f"more than {MOST_FILES} files"),
    ],
)
def test_what_is_no_batch_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(MalformedMessage, match=says):
        decode_batch(body)
