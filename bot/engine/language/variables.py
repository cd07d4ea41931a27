"""The names that texts may use, with what they mean. Slots and own attributes come on top."""

from __future__ import annotations

from collections.abc import Mapping

VARIABLES: Mapping[str, str] = {
    "points": "points that can be spent now",
    "awarded": "points given in this turn",
    "spent": "money spent in all, for `{spent, money}`",
    "purchases": "how many purchases were recorded",
    "tier.name": "the customer's tier",
    "tier.perks": "what the tier brings",
    "next_tier.name": "the tier above; `none` at the top",
    "next_tier.missing": "points missing to it",
    "next_reward.name": "the cheapest reward not yet in reach; `none` when there is none",
    "next_reward.cost": "what it costs",
    "next_reward.missing": "points missing to it",
    "expiring.points": "points that expire soonest, within 60 days; `none` when there are none",
    "expiring.on": "the day they expire",
    "rewards": "the rewards in reach, for `{rewards, list}`",
    "all_rewards": "every reward, for `{all_rewards, list}`",
    "vouchers": "the usable vouchers, for `{vouchers, list}`",
    "voucher.name": "the voucher issued in this conversation, else the newest",
    "voucher.code": "its code",
    "voucher.ends": "its last day",
    "referral.code": "the customer's own code for friends",
    "invitation": "the text a friend sends: `JOIN CODE`",
    "undo_minutes": "how long a redemption can be taken back",
    "options": "the numbered list of the state's choice",
    "question": "the question asked again; only in `resume` of phrases.yaml",
}

FAMILIES: Mapping[str, Mapping[str, str]] = {
    "customer": {
        "name": "the customer's name; may be empty",
        "phone": "the customer's number",
        "language": "the language spoken with the customer",
        "birthday": "the customer's birthday",
        "email": "the customer's e-mail address",
    },
    "shop": {
        "name": "the shop's name",
        "programme": "the loyalty programme's name",
        "phone": "the shop's phone number",
        "website": "the shop's site",
        "terms": "where the terms stand",
    },
    "award": {},
    "wording": {},
}
"""Names with a dot. `award.NAME` and `wording.NAME` are those of programme.yaml; `customer.X` also own attributes."""

FAMILY_MEANINGS: Mapping[str, str] = {
    "customer.X": "one of the shop's own attributes",
    "award.NAME": "a named amount of points of programme.yaml",
    "wording.NAME": "a consent wording of programme.yaml, whole",
    "SLOT": "an answer given in this conversation, by the slot's name",
    "SLOT.name, SLOT.cost": "of a chosen reward",
    "SLOT.name, SLOT.code, SLOT.ends": "of a chosen voucher",
}

SLOT_PARTS: Mapping[str, frozenset[str]] = {
    "reward": frozenset({"name", "cost"}),
    "voucher": frozenset({"name", "code", "ends"}),
}
"""What may follow the dot after a slot, by what was chosen."""
