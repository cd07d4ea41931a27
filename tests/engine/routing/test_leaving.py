"""Who leaves, who does not, and who is asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import bot.lexicon
from bot.engine.leaving import compliance, judge
from bot.engine.patterns import PatternError, compile_patterns
from bot.engine.wordlists import LexiconError, build
from bot.lexicon import load

LEXICON = load()


def level(text: str) -> str | None:
    words = LEXICON.words(text)
    word = compliance(LEXICON, words)
    if word is not None:
        return "leave" if word[0].kind == "stop" else word[0].kind
    verdict = judge(LEXICON, text, words)
    return verdict.level if verdict else None


TWILIO = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"]
FCC = ["stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe"]
OTHER_LANGUAGES = ["BAJA", "PARAR", "ALTO", "CANCELAR", "ARRET", "ARRÊT", "STOPP", "ABMELDEN", "SAIR", "PARE"]


@pytest.mark.parametrize("word", TWILIO + FCC + OTHER_LANGUAGES)
@pytest.mark.parametrize("dress", ["{}", "{}.", "please {}", "{} please", "{}!!!", "{}\n\nSent from my iPhone", "“{}”"])
def test_every_listed_word_leaves_in_every_dress(word: str, dress: str) -> None:
    """Twilio's list, the FCC's list and the words of four more languages, politely or loudly."""
    assert level(dress.format(word)) == "leave"
    assert level(dress.format(word.lower())) == "leave"


@pytest.mark.parametrize("near", ["shop", "step", "top", "spot", "send", "bend", "quite", "and", "sop up", "canal"])
def test_likeness_alone_never_leaves(near: str) -> None:
    """Words one letter away from STOP, END or QUIT mean something else."""
    assert level(near) is None


@pytest.mark.parametrize(
    "text",
    [
        "don't stop", "never stop sending these", "stop by at 5?", "can I stop in tomorrow", "cancel my order",
        "cancel my reservation", "end of the month?", "quit smoking", "don't unsubscribe me", "my first stop",
        "did you stop selling scones?", "when does the promo end", "take 10% off my order", "no paren nunca",
        "cancelar mi pedido", "n'arrêtez pas", "hört nicht auf", "não parem", "what does opt out mean",
        "take me off the waitlist", "I never got my text", "you never text me back",
    ],
)  # fmt: skip
def test_other_meanings_stay(text: str) -> None:
    """A negative, a visit, an order: none of these is even asked about."""
    assert level(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "If you don't stop texting me I will call the police",
        "don't stop by anymore and take me off your list",
        "cancel my order and stop texting me",
        "STOP. I love coffee, not texts.\nSent from my iPhone",
    ],
)
def test_a_guard_hides_only_its_own_words(text: str) -> None:
    """What is meant otherwise in one half of a text does not excuse the other half."""
    assert level(text) in ("leave", "perhaps")


def test_a_conditional_threat_leaves() -> None:
    """ "If you don't stop" is no "don't stop"."""
    assert level("If you don't stop texting me I will call the police") == "leave"


@pytest.mark.parametrize("text", ["too many texts", "ugh enough", "I'm done", "unsubscribe link?", "wrong number"])
def test_doubt_is_asked_back(text: str) -> None:
    """What may or may not be a wish to leave is no decision."""
    words = LEXICON.words(text)
    assert compliance(LEXICON, words) is None
    verdict = judge(LEXICON, text, words)
    assert verdict is not None
    assert verdict.level in ("perhaps", "yields")


def test_praise_turns_stop_into_a_question() -> None:
    """ "Stop! These are too good" is asked about, never obeyed."""
    assert level("Stop! These deals are too good") == "perhaps"


def test_it_names_the_pattern_that_is_malformed() -> None:
    """A pattern without a word, or with an unknown class, is refused when the lists are read."""
    with pytest.raises(PatternError, match=r"no class <nobody>"):
        compile_patterns(["stop <nobody>"], {}, frozenset())
    with pytest.raises(PatternError, match="no word that must be there"):
        compile_patterns(["[please] .."], {}, frozenset())


def test_it_says_which_list_is_malformed() -> None:
    """A missing list is a LexiconError, not a KeyError somewhere."""
    with pytest.raises(LexiconError, match="malformed"):
        build({})


def test_every_class_entry_can_be_met() -> None:
    """A word that is always respelled would never match: patterns are written in the spelling they are compared in."""
    text = (Path(bot.lexicon.__file__).parent / "leaving.yaml").read_text("utf-8")
    document = YAML(typ="safe", pure=True).load(text)
    entries = {entry for entries in document["classes"].values() for entry in entries}
    entries |= {
        piece
        for key in ("firm", "doubts", "guards", "unless_praise", "leave", "perhaps", "yields")
        for pattern in document[key]
        for group in re.findall(r"[\[(]([^\])]*)[\])]", pattern)
        for piece in group.split("|")
        if piece and piece[0] not in "<*$^"
    }
    assert {entry for entry in entries if LEXICON.spelling.respell(entry) != entry} == set()


def test_every_pattern_compiles() -> None:
    """Patterns are compiled when first tried; here all are."""
    leaving = LEXICON.leaving
    for patterns in (leaving.firm, leaving.doubts, leaving.guards, leaving.leave, leaving.perhaps, leaving.yields):
        for pattern in patterns.patterns:
            assert pattern.search(" nothing of the kind ") is None
