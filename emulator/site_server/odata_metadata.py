"""``$metadata``: the provider's classes as OData describes them (CSDL), made from the classes themselves.

An entity type for a class, a property for a property. A method of an object is an action bound to the type, a
method of a class one bound to its collection.
"""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web
from lxml import etree

from emulator.site_database.condition import Kind
from emulator.site_server.provider_class import ProviderClass

NAMESPACE = "AdminService"
EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
EDM = "http://docs.oasis-open.org/odata/ns/edm"
TYPES: dict[Kind, str] = {
    "string": "Edm.String",
    "integer": "Edm.Int64",
    "boolean": "Edm.Boolean",
    "datetime": "Edm.DateTimeOffset",
    "strings": "Collection(Edm.String)",
    "json": "Edm.Untyped",
}


def metadata(classes: Iterable[ProviderClass], names: dict[str, str] | None = None) -> web.Response:
    """The document; ``names`` are those of entity sets that are called otherwise than their class."""
    root = etree.Element(f"{{{EDMX}}}Edmx", {"Version": "4.0"}, nsmap={"edmx": EDMX})
    services = etree.SubElement(root, f"{{{EDMX}}}DataServices")
    schema = etree.Element(f"{{{EDM}}}Schema", {"Namespace": NAMESPACE}, nsmap={None: EDM})  # type: ignore[dict-item]
    services.append(schema)
    container = etree.Element(f"{{{EDM}}}EntityContainer", {"Name": "Container"})
    for of_class in classes:
        _append_type(schema, of_class)
        of_type = f"{NAMESPACE}.{of_class.name}"
        for name in of_class.methods:
            _append_action(schema, name, of_type)
        for name in of_class.statics:
            _append_action(schema, name, f"Collection({of_type})")
        named = (names or {}).get(of_class.name, of_class.name)
        etree.SubElement(container, f"{{{EDM}}}EntitySet", {"Name": named, "EntityType": of_type})
    schema.append(container)
    body = etree.tostring(root, xml_declaration=True, encoding="utf-8")
    return web.Response(body=body, content_type="application/xml", charset="utf-8")


def _append_type(schema: etree._Element, of_class: ProviderClass) -> None:
    entity = etree.SubElement(schema, f"{{{EDM}}}EntityType", {"Name": of_class.name})
    key = etree.SubElement(entity, f"{{{EDM}}}Key")
    for part in of_class.keys:
        etree.SubElement(key, f"{{{EDM}}}PropertyRef", {"Name": part.name})
    for described in of_class.properties:
        attributes = {"Name": described.name, "Type": TYPES[described.kind]}
        if described.key:
            attributes["Nullable"] = "false"
        etree.SubElement(entity, f"{{{EDM}}}Property", attributes)


def _append_action(schema: etree._Element, name: str, bound_to: str) -> None:
    action = etree.SubElement(schema, f"{{{EDM}}}Action", {"Name": name, "IsBound": "true"})
    etree.SubElement(action, f"{{{EDM}}}Parameter", {"Name": "bindingParameter", "Type": bound_to})
