"""What a site's topology says of security: its mode, its users, and the policies that carry secrets.

These are the hierarchy's settings in the product; here they stand in the site's TOML, and every
role is told the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from emulator.errors import TopologyError

_USER = re.compile(r"[^\\@:\s]{1,15}\\[^\\@:\s]{1,64}")


class _Frozen(BaseModel):
    # By name too: a role in a process of its own reads what another one wrote.
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class User(_Frozen):
    """An account of the site's Windows domain."""

    name: str  # LAB\alice; a computer account ends in $
    password: str
    administrator: bool = False  # may use the SMS Provider

    @field_validator("name")
    @classmethod
    def _domain_and_name(cls, name: str) -> str:
        if not _USER.fullmatch(name):
            raise ValueError(rf"{name!r} is no account; valid: DOMAIN\name")
        return name

    @field_validator("password")
    @classmethod
    def _storable(cls, password: str) -> str:
        if ":" in password or not password.isprintable() or not password:
            raise ValueError("a password is a printable text without ':'")
        return password

    @property
    def domain(self) -> str:
        return self.name.partition("\\")[0]

    @property
    def account(self) -> str:
        return self.name.partition("\\")[2]


class PolicyProperty(_Frozen):
    """One property of a site policy's WMI instance."""

    name: str = Field(min_length=1)
    value: str | int | bool
    secret: bool = False  # travels obfuscated, inside an encrypted body


class PolicyExpression(_Frozen):
    """WQL that a client evaluates; several of them are joined by the policy's operator."""

    type: Literal["until-true", "continuous"] = "until-true"
    query: str = Field(min_length=1)


class SitePolicy(_Frozen):
    """A policy that is no software distribution: for every client, or for a collection's members."""

    name: str = Field(min_length=1)  # its place in the site: the policy's id is made from it
    category: str = ""  # NAAConfig, TaskSequence, CollectionSettings, another one, or none
    class_name: str = Field(alias="class", min_length=1)  # CCM_NetworkAccessAccount
    flags: int | None = Field(default=None, ge=0, le=127)  # None: what follows from category and secrets
    collection: str = "SMS00001"
    condition: str = ""  # WQL the client evaluates before it asks for the body
    expressions: tuple[PolicyExpression, ...] = Field(default=(), alias="expression")  # more of them
    operator: Literal["AND", "OR", "NOT"] = "AND"
    priority: int = Field(default=25, ge=0, le=1000)
    properties: tuple[PolicyProperty, ...] = Field(default=(), alias="property")

    @property
    def conditions(self) -> tuple[tuple[str, str], ...]:
        """Every expression, as type and query."""
        first = (("until-true", self.condition),) if self.condition else ()
        return first + tuple((item.type, item.query) for item in self.expressions)

    @property
    def has_secrets(self) -> bool:
        return any(item.secret for item in self.properties)


class Security(_Frozen):
    """How much a site trusts, as one table of its topology."""

    mode: Literal["mixed", "native"] = "mixed"  # native: clients speak TLS and show a certificate
    verification: Literal["strict", "lenient"] = "strict"  # lenient: what is wrong is logged, and served
    # Whom a registration approves: nobody, clients that Windows knows (the product's default), everybody.
    client_approval: Literal["manual", "trusted_domains", "all"] = "trusted_domains"
    anonymous_content: bool = True  # distribution points ask nobody who they are
    secret_encryption: Literal["3des", "aes256"] = "3des"
    users: tuple[User, ...] = ()
    policies: tuple[SitePolicy, ...] = ()


def read_security(document: dict[str, Any]) -> Security:
    """The tables ``[security]``, ``[[user]]`` and ``[[policy]]`` of a topology.

    Raises:
        TopologyError: names the place and what is valid there.
    """
    table = dict(document.get("security", {}))
    for key, field in (("user", "users"), ("policy", "policies")):
        if field in table:
            raise TopologyError(f"security: unknown field {field!r}; {key}s are [[{key}]] tables")
        table[field] = document.get(key, ())
    try:
        security = Security.model_validate(table)
    except ValidationError as exc:
        raise TopologyError(_first(exc)) from exc
    for noun, names in (
        ("user", [user.name.lower() for user in security.users]),
        ("policy", [policy.name.lower() for policy in security.policies]),
    ):
        for name in names:
            if names.count(name) > 1:
                raise TopologyError(f"{noun}: {name!r} stands there twice; names must differ")
    return security


_TABLES: dict[str, type[BaseModel]] = {"users": User, "policies": SitePolicy, "property": PolicyProperty}


def _fields(path: Sequence[str | int]) -> list[str]:
    """The fields of the table that a complaint is about, as the file spells them."""
    named = [part for part in path[:-1] if part in _TABLES]
    fields = (_TABLES[str(named[-1])] if named else Security).model_fields
    return [field.alias or name for name, field in fields.items() if name not in _TABLES]


def _first(error: ValidationError) -> str:
    """Pydantic's first complaint, in the words of the topology file."""
    found = error.errors()[0]
    path = list(found["loc"])
    place = {"users": "user", "policies": "policy"}.get(str(path[0]) if path else "", "security")
    rest = path[1:] if place != "security" else path
    for part in rest:
        place += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    message = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        message = f"unknown field; valid: {', '.join(_fields(path))}"
    return f"{place}: {message[:1].lower()}{message[1:]}"
