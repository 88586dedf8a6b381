"""What the journal takes of memory and disk: ``python -m tests.benchmarks.journal_size``.

A million messages of the size of a policy poll are recorded, as fast as can be, in a ring of the size that
a role has unless told otherwise; printed are what the process has grown by, what lies on disk, and how long a
search takes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from emulator.clock import Clock
from emulator.control.journal import Journal
from emulator.message_journal import MessageJournal
from emulator.site import JOURNAL

MIB = 1 << 20
BODY = "<ClientRegistrationRequest/>" * 40  # 1.1 kB


def resident() -> int:
    """Bytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    messages = parser.parse_args().messages
    with tempfile.TemporaryDirectory(prefix="cmemu-bench-") as temporary:
        folder = Path(temporary)
        ring = MessageJournal(folder, Clock(), JOURNAL)
        before, began = resident(), time.perf_counter()
        for number in range(messages):
            seen = ("CCM_POST", "/ccm_system/request", 200, len(BODY))
            ring.record(seen, {"client": f"PC{number}", "body": BODY}, began)
        took, grown = time.perf_counter() - began, resident() - before
        ring.close()
        on_disk = sum(path.stat().st_size for path in folder.iterdir())
        began = time.perf_counter()
        newest = Journal({"management_point": folder}).search(limit=1)[0].number
        searched = time.perf_counter() - began
    print(
        f"{messages} messages in {took:.1f} s: {grown / MIB:.1f} MiB of memory, "
        f"{on_disk / MIB:.1f} MiB on disk (limit {JOURNAL / MIB:g} MiB); "
        f"the newest is number {newest}, found in {searched:.2f} s"
    )
    return 0 if on_disk <= JOURNAL and newest == messages else 1


if __name__ == "__main__":
    sys.exit(main())
