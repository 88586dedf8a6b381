"""Labs that start together get addresses of their own."""

from __future__ import annotations

import asyncio

from fixtures.lab.address_space import claim, release


async def test_two_labs_at_the_same_moment(image: str) -> None:
    labs = ["cmemu-claim-a", "cmemu-claim-b", "cmemu-claim-c"]
    try:
        prefixes = await asyncio.gather(*(claim(lab) for lab in labs))
        assert len(set(prefixes)) == len(labs)
    finally:
        await asyncio.gather(*(release(lab) for lab in labs))
