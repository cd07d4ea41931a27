"""Changes of the customer's own row."""

from __future__ import annotations

from bot.apply.context import Context
from bot.engine import effects as fx

_COLUMNS = frozenset(
    {"name", "birthday", "email", "language", "frequency", "tier", "zone", "marketing_paused", "referral_code"}
)


def set_attribute(effect: fx.SetAttribute, context: Context) -> None:
    """Set what has a column of its own there, anything else among the attributes."""
    change = context.change()
    if effect.name == "language_heard":  # how they write, not what they chose
        change["language"] = effect.value
        return
    if effect.name in _COLUMNS:
        change[effect.name] = effect.value
        if effect.name == "language":
            change["language_chosen"] = True
        return
    attributes = change.setdefault("attributes", dict(context.customer.attributes))
    if effect.value is None:
        attributes.pop(effect.name, None)
    else:
        attributes[effect.name] = effect.value


def set_mark(effect: fx.SetMark, context: Context) -> None:
    """Note the day something of the customer's happened last."""
    context.change().setdefault("marks", dict(context.customer.marks))[effect.name] = effect.day


def add_tag(effect: fx.AddTag, context: Context) -> None:
    """Add a tag once."""
    tags = context.change().setdefault("tags", sorted(context.customer.tags))
    if effect.tag not in tags:
        tags.append(effect.tag)


def remove_tag(effect: fx.RemoveTag, context: Context) -> None:
    """Remove a tag, if it is there."""
    tags = context.change().setdefault("tags", sorted(context.customer.tags))
    if effect.tag in tags:
        tags.remove(effect.tag)
