"""Contains all the data models used in inputs/outputs"""

from .account_export import AccountExport
from .admin_user import AdminUser
from .audit_event import AuditEvent
from .audit_event_detail import AuditEventDetail
from .audit_events import AuditEvents
from .credentials import Credentials
from .current_session import CurrentSession
from .delivery import Delivery
from .email_change import EmailChange
from .exported_client import ExportedClient
from .exported_mail import ExportedMail
from .exported_session import ExportedSession
from .exported_token import ExportedToken
from .exported_user import ExportedUser
from .exported_verification import ExportedVerification
from .field_error import FieldError
from .group import Group
from .groups import Groups
from .health import Health
from .list_users_role import ListUsersRole
from .list_users_state import ListUsersState
from .new_user import NewUser
from .own_audit_event import OwnAuditEvent
from .own_audit_event_detail import OwnAuditEventDetail
from .own_audit_events import OwnAuditEvents
from .password_change import PasswordChange
from .password_reset import PasswordReset
from .problem import Problem
from .problem_description import ProblemDescription
from .profile_change import ProfileChange
from .refusal import Refusal
from .registration import Registration
from .reset_request import ResetRequest
from .role import Role
from .session import Session
from .sessions import Sessions
from .undo import Undo
from .user import User
from .user_change import UserChange
from .users import Users
from .verification import Verification
from .welcome import Welcome

__all__ = (
    "AccountExport",
    "AdminUser",
    "AuditEvent",
    "AuditEventDetail",
    "AuditEvents",
    "Credentials",
    "CurrentSession",
    "Delivery",
    "EmailChange",
    "ExportedClient",
    "ExportedMail",
    "ExportedSession",
    "ExportedToken",
    "ExportedUser",
    "ExportedVerification",
    "FieldError",
    "Group",
    "Groups",
    "Health",
    "ListUsersRole",
    "ListUsersState",
    "NewUser",
    "OwnAuditEvent",
    "OwnAuditEventDetail",
    "OwnAuditEvents",
    "PasswordChange",
    "PasswordReset",
    "Problem",
    "ProblemDescription",
    "ProfileChange",
    "Refusal",
    "Registration",
    "ResetRequest",
    "Role",
    "Session",
    "Sessions",
    "Undo",
    "User",
    "UserChange",
    "Users",
    "Verification",
    "Welcome",
)
