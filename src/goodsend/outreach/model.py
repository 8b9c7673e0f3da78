"""A notice: a draft for a person until someone, or a policy, sends it."""

import msgspec

from goodsend.kit.clock import Micros


class Notice(msgspec.Struct, frozen=True):
    """What we tell an account holder: the facts, the clause, what to do, how to appeal. `id` is derived."""

    id: str
    account: str
    template: str
    language: str
    subject: str
    body: str
    policy: str
    decision_id: str
    at: Micros
