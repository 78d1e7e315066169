from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="ExportedClient")


@_attrs_define
class ExportedClient:
    """A network that the user used.

    Attributes:
        network (str): The IPv4 address, or the first 64 bits of the IPv6 address. Empty if it is not known.
        user_agent (str): Empty, except in data of older versions: the `User-Agent` header.
        last_signed_in_at (datetime.datetime | None): When the user last signed in from this network.
        last_used_at (datetime.datetime | None): When the user last used a session from this network, to within an hour.
    """

    network: str
    user_agent: str
    last_signed_in_at: datetime.datetime | None
    last_used_at: datetime.datetime | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        network = self.network

        user_agent = self.user_agent

        last_signed_in_at: None | str
        if isinstance(self.last_signed_in_at, datetime.datetime):
            last_signed_in_at = self.last_signed_in_at.isoformat()
        else:
            last_signed_in_at = self.last_signed_in_at

        last_used_at: None | str
        if isinstance(self.last_used_at, datetime.datetime):
            last_used_at = self.last_used_at.isoformat()
        else:
            last_used_at = self.last_used_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "network": network,
                "user_agent": user_agent,
                "last_signed_in_at": last_signed_in_at,
                "last_used_at": last_used_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        network = d.pop("network")

        user_agent = d.pop("user_agent")

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

        def _parse_last_used_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                last_used_at_type_0 = datetime.datetime.fromisoformat(data)

                return last_used_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        last_used_at = _parse_last_used_at(d.pop("last_used_at"))

        exported_client = cls(
            network=network,
            user_agent=user_agent,
            last_signed_in_at=last_signed_in_at,
            last_used_at=last_used_at,
        )

        exported_client.additional_properties = d
        return exported_client

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
