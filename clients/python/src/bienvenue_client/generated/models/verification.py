from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Verification")


@_attrs_define
class Verification:
    """A one-time token from an email, and the password if it is needed.

    Example:
        {'token': 'bienvenue_verification_…'}

    Attributes:
        token (str): The token from the link in the newest email.
        password (str | Unset): The password of the account. Not needed if the request has a session of the account. For
            a pending registration:
            the password that was given at the registration.
    """

    token: str
    password: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        token = self.token

        password = self.password

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "token": token,
            }
        )
        if password is not UNSET:
            field_dict["password"] = password

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        token = d.pop("token")

        password = d.pop("password", UNSET)

        verification = cls(
            token=token,
            password=password,
        )

        return verification
