"""A link at whose other end nobody listens any more, as far as whoever comes by it can see."""

from __future__ import annotations

from emulator.faults.fault import Fault


class RefusedLink(Fault):
    """Connections are refused, and open ones are reset; the role itself is there, for everybody else."""

    kind = "refused"
