from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="Refusal")


@_attrs_define
class Refusal:
    """The one-time token of a request that the owner of the address refuses.

    Example:
        {'token': 'bienvenue_verification_…'}

    Attributes:
        token (str): The token from the link in the newest email.
    """

    token: str

    def to_dict(self) -> dict[str, Any]:
        token = self.token

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "token": token,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        token = d.pop("token")

        refusal = cls(
            token=token,
        )

        return refusal
