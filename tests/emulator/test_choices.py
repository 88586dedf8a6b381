"""What a type lists is named; what may be anything is not."""

from typing import Annotated, Any, Literal

import pytest

from emulator.choices import choices


@pytest.mark.parametrize(
    ("annotation", "names"),
    [
        (Literal["up", "down"], ("up", "down")),
        (Literal["up", "down"] | None, ("up", "down")),
        (Annotated[Literal[1, 2], "numbers"], ("1", "2")),
        (str | None, ()),
        (dict[str, float], ()),
        (None, ()),
    ],
)
def test_choices(annotation: Any, names: tuple[str, ...]) -> None:
    assert choices(annotation) == names
