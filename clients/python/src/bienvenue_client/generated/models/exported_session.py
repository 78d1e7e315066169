from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="ExportedSession")


@_attrs_define
class ExportedSession:
    """All stored data of a session.

    Attributes:
        id (UUID): The id of the session.
        created_at (datetime.datetime): When the user signed in.
        authenticated_at (datetime.datetime): When the user last entered the password.
        last_seen_at (datetime.datetime): When the session was last used, to within a minute.
        expires_at (datetime.datetime): When the session ends, even if it is in use.
        ip (None | str): The IP address of the sign-in, if it is known.
        user_agent (None | str): The `User-Agent` header of the sign-in.
        methods (list[str]): The authentication methods of the sign-in, sorted.
    """

    id: UUID
    created_at: datetime.datetime
    authenticated_at: datetime.datetime
    last_seen_at: datetime.datetime
    expires_at: datetime.datetime
    ip: None | str
    user_agent: None | str
    methods: list[str]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        created_at = self.created_at.isoformat()

        authenticated_at = self.authenticated_at.isoformat()

        last_seen_at = self.last_seen_at.isoformat()

        expires_at = self.expires_at.isoformat()

        ip: None | str
        ip = self.ip

        user_agent: None | str
        user_agent = self.user_agent

        methods = self.methods

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "created_at": created_at,
                "authenticated_at": authenticated_at,
                "last_seen_at": last_seen_at,
                "expires_at": expires_at,
                "ip": ip,
                "user_agent": user_agent,
                "methods": methods,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        authenticated_at = datetime.datetime.fromisoformat(d.pop("authenticated_at"))

        last_seen_at = datetime.datetime.fromisoformat(d.pop("last_seen_at"))

        expires_at = datetime.datetime.fromisoformat(d.pop("expires_at"))

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

        methods = cast(list[str], d.pop("methods"))

        exported_session = cls(
            id=id,
            created_at=created_at,
            authenticated_at=authenticated_at,
            last_seen_at=last_seen_at,
            expires_at=expires_at,
            ip=ip,
            user_agent=user_agent,
            methods=methods,
        )

        exported_session.additional_properties = d
        return exported_session

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
