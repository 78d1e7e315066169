from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.exported_client import ExportedClient
    from ..models.exported_mail import ExportedMail
    from ..models.exported_session import ExportedSession
    from ..models.exported_token import ExportedToken
    from ..models.exported_user import ExportedUser
    from ..models.exported_verification import ExportedVerification
    from ..models.own_audit_event import OwnAuditEvent


T = TypeVar("T", bound="AccountExport")


@_attrs_define
class AccountExport:
    """All data that the service stores about a user, except hashes.

    Attributes:
        exported_at (datetime.datetime): When this export was created.
        user (ExportedUser): All stored data of an account.
        sessions (list[ExportedSession]): The sessions, newest first. Expired sessions are deleted within two minutes.
        known_clients (list[ExportedClient]): The networks that the user used in the last 30 days, the most recent
            first.
        email_verifications (list[ExportedVerification]): Addresses that are waiting for confirmation, newest first.
        one_time_tokens (list[ExportedToken]): Outstanding one-time tokens for links in emails, newest first.
        mails (list[ExportedMail]): Emails to the address or about the account, newest first. They are kept for two
            days.
        audit_events (list[OwnAuditEvent]): The security events of the account, newest first: the last 10,000.
    """

    exported_at: datetime.datetime
    user: ExportedUser
    sessions: list[ExportedSession]
    known_clients: list[ExportedClient]
    email_verifications: list[ExportedVerification]
    one_time_tokens: list[ExportedToken]
    mails: list[ExportedMail]
    audit_events: list[OwnAuditEvent]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        exported_at = self.exported_at.isoformat()

        user = self.user.to_dict()

        sessions = []
        for sessions_item_data in self.sessions:
            sessions_item = sessions_item_data.to_dict()
            sessions.append(sessions_item)

        known_clients = []
        for known_clients_item_data in self.known_clients:
            known_clients_item = known_clients_item_data.to_dict()
            known_clients.append(known_clients_item)

        email_verifications = []
        for email_verifications_item_data in self.email_verifications:
            email_verifications_item = email_verifications_item_data.to_dict()
            email_verifications.append(email_verifications_item)

        one_time_tokens = []
        for one_time_tokens_item_data in self.one_time_tokens:
            one_time_tokens_item = one_time_tokens_item_data.to_dict()
            one_time_tokens.append(one_time_tokens_item)

        mails = []
        for mails_item_data in self.mails:
            mails_item = mails_item_data.to_dict()
            mails.append(mails_item)

        audit_events = []
        for audit_events_item_data in self.audit_events:
            audit_events_item = audit_events_item_data.to_dict()
            audit_events.append(audit_events_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "exported_at": exported_at,
                "user": user,
                "sessions": sessions,
                "known_clients": known_clients,
                "email_verifications": email_verifications,
                "one_time_tokens": one_time_tokens,
                "mails": mails,
                "audit_events": audit_events,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.exported_client import ExportedClient
        from ..models.exported_mail import ExportedMail
        from ..models.exported_session import ExportedSession
        from ..models.exported_token import ExportedToken
        from ..models.exported_user import ExportedUser
        from ..models.exported_verification import ExportedVerification
        from ..models.own_audit_event import OwnAuditEvent

        d = dict(src_dict)
        exported_at = datetime.datetime.fromisoformat(d.pop("exported_at"))

        user = ExportedUser.from_dict(d.pop("user"))

        sessions = []
        _sessions = d.pop("sessions")
        for sessions_item_data in _sessions:
            sessions_item = ExportedSession.from_dict(sessions_item_data)

            sessions.append(sessions_item)

        known_clients = []
        _known_clients = d.pop("known_clients")
        for known_clients_item_data in _known_clients:
            known_clients_item = ExportedClient.from_dict(known_clients_item_data)

            known_clients.append(known_clients_item)

        email_verifications = []
        _email_verifications = d.pop("email_verifications")
        for email_verifications_item_data in _email_verifications:
            email_verifications_item = ExportedVerification.from_dict(
                email_verifications_item_data
            )

            email_verifications.append(email_verifications_item)

        one_time_tokens = []
        _one_time_tokens = d.pop("one_time_tokens")
        for one_time_tokens_item_data in _one_time_tokens:
            one_time_tokens_item = ExportedToken.from_dict(one_time_tokens_item_data)

            one_time_tokens.append(one_time_tokens_item)

        mails = []
        _mails = d.pop("mails")
        for mails_item_data in _mails:
            mails_item = ExportedMail.from_dict(mails_item_data)

            mails.append(mails_item)

        audit_events = []
        _audit_events = d.pop("audit_events")
        for audit_events_item_data in _audit_events:
            audit_events_item = OwnAuditEvent.from_dict(audit_events_item_data)

            audit_events.append(audit_events_item)

        account_export = cls(
            exported_at=exported_at,
            user=user,
            sessions=sessions,
            known_clients=known_clients,
            email_verifications=email_verifications,
            one_time_tokens=one_time_tokens,
            mails=mails,
            audit_events=audit_events,
        )

        account_export.additional_properties = d
        return account_export

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
