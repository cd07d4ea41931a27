"""What normalising makes of what phones send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.words import LIMIT, clauses, fold, normalise, squeeze, unsigned


@pytest.mark.parametrize(
    "text",
    [
        "STOP", " stop ", "Stop.", "“Stop”", "S.T.O.P.", "s t o p", "S-T-O-P", "ST0P", "5TOP", "$top", "ＳＴＯＰ",
        "ЅТОР", "sтop", "Stóp", "st\u200bop", "𝐒𝐓𝐎𝐏", "🆂🆃🅾🅿", "ꜱᴛᴏᴘ", "STOP 🛑", "STOP\n\nSent from my iPhone",
        "Stop. Sent from my iPhone", "stop\n--\nJohn Meyer", "STOP\n- Maria", "Stop\nGet Outlook for Android",
        "stop\nEnviado desde mi iPhone", "Stop\n\nEnvoyé de mon iPhone", "STOP\nVon meinem iPhone gesendet",
        "STOP\nEnviado do meu iPhone",
    ],
)  # fmt: skip
def test_it_reads_stop_in_every_dress(text: str) -> None:
    """Case, marks, look-alikes, accents, hidden characters and signatures never matter."""
    assert normalise(text) == "stop"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don’t want l'arrêt", "i dont want l arret"),
        ("c'est s'il vous plaît", "c est s il vous plait"),
        ("100pts at 5pm", "100pts at 5pm"),
        ("1️⃣", "1"),
        ("March 14th", "march 14th"),
        ("stooooppp", "stoopp"),
        ("12345", "12345"),
        ("wrong # stop", "wrong number stop"),
        ("#1", "1"),
        ("👍🏽", ""),
        ("", ""),
        ("مرحبا", "مرحبا"),
        ("sent from my iphone", "sent from my iphone"),
    ],
)
def test_it_keeps_what_carries_meaning(text: str, words: str) -> None:
    """Contractions close up, units and numbers stay, a text that is only a signature stays."""
    assert normalise(text) == words


def test_it_squeezes_doubled_letters() -> None:
    """Runs of a letter become one, for comparing only."""
    assert squeeze("stoopp") == squeeze("stop") == "stop"


def test_it_splits_sentences() -> None:
    """Full stops, marks and line breaks end a clause; a dot inside a number does not."""
    assert clauses(fold("STOP. I said 3.5 points!\nOK?")) == ["stop", "i said 3 5 points", "ok"]


def test_it_takes_the_signature_off_free_text() -> None:
    """A name keeps its case and accents and loses the phone's line."""
    assert unsigned("José\n\nSent from my iPhone") == "José"


@given(st.text(max_size=300))
def test_normalising_twice_changes_nothing_more_than_once(text: str) -> None:
    """Words are lower case, single-spaced and stable enough to be compared."""
    words = normalise(text)
    assert words == " ".join(words.split())
    assert len(normalise(words)) <= len(words) + 10


@given(st.text(min_size=LIMIT, max_size=LIMIT + 400))
def test_it_looks_at_a_bounded_text(text: str) -> None:
    """What stands behind the limit is never read."""
    assert normalise(text) == normalise(text[:LIMIT])
