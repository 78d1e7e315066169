from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="ExportedUser")


@_attrs_define
class ExportedUser:
    """All stored data of an account.

    Attributes:
        id (int): The id of the account. It never changes and is never given to another account.
        email (str): The email address, in its normalized form.
        name (None | str): The display name, chosen by the user.
        role (str): What the user may do.
        groups (list[str]): The groups that the user is in, sorted.
        disabled_at (datetime.datetime | None): When an administrator disabled the account.
        is_provisioned (bool): Whether an administrator created the account.
        email_verified_at (datetime.datetime | None): When the user proved that emails to this address arrive.
        session_id (None | str): The id of the newest session.
        reset_token_expires_at (datetime.datetime | None): When the link for a password reset expires, if there is one.
        last_signed_in_at (datetime.datetime | None): When the user last signed in.
        created_at (datetime.datetime): When the account was created.
        updated_at (datetime.datetime): When any of this was last changed.
    """

    id: int
    email: str
    name: None | str
    role: str
    groups: list[str]
    disabled_at: datetime.datetime | None
    is_provisioned: bool
    email_verified_at: datetime.datetime | None
    session_id: None | str
    reset_token_expires_at: datetime.datetime | None
    last_signed_in_at: datetime.datetime | None
    created_at: datetime.datetime
    updated_at: datetime.datetime
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        email = self.email

        name: None | str
        name = self.name

        role = self.role

        groups = self.groups

        disabled_at: None | str
        if isinstance(self.disabled_at, datetime.datetime):
            disabled_at = self.disabled_at.isoformat()
        else:
            disabled_at = self.disabled_at

        is_provisioned = self.is_provisioned

        email_verified_at: None | str
        if isinstance(self.email_verified_at, datetime.datetime):
            email_verified_at = self.email_verified_at.isoformat()
        else:
            email_verified_at = self.email_verified_at

        session_id: None | str
        session_id = self.session_id

        reset_token_expires_at: None | str
        if isinstance(self.reset_token_expires_at, datetime.datetime):
            reset_token_expires_at = self.reset_token_expires_at.isoformat()
        else:
            reset_token_expires_at = self.reset_token_expires_at

        last_signed_in_at: None | str
        if isinstance(self.last_signed_in_at, datetime.datetime):
            last_signed_in_at = self.last_signed_in_at.isoformat()
        else:
            last_signed_in_at = self.last_signed_in_at

        created_at = self.created_at.isoformat()

        updated_at = self.updated_at.isoformat()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "email": email,
                "name": name,
                "role": role,
                "groups": groups,
                "disabled_at": disabled_at,
                "is_provisioned": is_provisioned,
                "email_verified_at": email_verified_at,
                "session_id": session_id,
                "reset_token_expires_at": reset_token_expires_at,
                "last_signed_in_at": last_signed_in_at,
                "created_at": created_at,
                "updated_at": updated_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        id = d.pop("id")

        email = d.pop("email")

        def _parse_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        name = _parse_name(d.pop("name"))

        role = d.pop("role")

        groups = cast(list[str], d.pop("groups"))

        def _parse_disabled_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                disabled_at_type_0 = datetime.datetime.fromisoformat(data)

                return disabled_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        disabled_at = _parse_disabled_at(d.pop("disabled_at"))

        is_provisioned = d.pop("is_provisioned")

        def _parse_email_verified_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                email_verified_at_type_0 = datetime.datetime.fromisoformat(data)

                return email_verified_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        email_verified_at = _parse_email_verified_at(d.pop("email_verified_at"))

        def _parse_session_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        session_id = _parse_session_id(d.pop("session_id"))

        def _parse_reset_token_expires_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                reset_token_expires_at_type_0 = datetime.datetime.fromisoformat(data)

                return reset_token_expires_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        reset_token_expires_at = _parse_reset_token_expires_at(
            d.pop("reset_token_expires_at")
        )

        def _parse_last_signed_in_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                last_signed_in_at_type_0 = datetime.datetime.fromisoformat(data)

                return last_signed_in_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        last_signed_in_at = _parse_last_signed_in_at(d.pop("last_signed_in_at"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        exported_user = cls(
            id=id,
            email=email,
            name=name,
            role=role,
            groups=groups,
            disabled_at=disabled_at,
            is_provisioned=is_provisioned,
            email_verified_at=email_verified_at,
            session_id=session_id,
            reset_token_expires_at=reset_token_expires_at,
            last_signed_in_at=last_signed_in_at,
            created_at=created_at,
            updated_at=updated_at,
        )

        exported_user.additional_properties = d
        return exported_user

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
