"""Conditions of policies: WQL that a client evaluates before it asks for a body, or puts one in force.

One grammar for assignments and for the rules inside a body: expressions, and operators around them
where there are several (wire.md 6.2; AND, OR and NOT may nest, this site writes one level).
"""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from emulator.protocol.xml import cdata, child, expect_root, new, parse_xml

UNTIL_TRUE, CONTINUOUS = "until-true", "continuous"
NAMESPACE = "@root\\ccm"  # where the client's own classes are


def condition_of(expressions: Sequence[tuple[str, str]], operator: str = "AND") -> etree._Element:
    """``<Condition>`` of expressions, each a type and its WQL; empty for none.

    Raises:
        MalformedMessage: XML cannot hold the text.
    """
    condition = new("Condition")
    parent = condition
    if len(expressions) > 1 or operator == "NOT":
        parent = child(condition, "Operator", OperatorType=operator)
    for kind, text in expressions:
        expression = child(parent, "Expression", ExpressionLanguage="WQL", ExpressionType=kind)
        cdata(expression, text)
    return condition


def read_condition(text: str) -> etree._Element:
    """A condition that was written before, its texts in CDATA again.

    Raises:
        MalformedMessage: it is none.
    """
    condition = expect_root(parse_xml(text), "Condition")
    for expression in condition.iter("Expression"):
        cdata(expression, expression.text or "")
    return condition


def in_namespace(wql: str, namespace: str = NAMESPACE) -> str:
    """A query with the namespace it is asked in, as policies write it: on a line of its own."""
    return wql if wql.startswith("@") else f"{namespace}\n{wql}"
