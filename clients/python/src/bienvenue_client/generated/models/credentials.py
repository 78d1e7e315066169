from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..models.delivery import Delivery
from ..types import UNSET, Unset

T = TypeVar("T", bound="Credentials")


@_attrs_define
class Credentials:
    """The credentials of an account.

    Example:
        {'email': 'ada@example.com', 'password': 'correct horse battery', 'delivery': 'cookie'}

    Attributes:
        email (str): The email address of the account, in upper or lower case.
        password (str): The password of the account.
        delivery (Delivery | Unset): How the client receives the token of a new session. `cookie`, for browsers: in a
            cookie that scripts can't read, and
            nowhere else. `token`, for apps and programs: in the response. Default: Delivery.COOKIE.
    """

    email: str
    password: str
    delivery: Delivery | Unset = Delivery.COOKIE

    def to_dict(self) -> dict[str, Any]:
        email = self.email

        password = self.password

        delivery: str | Unset = UNSET
        if not isinstance(self.delivery, Unset):
            delivery = self.delivery.value

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "email": email,
                "password": password,
            }
        )
        if delivery is not UNSET:
            field_dict["delivery"] = delivery

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        email = d.pop("email")

        password = d.pop("password")

        _delivery = d.pop("delivery", UNSET)
        delivery: Delivery | Unset
        if isinstance(_delivery, Unset):
            delivery = UNSET
        else:
            delivery = Delivery(_delivery)

        credentials = cls(
            email=email,
            password=password,
            delivery=delivery,
        )

        return credentials
