"""What the audit log's actions are called on its page."""

from __future__ import annotations

from collections.abc import Mapping

from bot.console.language import _
from bot.desk.said import Said

_SAID: Mapping[str, Said] = {
    "answer.sent": Said("wrote to the customer"),
    "audit.exported": Said("took the audit log out as a table"),
    "consent.withdrawn": Said("opted the customer out, who had asked for it"),
    "conversation.assigned": Said("assigned the conversation"),
    "conversation.done": Said("marked the conversation as done"),
    "conversation.extended": Said("held the conversation for longer"),
    "conversation.handed_back": Said("handed the conversation back"),
    "conversation.reopened": Said("opened the conversation again"),
    "conversation.snoozed": Said("put the conversation off"),
    "conversation.taken_over": Said("took the conversation over"),
    "conversation.tried": Said("tried something with a copy of the customer"),
    "conversation.viewed": Said("read the conversation"),
    "customer.erased": Said("erased the customer"),
    "customer.exported": Said("took everything about the customer out"),
    "customer.merged": Said("merged two customers"),
    "customer.viewed": Said("looked at the customer"),
    "evidence.exported": Said("took the consent evidence out"),
    "evidence.viewed": Said("looked at the consent evidence"),
    "flow.started": Said("started a flow for the customer"),
    "handoff.closed": Said("closed a request for a person"),
    "handoff.reopened": Said("opened a request for a person again"),
    "lesson.forgotten": Said("took a lesson for the bot back"),
    "lesson.taught": Said("taught the bot"),
    "note.added": Said("wrote a note"),
    "number.cleared": Said("let texts go to the number again"),
    "points.adjusted": Said("gave or took points"),
    "points.allowed": Said("allowed points"),
    "points.asked": Said("asked a second person to allow points"),
    "points.refused": Said("refused points"),
    "points.reversed": Said("took a points entry back"),
    "profile.changed": Said("changed the profile"),
    "reply.changed": Said("changed a saved reply"),
    "reply.removed": Said("removed a saved reply"),
    "reply.restored": Said("put a saved reply back"),
    "reply.saved": Said("saved a reply"),
    "report.downloaded": Said("took a report out"),
    "search.made": Said("searched"),
    "search.reindexed": Said("built the search index anew"),
    "staff.added": Said("added an account"),
    "staff.disabled": Said("closed an account"),
    "staff.enabled": Said("opened an account again"),
    "staff.link_made": Said("made a one-time link"),
    "staff.password_changed": Said("changed the password"),
    "staff.password_chosen": Said("chose a password"),
    "staff.role_changed": Said("changed a role"),
    "staff.second_factor_off": Said("turned a second factor off"),
    "staff.second_factor_on": Said("turned a second factor on"),
    "staff.signed_in": Said("signed in"),
    "suppression.lifted": Said("took a number off the suppression list, as its owner agreed anew"),
    "view.removed": Said("removed a saved view"),
    "view.saved": Said("saved a view"),
    "voucher.issued": Said("gave a voucher"),
    "voucher.redeemed": Said("redeemed a voucher"),
    "voucher.redemption_undone": Said("undid a redemption"),
    "voucher.revoked": Said("revoked a voucher"),
}


def action_words(action: str) -> str:
    """Return an action in the page's language; one without words is told by its name."""
    said = _SAID.get(action)
    return _(said.message) if said else action.replace(".", " ").replace("_", " ")
