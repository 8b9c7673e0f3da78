"""Triage: which decisions need a human, and whether they open a case or join one. Tables in `packs/*/triage.toml`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from goodsend.cases.model import CaseChange, OpenCase
from goodsend.decisions.model import Decision
from goodsend.kit.errors import Problem
from goodsend.kit.ids import derived_id
from goodsend.kit.text import shorten
from goodsend.policies.clauses import Policy
from goodsend.rules.model import Verdict

_TITLE_CHARS = 160


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    The queue for cases under these policies (empty: any), from this severity up.

    `subjects` are the entity types such a case may be about (empty: the usual ones).
    """

    queue: str
    policies: list[str] = []
    min_severity: int = 1
    subjects: list[str] = []


class Triage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    When a case is due: from `min_verdict` up. `routes` are tried in order, else `default_queue`.

    `subjects` are the entity types a case may be about, the first one the event carries counts.
    """

    min_verdict: Verdict
    default_queue: str
    subjects: list[str]
    queues: dict[str, str]
    source: str
    routes: list[Route] = msgspec.field(name="route", default_factory=list)

    @property
    def all_subjects(self) -> frozenset[str]:
        """Every entity type that some case may be about."""
        return frozenset(self.subjects).union(*(route.subjects for route in self.routes))

    def route_for(self, policy: str, severity: int) -> Route:
        """Return the first route that takes this policy at this severity, else one to the default queue."""
        for route in self.routes:
            if severity >= route.min_severity and (not route.policies or policy in route.policies):
                return route
        return Route(self.default_queue)


def parse_triage(
    files: Mapping[str, Mapping[str, Any]], policies: Mapping[str, Policy]
) -> tuple[Triage, list[Problem]]:
    """Read triage.toml; the last file wins as a whole."""
    triage = Triage(Verdict.REVIEW, "review", ["account"], {"review": "everything"}, "default")
    problems = []
    for file, raw in files.items():
        try:
            triage = msgspec.convert(raw, Triage)
        except msgspec.ValidationError as error:
            problems.append(Problem(file, str(error)))
            continue
        for number, route in enumerate(triage.routes, 1):
            place = f"{file}: route {number}"
            problems += [Problem(place, f"no policy is named {p!r}") for p in route.policies if p not in policies]
            if route.queue not in triage.queues:
                problems.append(Problem(place, f"no queue is named {route.queue!r}"))
    return triage, problems


def case_change(
    decision: Decision,
    entities: Mapping[str, str],
    open_cases: Mapping[tuple[str, str], OpenCase],
    triage: Triage,
    policies: Mapping[str, Policy],
) -> CaseChange | None:
    """
    Return the case this decision opens or joins, or None when no human is needed.

    One subject has one case at a time: what comes while it is worked joins it, and leads it when it is graver.
    """
    acting = [hit for hit in decision.hits if hit.acts]
    if decision.verdict.rank < triage.min_verdict.rank or not acting:
        return None
    gravest = max(acting, key=lambda hit: (hit.severity, hit.verdict.rank))
    route = triage.route_for(gravest.policy, decision.severity)
    subject_type = next((name for name in route.subjects or triage.subjects if name in entities), "event")
    subject = entities.get(subject_type, decision.event_id)
    joined = open_cases.get((subject_type, subject))
    policy = policies[gravest.policy]
    leads = joined is None or decision.severity > joined.severity
    opening = derived_id("case", decision.tenant, subject_type, subject, decision.event_id)
    return CaseChange(
        id=joined.id if joined else opening,
        opens=joined is None,
        subject_type=subject_type,
        subject=subject,
        policy=gravest.policy,
        severity=max(decision.severity, joined.severity if joined else 0),
        queue=route.queue if leads or joined is None else joined.queue,
        title=shorten(f"{policy.title}: {gravest.reason}", _TITLE_CHARS),
        event_id=decision.event_id,
        decision_id=decision.id,
        at=decision.at,
        leads=leads,
    )
