"""What texts cost and which languages they are in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.engine.definition import Ask, Flow, Place, Text, TextCase
from bot.engine.language.reader import Reader, nearest
from bot.engine.language.texts import FIRST_LANGUAGE
from bot.engine.message import TEXT_LIMIT, Formats, Template, fold, measure, utf16_units, voice, worst_case
from bot.engine.programme import Programme
from bot.engine.prover.book import Book
from bot.engine.prover.walk import all_texts

MAX_SEGMENTS = 2
LISTED = 5  #: rewards that a list is reckoned to show at most


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is the same for every customer, by language, and how long the rest may be."""

    formats: Formats
    folded: bool
    lengths: Mapping[str, int]
    known: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, language: str, programme: Programme) -> Mapping[str, Any]:
        found = self.known.get(language)
        if found is None:
            found = self.known[language] = _known(language, programme, self.formats)
        return found


def check_wording(flow: Flow, book: Book, sizes: Sizes) -> None:
    """Complain of texts too long or too dear, and of languages missing or unknown."""
    reader = book.reader(flow.place)
    lengths = {**sizes.lengths, **_lengths_of_slots(flow, book.programme)}
    for said in all_texts(flow):
        check_text(said.text, book, reader, Sizes(sizes.formats, sizes.folded, lengths, sizes.known), said.choice)
    for state in flow.states.values():
        for option in state.ask.options if state.ask is not None else ():
            _check_languages(option.label, book, reader)


def check_phrases_wording(book: Book, sizes: Sizes) -> None:
    """The same for phrases.yaml."""
    phrases = book.phrases
    if phrases is None:
        return
    reader = book.reader(phrases.crash.place)
    for text in (*phrases.misunderstood, *phrases.fallback):
        check_text(text, book, reader, sizes)
    for text in (phrases.handed_over, phrases.resume, phrases.crash, phrases.picture):
        check_text(text, book, reader, sizes)


def sizes_of(programme: Programme) -> Sizes:
    """Return what a programme's texts are measured with."""
    longest = max((len(name) for reward in programme.rewards for name in reward.names.values()), default=12)
    tier = max((len(name) for entry in programme.tiers for name in entry.names.values()), default=8)
    perks = max((len(words) for entry in programme.tiers for words in entry.perks.values()), default=1)
    digits = len(str(max((reward.cost for reward in programme.rewards), default=100)))
    lengths = {
        "next_reward.name": longest,
        "next_reward.cost": digits,
        "next_reward.missing": digits,
        "voucher.name": max(longest, 12),
        "tier.name": tier,
        "next_tier.name": tier,
        "tier.perks": perks,
    }
    formats = Formats(programme.shop.currency, programme.shop.zone)
    return Sizes(formats, programme.accents == "fold", lengths)


def check_text(text: Text, book: Book, reader: Reader, sizes: Sizes, choice: Ask | None = None) -> None:
    """Check one text in all its cases and languages. `choice` is what `{options}` lists in it."""
    _check_languages(text, book, reader)
    for case in text.cases:
        for language, template in case.languages.items():
            known = sizes.of(language, book.programme)
            if "options" in template.variables and choice is not None:
                known = {**known, **_options(choice, language, known)}
            written = worst_case(template, language, sizes.formats, sizes.lengths, known, folded=sizes.folded)
            _check_size(written, template, _place(text, case, language), reader, folded=sizes.folded)


def _place(text: Text, case: TextCase, language: str) -> Place:
    lines = case.lines.get(language)
    return lines[0][1] if lines else text.place


def _check_languages(text: Text, book: Book, reader: Reader) -> None:
    spoken = book.programme.shop.languages
    for case in text.cases:
        place = _place(text, case, FIRST_LANGUAGE)
        missing = [language for language in spoken if language not in case.languages]
        for language in case.languages:
            if language not in spoken:
                near = nearest(language, missing)
                hint = f"; did you mean '{near}'?" if near else ""
                message = f"the shop does not speak '{language}'{hint}"
                reader.warn("unknown-language", message, _place(text, case, language), near)
        if missing:
            message = f"this text has no words in {', '.join(missing)}; English is sent instead"
            reader.warn("missing-language", message, place, missing[0])


def _check_size(written: str, template: Template, place: Place, reader: Reader, *, folded: bool) -> None:
    units = utf16_units(written)
    if units > TEXT_LIMIT:
        message = f"may have {units} characters; a message has at most {TEXT_LIMIT}"
        reader.error("text-too-long", message, place)
        return
    cost = measure(fold(written) if folded else written)
    if cost.encoding == "UCS-2":
        culprits = " ".join(f"{c} (U+{ord(c):04X})" for c in cost.culprits[:5])
        message = f"sent in the dear alphabet (UCS-2, {cost.segments} segments) because of {culprits}"
        reader.warn("text-ucs2", message, place)
    elif cost.segments > MAX_SEGMENTS:
        message = f"may need {cost.segments} segments ({cost.units} characters); {MAX_SEGMENTS} is the limit we keep"
        reader.warn("text-long", message, place)


def _known(language: str, programme: Programme, formats: Formats) -> Mapping[str, Any]:
    def words(texts: Mapping[str, str]) -> str:
        return texts.get(language) or texts.get(FIRST_LANGUAGE, "")

    speech, shop = voice(language, formats), programme.shop
    lines = sorted((f"{words(r.names)}, {speech.points(r.cost)}" for r in programme.rewards), key=len, reverse=True)
    return {
        **{f"shop.{name}": getattr(shop, name) for name in ("name", "programme", "phone", "website", "terms")},
        **{f"wording.{name}": words(wording.texts) for name, wording in programme.wordings.items()},
        **{f"award.{name}": points for name, points in programme.awards.items()},
        "undo_minutes": int(programme.undo_within.total_seconds() // 60),
        "rewards": lines[:LISTED],
        "all_rewards": lines,
    }


def _options(ask: Ask, language: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lines of a choice; vouchers differ from customer to customer and are only reckoned."""
    if ask.source == "vouchers":
        return {}
    if ask.source is not None:
        return {"options": known["all_rewards" if ask.source == "all_rewards" else "rewards"]}
    labels = (option.label.cases[-1].languages for option in ask.options)
    return {"options": [(label.get(language) or label[FIRST_LANGUAGE]).source for label in labels]}


def _lengths_of_slots(flow: Flow, programme: Programme) -> dict[str, int]:
    longest = max((len(name) for reward in programme.rewards for name in reward.names.values()), default=12)
    digits = len(str(max((reward.cost for reward in programme.rewards), default=100)))
    lengths: dict[str, int] = {}
    for state in flow.states.values():
        ask = state.ask
        if ask is None or ask.slot is None:
            continue
        if ask.source is not None:
            lengths[f"{ask.slot}.name"] = lengths[ask.slot] = longest
            lengths[f"{ask.slot}.cost"] = digits
        elif ask.options:
            labels = (t.source for o in ask.options for t in o.label.cases[-1].languages.values())
            lengths[ask.slot] = max(map(len, labels), default=12)
        elif ask.kind == "number" and ask.maximum is not None:
            lengths[ask.slot] = len(str(ask.maximum))
        elif ask.kind == "text" and ask.maximum is not None:
            lengths[ask.slot] = ask.maximum
    return lengths
