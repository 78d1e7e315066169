from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.audit_event_detail import AuditEventDetail


T = TypeVar("T", bound="AuditEvent")


@_attrs_define
class AuditEvent:
    """Something that happened to an account.

    Attributes:
        id (UUID): The id of the event.
        at (datetime.datetime): When it happened.
        kind (str): What happened, for example `session.opened`. Later versions may add others.
        user_id (int | None): The id of the account that it is about. Null if there is none, for example for a sign-in
            with an unknown address.
        actor_id (int | None): The id of the account that did it. Null if nobody was signed in, and no password was
            given.
        session_id (None | UUID): The session that was opened or has ended, or else the one by which it was done.
        client_id (None | str): The application by which it was done. Null for now.
        ip (None | str): The IP address of the client. Null once the account is deleted.
        user_agent (None | str): The `User-Agent` header of the client: at most 512 characters. Null once the account is
            deleted.
        request_id (None | str): The `X-Request-Id` of the request. The lines of the log have it too.
        detail (AuditEventDetail): Further fields, which depend on the kind alone. They are null once the account is
            deleted.
    """

    id: UUID
    at: datetime.datetime
    kind: str
    user_id: int | None
    actor_id: int | None
    session_id: None | UUID
    client_id: None | str
    ip: None | str
    user_agent: None | str
    request_id: None | str
    detail: AuditEventDetail
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        at = self.at.isoformat()

        kind = self.kind

        user_id: int | None
        user_id = self.user_id

        actor_id: int | None
        actor_id = self.actor_id

        session_id: None | str
        if isinstance(self.session_id, UUID):
            session_id = str(self.session_id)
        else:
            session_id = self.session_id

        client_id: None | str
        client_id = self.client_id

        ip: None | str
        ip = self.ip

        user_agent: None | str
        user_agent = self.user_agent

        request_id: None | str
        request_id = self.request_id

        detail = self.detail.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "at": at,
                "kind": kind,
                "user_id": user_id,
                "actor_id": actor_id,
                "session_id": session_id,
                "client_id": client_id,
                "ip": ip,
                "user_agent": user_agent,
                "request_id": request_id,
                "detail": detail,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.audit_event_detail import AuditEventDetail

        d = dict(src_dict)
        id = UUID(d.pop("id"))

        at = datetime.datetime.fromisoformat(d.pop("at"))

        kind = d.pop("kind")

        def _parse_user_id(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        user_id = _parse_user_id(d.pop("user_id"))

        def _parse_actor_id(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        actor_id = _parse_actor_id(d.pop("actor_id"))

        def _parse_session_id(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                session_id_type_0 = UUID(data)

                return session_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        session_id = _parse_session_id(d.pop("session_id"))

        def _parse_client_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        client_id = _parse_client_id(d.pop("client_id"))

        def _parse_ip(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        ip = _parse_ip(d.pop("ip"))

        def _parse_user_agent(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        user_agent = _parse_user_agent(d.pop("user_agent"))

        def _parse_request_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        request_id = _parse_request_id(d.pop("request_id"))

        detail = AuditEventDetail.from_dict(d.pop("detail"))

        audit_event = cls(
            id=id,
            at=at,
            kind=kind,
            user_id=user_id,
            actor_id=actor_id,
            session_id=session_id,
            client_id=client_id,
            ip=ip,
            user_agent=user_agent,
            request_id=request_id,
            detail=detail,
        )

        audit_event.additional_properties = d
        return audit_event

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
