from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.role import Role

T = TypeVar("T", bound="AdminUser")


@_attrs_define
class AdminUser:
    """An account, as administrators see it.

    Attributes:
        id (int): The id of the account. It never changes and is never given to another account.
        email (str): The email address, in its normalized form.
        email_verified (bool): Whether the user has proved that emails to this address arrive, or an administrator said
            so.
        name (None | str): The display name.
        created_at (datetime.datetime): When the account was created.
        role (Role): What a user may do.
        groups (list[str]): The groups that the user is in, sorted.
        disabled (bool): Whether the account is disabled: nobody can sign in to it.
        has_password (bool): Whether the account has a password. An invited user has none at first.
        last_seen_at (datetime.datetime | None): When the user last signed in or used a session, to within a minute.
        sessions (int): The number of sessions that have not ended.
    """

    id: int
    email: str
    email_verified: bool
    name: None | str
    created_at: datetime.datetime
    role: Role
    groups: list[str]
    disabled: bool
    has_password: bool
    last_seen_at: datetime.datetime | None
    sessions: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        email = self.email

        email_verified = self.email_verified

        name: None | str
        name = self.name

        created_at = self.created_at.isoformat()

        role = self.role.value

        groups = self.groups

        disabled = self.disabled

        has_password = self.has_password

        last_seen_at: None | str
        if isinstance(self.last_seen_at, datetime.datetime):
            last_seen_at = self.last_seen_at.isoformat()
        else:
            last_seen_at = self.last_seen_at

        sessions = self.sessions

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "email": email,
                "email_verified": email_verified,
                "name": name,
                "created_at": created_at,
                "role": role,
                "groups": groups,
                "disabled": disabled,
                "has_password": has_password,
                "last_seen_at": last_seen_at,
                "sessions": sessions,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        id = d.pop("id")

        email = d.pop("email")

        email_verified = d.pop("email_verified")

        def _parse_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        name = _parse_name(d.pop("name"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        role = Role(d.pop("role"))

        groups = cast(list[str], d.pop("groups"))

        disabled = d.pop("disabled")

        has_password = d.pop("has_password")

        def _parse_last_seen_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                last_seen_at_type_0 = datetime.datetime.fromisoformat(data)

                return last_seen_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        last_seen_at = _parse_last_seen_at(d.pop("last_seen_at"))

        sessions = d.pop("sessions")

        admin_user = cls(
            id=id,
            email=email,
            email_verified=email_verified,
            name=name,
            created_at=created_at,
            role=role,
            groups=groups,
            disabled=disabled,
            has_password=has_password,
            last_seen_at=last_seen_at,
            sessions=sessions,
        )

        admin_user.additional_properties = d
        return admin_user

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
