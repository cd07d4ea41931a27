"""Who may do what: every page and every action of the console, by endpoint, in one place.

An endpoint that is not here is refused at start, so that nothing is ever open by being forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask

from bot.desk.actor import Role

Roles = frozenset[Role]

ALL: Roles = frozenset(("support", "marketer", "manager", "admin"))
DESK: Roles = frozenset(("support", "manager", "admin"))  #: who talks with customers
OFFICE: Roles = frozenset(("marketer", "manager", "admin"))  #: who looks at numbers
MANAGERS: Roles = frozenset(("manager", "admin"))
ADMINS: Roles = frozenset(("admin",))

#: Endpoints anybody may ask for, without the prefix `console.`.
PUBLIC = frozenset(
    {
        "static",
        "signing.sign_in",
        "signing.try_password",
        "signing.second_factor",
        "signing.try_code",
        "signing.welcome",
        "signing.begin",
        "signing.demo",
        "signing.sign_out",
        "openid.leave",
        "openid.come_back",
    }
)

#: Endpoint, without the prefix `console.` -> who may ask for it.
PERMISSIONS: Mapping[str, Roles] = {
    "home.home": ALL,
    "account.show": ALL,
    "account.change_password": ALL,
    "account.change_language": ALL,
    "account.second_factor": ALL,
    "account.second_factor_off": ALL,
    "account.end_sessions": ALL,
    "account.tour_seen": ALL,
    # What happened, and what to teach.
    "reports.show": OFFICE,
    "reports.download": OFFICE,
    "teaching.show": ALL,
    "teaching.teach": ALL,
    # The inbox.
    "inbox.show": DESK,
    "inbox.entries": DESK,
    "inbox.show_bar": DESK,
    "inbox.assign": DESK,
    "inbox.snooze": DESK,
    "inbox.done": DESK,
    "inbox.reopen": DESK,
    "inbox.here": DESK,
    "inbox.save_view": DESK,
    "inbox.remove_view": DESK,
    # Search shows texts and numbers.
    "search.show": DESK,
    "search.results": DESK,
    # One conversation.
    "conversation.show": DESK,
    "conversation.older": DESK,
    "conversation.newer": DESK,
    "conversation.add_note": DESK,
    "conversation.teach": DESK,
    "conversation.forget_lesson": DESK,
    "conversation.mentions": DESK,
    "conversation.read_mentions": DESK,
    "pictures.show": DESK,
    "trying.show": DESK,
    "trying.state": DESK,
    "trying.play": DESK,
    # One customer, and the till.
    "customer.show": ALL,
    "customer.change": ALL,  # which fields: bot.desk.profile.EDITABLE
    "customer.adjust": DESK,
    "customer.reverse": DESK,
    "customer.issue": DESK,
    "customer.revoke": DESK,
    "till.show": DESK,
    "till.find": DESK,
    "till.redeem": DESK,
    "till.undo": DESK,
    "approvals.show": DESK,
    "approvals.allow": MANAGERS,
    "approvals.refuse": MANAGERS,
    # Whoever talks with customers may read why they get texts; a signed file leaves the house, and a manager sends it.
    "evidence.show": DESK,
    "evidence.opt_out": DESK,
    "evidence.signed_file": MANAGERS,
    "evidence.reading_copy": MANAGERS,
    # What leaves the house or cannot be undone is for managers.
    "privacy.show": MANAGERS,
    "privacy.export_json": MANAGERS,
    "privacy.export_page": MANAGERS,
    "privacy.show_certificate": MANAGERS,
    "privacy.look_at_merge": MANAGERS,
    "privacy.merge": MANAGERS,
    "privacy.look_at_erasure": MANAGERS,
    "privacy.erase": MANAGERS,
    # What colleagues did is for those who answer for them.
    "auditing.show": MANAGERS,
    "auditing.download": MANAGERS,
    # Taking over.
    "takeover.take_over": DESK,
    "takeover.extend": DESK,
    "takeover.hand_back": DESK,
    "takeover.answer": DESK,
    "takeover.measure": DESK,
    "takeover.reply": DESK,
    "takeover.holder": DESK,
    "queue.show": DESK,
    "queue.close": DESK,
    "queue.reopen": DESK,
    "replies.show": DESK,
    "replies.add": DESK,
    "replies.change": DESK,
    "replies.remove": DESK,
    "replies.restore": DESK,
    # Staff.
    "people.show": ADMINS,
    "people.invite": ADMINS,
    "people.new_link": ADMINS,
    "people.change_role": ADMINS,
    "people.disable": ADMINS,
    "people.enable": ADMINS,
    "people.reset_second_factor": ADMINS,
}


def allowed(endpoint: str, role: Role) -> bool:
    """Say whether a role may ask for an endpoint, given without the prefix `console.`."""
    return endpoint in PUBLIC or role in PERMISSIONS.get(endpoint, frozenset())


def check_all(app: Flask) -> None:
    """Refuse to start when an endpoint of the console is not declared."""
    endpoints = {
        rule.endpoint.removeprefix("console.")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("console.")
    }
    forgotten = endpoints - PERMISSIONS.keys() - PUBLIC
    if forgotten:
        raise RuntimeError(f"bot/console/permissions.py lacks {', '.join(sorted(forgotten))}")
