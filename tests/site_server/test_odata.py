"""$filter and its companions: what is understood, and what is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from emulator.errors import UnsupportedQuery
from emulator.site_database.condition import All, Any, Column, Compare, IsNull, Known, Matches, Not
from emulator.site_server.odata import Query, parse_query

NAME, NUMBER = Column("Name0"), Column("ItemKey", "integer")
CLIENT, MADE = Column("Client0", "boolean"), Column("Creation_Date0", "datetime")
COLUMNS = {
    "Name": NAME,
    "ResourceID": NUMBER,
    "Client": CLIENT,
    "CreationDate": MADE,
    "IPSubnets": Column("IP_Subnets0", "strings"),
}

UNDERSTOOD = [
    ("Name eq 'PC1'", Compare(NAME, "=", "PC1")),
    ("name eq 'O''Hara'", Compare(NAME, "=", "O'Hara")),
    ("'PC1' eq Name", Compare(NAME, "=", "PC1")),
    ("ResourceID ge 5", Compare(NUMBER, ">=", 5)),
    ("5 lt ResourceID", Compare(NUMBER, ">", 5)),
    ("Name ne 'PC1'", Any((Compare(NAME, "<>", "PC1"), IsNull(NAME)))),
    ("Name eq null", IsNull(NAME)),
    ("Name ne null", Not(IsNull(NAME))),
    ("Client eq true", Compare(CLIENT, "=", True)),
    ("CreationDate gt 2026-01-01T00:00:00Z", Compare(MADE, ">", datetime(2026, 1, 1, tzinfo=UTC))),
    ("CreationDate gt 2026-01-01", Compare(MADE, ">", datetime(2026, 1, 1, tzinfo=UTC))),
    ("startswith(Name,'PC.') eq true", Known(Matches(NAME, "^PC\\."))),
    ("endswith(Name,'1') eq false", Not(Known(Matches(NAME, "1$")))),
    ("contains(Name,'C')", Matches(NAME, "C")),
    ("not (Name eq 'a')", Not(Known(Compare(NAME, "=", "a")))),
    ("Name in ('a','b')", Any((Compare(NAME, "=", "a"), Compare(NAME, "=", "b")))),
    (
        "Name eq 'a' and ResourceID eq 1 and ResourceID eq 2",
        All((Compare(NAME, "=", "a"), Compare(NUMBER, "=", 1), Compare(NUMBER, "=", 2))),
    ),
    ("IPSubnets/any(a: a eq 'b')", Compare(Column("IP_Subnets0", "strings"), "=", "b")),
    ("(Name eq 'a') or ResourceID eq 1", Any((Compare(NAME, "=", "a"), Compare(NUMBER, "=", 1)))),
]

REFUSED = [
    ("Nome eq 'a'", "Nome"),
    ("Name eq 5", "Name holds a text"),
    ("ResourceID eq 'a'", "ResourceID holds a number"),
    ("tolower(Name) eq 'a'", "tolower"),
    ("Name eq Name", "Identifier"),
    ("ResourceID add 1 eq 2", "BinOp"),
    ("IPSubnets eq 'a'", "list"),
    ("IPSubnets/any(a: a ne 'b')", "any"),
    ("IPSubnets/any(a: b eq 'b')", "any"),
    ("IPSubnets/all(a: a eq 'b')", "CollectionLambda"),
    ("Name/any(a: a eq 'b')", "any"),
    ("Name lt null", "Null"),
    ("Other.Name eq 'a'", "Other"),
    ("Name eq", "cannot be read"),
    ("Name ~ 'a'", "cannot be read"),
    ("CreationDate gt 2026-02-30T00:00:00Z", "CreationDate"),
    ("Name eq 'a\0'", "character"),
    ("(" * 100 + "Name eq 'a'" + ")" * 100, "nested"),
    ("not " * 100 + "Name eq 'a'", "nested"),
    ("Name eq '" + "a" * 9000 + "'", "longer"),
]


@pytest.mark.parametrize(("text", "condition"), UNDERSTOOD)
def test_filter(text: str, condition: object) -> None:
    assert parse_query({"$filter": text}, COLUMNS).condition == condition


@pytest.mark.parametrize(("text", "named"), REFUSED, ids=[named for _, named in REFUSED])
def test_filter_refused(text: str, named: str) -> None:
    with pytest.raises(UnsupportedQuery, match=named):
        parse_query({"$filter": text}, COLUMNS)


def test_options() -> None:
    options = {"$select": "name, ResourceID", "$top": "3", "$skip": "1", "$orderby": "Name desc,ResourceID"}
    assert parse_query(options | {"$count": "true"}, COLUMNS) == Query(
        select=("Name", "ResourceID"),
        top=3,
        skip=1,
        order_by=(("Name", True), ("ResourceID", False)),
        count=True,
    )


@pytest.mark.parametrize(
    "options",
    [
        {"$expand": "Collection"},
        {"filter": "x"},
        {"$top": "-1"},
        {"$top": "many"},
        {"$orderby": "Name upwards"},
        {"$select": "Nome"},
        {"$count": "yes"},
    ],
)
def test_options_refused(options: dict[str, str]) -> None:
    with pytest.raises(UnsupportedQuery):
        parse_query(options, COLUMNS)
