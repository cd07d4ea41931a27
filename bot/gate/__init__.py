"""May this message go out now? One function, asked when a message is planned and again when it is claimed.

Sources: 47 CFR 64.1200(a)(10), (a)(12) (revocation, one confirmation) and (c)(1) (hours, local to the called
party); CTIA Messaging Principles 5.1 (opt-in, opt-out). The hours and caps of states and other countries are
data with their sources in bot/rules. The shop's own, stricter window and caps are in programme.yaml.
"""

from bot.gate.asking import DAY, MONTH, WEEK, ask, daytime
from bot.gate.reasons import REASONS, in_words
from bot.gate.recipients import recipient_of
from bot.gate.verdict import Drop, Purpose, Recipient, Send, Verdict, Wait

__all__ = [
    "DAY",
    "MONTH",
    "REASONS",
    "WEEK",
    "Drop",
    "Purpose",
    "Recipient",
    "Send",
    "Verdict",
    "Wait",
    "ask",
    "daytime",
    "in_words",
    "recipient_of",
]
