"""What the bot says when no flow does (`flows/phrases.yaml`)."""

from __future__ import annotations

from dataclasses import dataclass

from bot.engine.definition import Text


@dataclass(frozen=True, slots=True)
class Phrases:
    """Texts used in every flow."""

    misunderstood: tuple[Text, ...]  #: 1st, 2nd, 3rd time a reply is not understood, unless the state says otherwise
    fallback: tuple[Text, ...]  #: 1st, 2nd time nothing at all is understood; then a person is asked
    handed_over: Text  #: a person was asked because nothing was understood
    resume: Text  #: said before an interrupted question is asked again; may use {question}
    crash: Text  #: something broke inside a flow
    picture: Text  #: a picture without words arrived and nothing waits for one
