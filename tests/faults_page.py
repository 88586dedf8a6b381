"""The page of every kind of fault: ``python -m tests.faults_page`` writes ``docs/faults.md``.

The tables are made from the kinds themselves, so that the page cannot leave one out or name a setting
that there is not.
"""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from emulator.faults.exchange import PLACES
from emulator.faults.fault import CLIENTS, Fault, RoleFault
from emulator.faults.registry import KINDS
from emulator.faults.wire_fault import ENDPOINTS, WireFault

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "faults.md"

INTRODUCTION = """\
# Faults

Written by `python -m tests.faults_page` from the faults themselves; a test fails when it is out of date.

A fault is a small table: in a scenario file, on the control port, or as a `dict` from Python.

```python
spec = {"kind": "latency", "on": "clients -> management_point", "seconds": 0.2, "client": "PC01", "first": 3}
fault = await site.set_fault(spec)
site.faults()  # [FaultStatus(id='latency-1', spec={...}, hits=2, active=True, lifted=False)]
await site.lift_fault(fault)  # or site.lift_faults(); Site.stop() lifts what is left
```

- An unknown kind, setting, selector, value or scope is refused with `FaultRefused` when the fault is set,
  and the message lists what is valid. What cannot be done here (SIGKILL within one process, a mount
  without root, a link in a site without links) is refused by name; no fault is quietly replaced by a
  weaker one.
- Setting and lifting are operations in the site's history, with what was really done to which role or
  link.
- What is under way when a fault is set meets it, and goes on when it is lifted.

## Where: `on`

A role (`management_point`, `distribution_point_2`), a kind of role, a computer (`MP1`: every role on it
that can have the fault), a link `source -> target`, or for `disk_full` a client entered in
`site.client_folders`. The ends of a link are roles, kinds, computers, or `clients`, `administrators`,
`observers`. A fault of links on a role is on every link that leads to it, except the observers', which
are the harness's own eyes. A role that is `partitioned` in one direction is not away: of every link that
leads to it, that direction is dropped.

A fault of links that touches nothing of what passes there (`flipped_bytes` where neither policies nor
content are read), and a selector that no request there has, or none together with the others, are refused
with the links that are valid.

A role has each kind at most once: a second one, also of its whole computer, is refused until the first is
lifted. Faults of links add up.

Links exist in a site started with `Site(..., links=True)`: one TCP relay for every arrow from one role
to another, within a computer too. A fault on a role parts or disturbs it from everybody; a fault on a
computer leaves alone what its roles say to each other. Without links there is no relay in the path and no
code of the fault layer runs. With links and no fault set, bytes are written on in the turn of the event
loop in which they were read.

Nothing can be looked into where no plain HTTP is spoken: on the way to the site database, and where
clients speak TLS (a site in native mode). Faults of connections and bytes work there, selectors and
faults of HTTP are refused. The second, TLS port of site servers and distribution points in mixed mode has
no relay: who uses it passes by every fault of links.

A site in containers (`fixtures.lab.LabSite`) has outages of roles and of whole computers, `skewed_clock`,
`database_read_only` and `database_out_of_connections`. Every other kind is refused by name there: a small
disk that this machine mounts is none in a container, and a link between containers can only be cut.

## Which: selectors and counting

Faults of links choose among exchanges: one HTTP request with its reply, or one whole connection where
nothing can be looked into. A request with a message is kept back until it is whole, if any fault is set
on its link, since only then is it known whose it is.

| setting | default | |
|---|---|---|
"""

BEHIND_SELECTORS = """
Counting works in this order: of the exchanges that the selectors fit, `skip` pass, then each `every`-th
is taken, of those the part that `probability` leaves, and after `first` hits the fault is spent: no longer
`active`, and yet not `lifted`, for what it has struck it still holds (a reply that hangs) until somebody
lifts it, or heals everything. Chance (`probability`, `jitter`, garbage) comes from named streams made from
`seed`, the fault's id and the exchange's number among those taken: the same seed and the same order of
requests give the same faults.

A hit is an exchange that is taken. Of `hang`, `sliced`, `reset`, `truncated`, `byte_limit`, garbage in a
body's place and wrong content it is none any more when all of it has passed and nothing was changed: the
body was too short, or empty, or there is none (304), or it is an error's page.

`client` knows a request by the message's sender, its host name, or the client token of a policy download;
a name is matched with an identity through the site database, so an identity that it cannot be asked for
is not matched. Reads from a distribution point tell nobody's name, nor do the packets of a BITS upload.
`category` is looked up in the site database too.

Valid endpoints: {endpoints}. Valid places, for requests without a message: {places}.

## How long

`duration` is in seconds of site time, like every schedule of the site; what happens on sockets
(`latency`, `slow_close`, the database's pauses) is in real seconds, since who waits for a socket waits in
real time. What cannot be lifted when its time is over (the setting of a database that is away, or has no
connection left) is lifted as soon as that is possible, unless somebody does it before.

## Kinds
"""

GROUPS = (
    ("Offline", "On a role, or a computer with all its roles; `partitioned` on a link too.", "offline"),
    ("Refused", "On links.", "refused"),
    ("Slow", "On links.", "delays"),
    ("Broken connections and bytes", "On links.", "breaks"),
    ("Wrong answers", "On HTTP links.", "wrong_answers"),
    ("Wrong content", "On HTTP links.", "wrong_content"),
    ("The site database", "", "database_faults"),
    ("Disks", "", "full_disk"),
    ("Clocks and certificates", "", "wrong_time"),
)


def write_page() -> str:
    """The page's text."""
    lines = [INTRODUCTION.rstrip("\n")]
    lines += [
        _row(name, field) for name, field in WireFault.model_fields.items() if name not in ("on", "duration")
    ]
    places = ", ".join(f"`{name}`" for name in PLACES)
    endpoints = ", ".join(f"`{name}`" for name in ENDPOINTS)
    lines.append(BEHIND_SELECTORS.format(endpoints=endpoints, places=places).rstrip("\n"))
    for title, where, module in GROUPS:
        lines += ["", f"### {title}", ""]
        if where:
            lines += [where, ""]
        lines += ["| kind | what really happens | settings |", "|---|---|---|"]
        kinds = [cls for cls in KINDS.values() if cls.__module__ == f"emulator.faults.{module}"]
        lines += [_kind(cls) for cls in kinds]
    return "\n".join(lines) + "\n"


def _kind(cls: type[Fault]) -> str:
    base = WireFault if issubclass(cls, WireFault) else Fault
    own = [
        f"`{name}`{_default(field)}: {field.description}"
        for name, field in cls.model_fields.items()
        if name not in base.model_fields
    ]
    told = " ".join((cls.__doc__ or "").split()).replace("``", "`")
    if issubclass(cls, RoleFault) and cls.roles:
        roles = ["a client" if name == CLIENTS else f"`{name}`" for name in cls.roles]
        told += f" On {', '.join(roles)}."
    return _cells(f"`{cls.kind}`", told, "<br>".join(own) or "-")


def _row(name: str, field: FieldInfo) -> str:
    default = "" if field.default is None else f"{field.default}"
    return _cells(f"`{name}`", default, str(field.description))


def _default(field: FieldInfo) -> str:
    return "" if field.default is PydanticUndefined else f" ({field.default})"


def _cells(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(KINDS)} kinds")
