"""Alphabets, lengths and segments, after Twilio's segment calculator."""

from __future__ import annotations

import timeit
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.encoding import GSM_CHARACTERS, Measure, fold, measure, utf16_units

SMILE, FLAG, RAINBOW, FAMILY = "😜", "🇮🇹", "🏳️‍🌈", "👨‍👩‍👧‍👦"
ESCAPED = "^{}\\[~]|€\f"
ALPHABET = st.one_of(
    st.sampled_from(sorted(GSM_CHARACTERS)), st.sampled_from("áçí“”–…\u00a0😀`"), st.characters(codec="utf-16")
)
TEXTS = st.text(ALPHABET, max_size=400)


@pytest.mark.parametrize(
    ("text", "encoding", "segments"),
    [
        ("1" * 160, "GSM-7", 1),
        ("1" * 161, "GSM-7", 2),
        ("1" * 306, "GSM-7", 2),
        ("1" * 307, "GSM-7", 3),
        ("1" * 1600, "GSM-7", 11),
        ("á" * 1600, "UCS-2", 24),
        (SMILE + "2" * 68, "UCS-2", 1),
        (SMILE + "2" * 69, "UCS-2", 2),
        (SMILE + "2" * 133, "UCS-2", 3),
        (FLAG + "2" * 66, "UCS-2", 1),
        (FLAG + "2" * 67, "UCS-2", 2),
        (RAINBOW + "2" * 64, "UCS-2", 1),
        (RAINBOW + "2" * 65, "UCS-2", 2),
        (SMILE + "]" * 68, "UCS-2", 1),
        (SMILE + "]" * 69, "UCS-2", 2),
        ("e\u0301\u0301\u0301" + "a" * 66, "UCS-2", 1),
        ("e\u0301\u0301\u0301" + "a" * 67, "UCS-2", 2),
        ("", "GSM-7", 1),
    ],
)
def test_it_counts_segments_as_twilio_does(text: str, encoding: str, segments: int) -> None:
    counted = measure(text)
    assert (counted.encoding, counted.segments) == (encoding, segments)


@pytest.mark.parametrize("character", ESCAPED)
def test_it_counts_an_extension_character_twice(character: str) -> None:
    assert measure(character + "1" * 158) == Measure("GSM-7", 160, 1)
    assert measure(character + "1" * 159) == Measure("GSM-7", 161, 2)


@pytest.mark.parametrize("character", "ÁÚúçíÍóÓ")
def test_it_counts_accents_outside_the_alphabet_as_ucs2(character: str) -> None:
    assert measure(character * 70) == Measure("UCS-2", 70, 1, (character,))
    assert measure(character * 71) == Measure("UCS-2", 71, 2, (character,))


def test_it_never_splits_an_escaped_character() -> None:
    """152 characters, a euro sign and 153 more are 307 septets and need three parts."""
    assert measure("a" * 152 + "€" + "a" * 153) == Measure("GSM-7", 307, 3)
    assert measure("a" * 151 + "€" + "a" * 153).segments == 2


def test_it_moves_an_emoji_at_the_edge_whole_into_the_next_part() -> None:
    assert measure("á" * 66 + SMILE + "á" * 66).segments == 3
    assert measure("á" * 65 + SMILE + "á" * 67).segments == 2


def test_it_keeps_a_family_and_a_flag_in_one_part() -> None:
    assert measure(FAMILY).units == 11
    assert measure("á" * 57 + FAMILY + "á" * 66).segments == 3
    assert measure("á" * 64 + FLAG + "á" * 65).segments == 3
    assert measure("á" * 63 + FLAG + "á" * 67).segments == 2


def test_it_counts_a_windows_line_end_as_two() -> None:
    assert measure("\rabcde\r\n123").units == 11


def test_it_names_each_culprit_once_in_order() -> None:
    assert measure("Más café, más té: “sí”").culprits == ("á", "“", "í", "”")


def test_it_measures_a_cluster_larger_than_a_part() -> None:
    """A letter under a hundred marks fits no part; it is spread over several."""
    assert measure("a" + "\u0301" * 200).segments == 3


def _joins(character: str) -> bool:
    """Say whether a character may belong to the cluster before it."""
    code = ord(character)
    joiner = code in (0x1B, 0x200C, 0x200D) or 0x1F1E6 <= code <= 0x1F1FF or 0x1F3FB <= code <= 0x1F3FF
    return joiner or 0xE0020 <= code <= 0xE007F or unicodedata.category(character)[0] == "M"


@given(st.text(ALPHABET.filter(lambda character: not _joins(character)), min_size=1, max_size=400))
def test_it_agrees_with_smsutil_where_no_clusters_are(text: str) -> None:
    """smsutil has the same alphabet, but no grapheme clusters, and takes the bare escape for a character."""
    smsutil = pytest.importorskip("smsutil")
    split = smsutil.split(text)
    counted = measure(text)
    assert counted.segments == len(split.parts)
    assert counted.encoding == ("GSM-7" if split.encoding == "gsm0338" else "UCS-2")
    assert counted.units == split.total_bytes // (1 if counted.encoding == "GSM-7" else 2)


@given(TEXTS)
def test_it_names_culprits_exactly_when_the_text_is_ucs2(text: str) -> None:
    counted = measure(text)
    assert bool(counted.culprits) == (counted.encoding == "UCS-2")
    assert set(counted.culprits) == set(text) - GSM_CHARACTERS


@given(TEXTS, TEXTS)
def test_it_never_gets_cheaper_by_adding_gsm_text(text: str, more: str) -> None:
    """Adding characters never takes a segment away."""
    assert measure(text + more).segments >= measure(text).segments


@given(st.text(st.characters(codec="utf-16"), max_size=50))
def test_it_counts_utf16_units(text: str) -> None:
    assert utf16_units(text) == len(text.encode("utf-16-le")) // 2


def test_it_measures_a_short_text_in_microseconds() -> None:
    text = "You have 120 points. Reply REDEEM to see rewards."
    assert min(timeit.repeat(lambda: measure(text), number=200, repeat=5)) / 200 < 10e-6


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("¡Más café! ¿Qué tal? Aquí, avión, tú", "¡Mas café! ¿Qué tal? Aqui, avion, tu"),
        ("“Hi” – it’s 5\u00a0o’clock…", "\"Hi\" - it's 5 o'clock..."),
        ("ça va\t`ok`", "ca va 'ok'"),
        ("Ça, ñandú, Ünal", "Ça, ñandu, Ünal"),
        ("cafe\u0301", "café"),
        ("½ off™ ①", "1/2 offTM 1"),
        ("zero\u200bwidth", "zerowidth"),
        ("Œuvre Łódź", "OEuvre Lodz"),
        ("plain", "plain"),
    ],
)
def test_it_folds_to_look_alikes(text: str, plain: str) -> None:
    assert fold(text) == plain
    assert measure(plain).encoding == "GSM-7"


@pytest.mark.parametrize("text", ["مرحبا á", "Más café ☕", "Привет, Ана “á”", "日本 é í"])
def test_it_keeps_accents_when_folding_would_save_nothing(text: str) -> None:
    assert fold(text) == text


@given(TEXTS)
def test_it_folds_wholly_or_not_at_all(text: str) -> None:
    """The answer is the text itself or GSM-7; folding again changes nothing."""
    folded = fold(text)
    assert folded == text or measure(folded).encoding == "GSM-7"
    assert fold(folded) == folded


@given(st.text(st.sampled_from(sorted(GSM_CHARACTERS))))
def test_it_leaves_gsm_text_alone(text: str) -> None:
    assert fold(text) == text
