"""WQL of membership rules: what is understood, and what is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from emulator.errors import UnsupportedQuery
from emulator.site_database.condition import EVERYTHING, All, Any, Column, Compare, IsNull, Matches, Not
from emulator.site_server.wql import parse_wql

NAME, NUMBER = Column("Name0"), Column("ItemKey", "integer")
SUBNETS, MADE = Column("IP_Subnets0", "strings"), Column("Creation_Date0", "datetime")
COLUMNS = {"Name": NAME, "ResourceID": NUMBER, "IPSubnets": SUBNETS, "CreationDate": MADE}
FROM = "select * from SMS_R_System where "

UNDERSTOOD = [
    ("select * from SMS_R_System", EVERYTHING),
    ("SELECT DISTINCT Name, ResourceID FROM sms_r_system", EVERYTHING),
    ("select SMS_R_System.Name from SMS_R_System", EVERYTHING),
    (
        "select s.Name from SMS_R_System as s where s.Name = 'PC1'",
        Compare(NAME, "=", "PC1"),
    ),
    (FROM + "Name = 'PC1'", Compare(NAME, "=", "PC1")),
    (FROM + 'SMS_R_System.Name = "PC1"', Compare(NAME, "=", "PC1")),
    (FROM + "Name != 'PC1'", Compare(NAME, "<>", "PC1")),
    (FROM + "ResourceId <= 5", Compare(NUMBER, "<=", 5)),
    (FROM + "ResourceId <> '5'", Compare(NUMBER, "<>", 5)),
    (FROM + "Name like 'PC%'", Matches(NAME, "^PC.*$")),
    (FROM + "Name not like '_[a-c9]%.x'", Not(Matches(NAME, "^.[a-c9].*\\.x$"))),
    (FROM + "Name like '[^-]x'", Matches(NAME, "^[^\\-]x$")),
    (FROM + "IPSubnets like '10.%'", Matches(SUBNETS, "^10\\..*$")),
    (FROM + "Name is null", IsNull(NAME)),
    (FROM + "Name is not null", Not(IsNull(NAME))),
    (FROM + "CreationDate > '2026-01-01'", Compare(MADE, ">", datetime(2026, 1, 1, tzinfo=UTC))),
    (
        FROM + "CreationDate > '20260101000000.000000+***'",
        Compare(MADE, ">", datetime(2026, 1, 1, tzinfo=UTC)),
    ),
    (
        FROM + "Name = 'a' or Name = 'b' and not ResourceID = 3",
        Any((Compare(NAME, "=", "a"), All((Compare(NAME, "=", "b"), Not(Compare(NUMBER, "=", 3)))))),
    ),
    (
        FROM + "(Name = 'a' or Name = 'b') and ResourceID = 3",
        All((Any((Compare(NAME, "=", "a"), Compare(NAME, "=", "b"))), Compare(NUMBER, "=", 3))),
    ),
]

REFUSED = [
    ("", "select"),
    ("delete from SMS_R_System", "select"),
    ("select * from SMS_R_User", "SMS_R_User"),
    (
        "select * from SMS_R_System inner join SMS_G_System_OPERATING_SYSTEM on "
        "SMS_G_System_OPERATING_SYSTEM.ResourceID = SMS_R_System.ResourceId",
        "join",
    ),
    ("select Nome from SMS_R_System", "nome"),
    (FROM + "Nome = 'a'", "nome"),
    (FROM + "SMS_G_System_X.Name = 'a'", "SMS_G_System_X"),
    (FROM + "ResourceID in (select ResourceID from SMS_R_System)", "'in'"),
    (FROM + "Name = Name", "Name"),
    (FROM + "Name = 5", "Name holds a text"),
    (FROM + "ResourceID = 'five'", "ResourceID holds a number"),
    (FROM + "ResourceID like '5'", "like"),
    (FROM + "CreationDate > 'yesterday'", "yesterday"),
    (FROM + "Name = 'a' order by Name", "order"),
    (FROM + "Name like '[z-a]'", "z-a"),
    (FROM + "(Name = 'a'", "'\\)'"),
    (FROM + "Name = 'a", "understood"),
    (FROM + "Name = 'a\0'", "character"),
    (FROM + "(" * 100 + "Name = 'a'" + ")" * 100, "nested"),
]


@pytest.mark.parametrize(("text", "condition"), UNDERSTOOD, ids=[text for text, _ in UNDERSTOOD])
def test_wql(text: str, condition: object) -> None:
    assert parse_wql(text, COLUMNS) == condition


@pytest.mark.parametrize(("text", "named"), REFUSED, ids=[named for _, named in REFUSED])
def test_wql_refused(text: str, named: str) -> None:
    with pytest.raises(UnsupportedQuery, match=named):
        parse_wql(text, COLUMNS)
