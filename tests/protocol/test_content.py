from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import UnsafePath
from emulator.protocol.content import FileEntry, hash_file, hash_folder, package_hash, safe_relative

EMPTY = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"
ENTRIES = st.lists(
    st.tuples(
        st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True),
        st.integers(0, 2**40),
        st.from_regex(r"[0-9A-F]{64}", fullmatch=True),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda entry: entry[0],
)


def test_hash_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert hash_file(path) == EMPTY
    data = os.urandom(3 * 1024 * 1024 + 1)
    path.write_bytes(data)
    assert hash_file(path) == hashlib.sha256(data).hexdigest().upper()


def test_the_input_of_the_package_hash() -> None:
    lines = f"a/b\n1\n{EMPTY}\nc\n0\n{EMPTY}\n"
    expected = f"SHA256:{hashlib.sha256(lines.encode()).hexdigest().upper()}"
    assert package_hash([("c", 0, EMPTY), ("a/b", 1, EMPTY.lower())]) == expected


@given(ENTRIES, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None, database=None)
def test_any_change_shows(entries: list[tuple[str, int, str]], rng) -> None:
    original = package_hash(entries)
    shuffled = list(entries)
    rng.shuffle(shuffled)
    assert package_hash(shuffled) == original
    path, size, sha256 = entries[0]
    rest = entries[1:]
    for changed in (
        rest,
        [*entries, ("new/file/there", 0, EMPTY)],
        [(path + "x", size, sha256), *rest],
        [(path, size + 1, sha256), *rest],
        [(path, size, sha256[::-1] if sha256 != sha256[::-1] else EMPTY), *rest],
    ):
        assert package_hash(changed) != original


def test_hash_folder(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub" / "empty").mkdir(parents=True)
    (source / "b.txt").write_bytes(b"b")
    (source / "sub" / "a.txt").write_bytes(b"")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (source / "link").symlink_to(outside / "secret")
    (source / "folder").symlink_to(outside, target_is_directory=True)
    digest, files = hash_folder(source)
    assert files == [
        FileEntry("b.txt", 1, hashlib.sha256(b"b").hexdigest().upper()),
        FileEntry("sub/a.txt", 0, EMPTY),
    ]
    assert digest == package_hash((f.path, f.size, f.sha256) for f in files)
    assert hash_folder(outside)[0] != digest


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (tmp_path / name).write_bytes(b"")
    digest, files = hash_folder(tmp_path)
    assert [file.path for file in files] == [name]
    assert digest.startswith("SHA256:")


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("a", "a"),
        ("setup/data.cab", "setup/data.cab"),
        ("a//b/./c", "a/b/c"),
        ("a/", "a"),
        ("..a/b..", "..a/b.."),
        ("Program Files/\u00e9\u4e2d.txt", "Program Files/\u00e9\u4e2d.txt"),
        ("x" * 255, "x" * 255),
    ],
)
def test_safe(path: str, safe: str) -> None:
    assert safe_relative(path) == PurePosixPath(safe)


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "./", "/", "//", "/etc/passwd", "..", "../a", "a/..", "a/../b", "./..", "a/b/../../..",
        "\\", "a\\b", "..\\a", "C:", "C:/a", "c:a", "a:stream", "a\0", "\0", "a\nb", "\x1f", "a\tb",
        "\ud800", "a/\udcff", "x" * 256, "a/" + "\u00e9" * 128,
    ],
    ids=lambda path: ascii(path[:20]),
)  # fmt: skip
def test_unsafe(path: str) -> None:
    with pytest.raises(UnsafePath):
        safe_relative(path)


@given(st.text(st.sampled_from("a./\\:\0\n~% \ud800"), max_size=12))
@settings(max_examples=200, deadline=None, database=None)
def test_what_is_safe_stays_inside(path: str) -> None:
    try:
        safe = safe_relative(path)
    except UnsafePath:
        return
    assert Path(os.path.normpath(Path("/folder") / safe)).is_relative_to("/folder/")
    assert safe.parts
    assert safe_relative(str(safe)) == safe
