"""The policy cache: on disk, with the latest in memory too, and never more than it says."""

from __future__ import annotations

from pathlib import Path

from emulator.management_point import policy_cache
from emulator.management_point.policy_cache import PolicyCache
from emulator.protocol.policy import PolicyVersion


async def test_a_body_is_on_disk_for_the_next_management_point(tmp_path: Path) -> None:
    policy = PolicyVersion("{A}", "1.00")
    await PolicyCache(tmp_path).put(policy, b"body")
    assert PolicyCache(tmp_path).get(policy) == b"body"
    assert PolicyCache(tmp_path).get(PolicyVersion("{A}", "2.00")) is None


async def test_a_body_read_a_moment_ago_is_not_read_again(tmp_path: Path) -> None:
    cache, policy = PolicyCache(tmp_path), PolicyVersion("{A}", "1.00")
    await cache.put(policy, b"body")
    assert cache.get(policy) == b"body"
    for file in tmp_path.iterdir():
        file.unlink()
    assert cache.get(policy) == b"body"


async def test_memory_holds_few_and_small_bodies(tmp_path: Path) -> None:
    cache = PolicyCache(tmp_path)
    large = PolicyVersion("{L}", "1.00")
    await cache.put(large, bytes(policy_cache._LARGEST_IN_MEMORY + 1))
    assert cache.get(large) is not None
    assert not cache._recent
    for number in range(policy_cache._IN_MEMORY + 5):
        policy = PolicyVersion(f"{{{number}}}", "1.00")
        await cache.put(policy, b"body")
        assert cache.get(policy) == b"body"
    assert len(cache._recent) == policy_cache._IN_MEMORY
