"""A case and the changes triage asks for."""

import msgspec

from goodsend.kit.clock import Micros

STATES = ("open", "assigned", "waiting", "decided", "closed")
"""`waiting` is for the customer's answer. Allowed moves between them: `workflow.py`."""


class OpenCase(msgspec.Struct, frozen=True):
    """What triage must know of a case that is still being worked, to let events join it."""

    id: str
    subject_type: str
    subject: str
    policy: str
    severity: int
    queue: str


class CaseChange(msgspec.Struct, frozen=True):
    """
    What triage asks for: `opens` a new case, or joins an existing one (`opens` False).

    A joining change that is graver than the case `leads`: the case takes its policy, queue, title and severity.

    `id` of a new case is derived from tenant, subject, policy and the opening event. `title` is one line for a list.
    """

    id: str
    opens: bool
    subject_type: str
    subject: str
    policy: str
    severity: int
    queue: str
    title: str
    event_id: str
    decision_id: str
    at: Micros
    leads: bool = True
