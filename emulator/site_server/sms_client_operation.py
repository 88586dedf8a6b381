"""SMS_ClientOperation: what clients were asked to do at once.

Clients of 2007 have no channel on which they could be told: an operation is kept, and they go on
asking for policy by their schedule.
"""

from __future__ import annotations

from emulator.errors import InvalidObject
from emulator.site_database import operations, provider
from emulator.site_database.condition import Column, Compare
from emulator.site_database.database import Session
from emulator.site_database.operations import Operation
from emulator.site_server.administrators import CALLER
from emulator.site_server.provider_class import Arguments, Key, Object, Place, Property, ProviderClass

RESOURCES = 10_000  # of one request: a bound for strangers


class SmsClientOperation(ProviderClass):
    name = "SMS_ClientOperation"
    table = "ClientOperation"
    properties = (
        Property("ID", "OperationID", "integer", key=True),
        Property("Type", kind="integer"),
        Property("TargetCollectionID"),
        Property("RequestedBy"),
        Property("RequestedTime", kind="datetime"),
    )

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.statics = {"InitiateClientOperation": self.initiate}

    async def initiate(self, session: Session, arguments: Arguments) -> Object:
        """InitiateClientOperation: for a collection, or for some of its members."""
        kind = Property("Type", kind="integer", most=operations.LARGEST_CLIENT_OPERATION).check(
            arguments.get("type")
        )
        given = str(Property("TargetCollectionID", required=True).check(arguments.get("targetcollectionid")))
        target = await provider.names(
            session, "Collections", "CollectionID", Compare(Column("CollectionID"), "=", given)
        )
        if not target:
            raise InvalidObject(f"TargetCollectionID: there is no collection {given}")
        resources = arguments.get("targetresourceids") or []
        if not isinstance(resources, list) or len(resources) > RESOURCES:
            raise InvalidObject(f"TargetResourceIDs is a list of at most {RESOURCES} ResourceIDs")
        number = Property("TargetResourceIDs", kind="integer", most=2**31 - 1)
        operation = Operation(
            kind=int(str(kind)),
            collection_id=target[0],
            resource_ids=tuple(int(str(number.check(one))) for one in resources),
            requested_by=CALLER.get(),
            requested=self.place.clock.now(),
        )
        return {"OperationID": await operations.begin(session, operation), "ReturnValue": 0}

    async def delete(self, session: Session, key: Key) -> None:
        await provider.delete(session, self.table, self.by_column(key))
