"""A small shop, and flows that are right, for the tests to spoil."""

from __future__ import annotations

from collections.abc import Mapping

from bot.engine.definition import Finding, Flow
from bot.engine.language import read_flow_leniently, read_phrases, read_programme
from bot.engine.phrases import Phrases
from bot.engine.programme import Programme
from bot.engine.prover import prove

PROGRAMME = """\
shop:
  name: Bluebird
  programme: Bluebird Regulars
  phone: "+12015550100"
  website: bluebird.example
  terms: bluebird.example/terms
  zone: America/New_York
  country: US
  currency: USD
  languages: [en, es]
points_per_unit: 1
awards: {welcome: 50}
tiers:
  - {key: bronze, names: Bronze, from_points: 0}
  - {key: gold, names: {en: Gold, es: Oro}, from_points: 500, multiplier_percent: 150, perks: A free cookie}
rewards:
  - {key: latte, names: {en: Free latte, es: Latte gratis}, cost: 100, valid_for: 14 days, stock: 5, tiers: [gold]}
wordings:
  join: {version: 1, texts: {en: Bluebird texts, es: Mensajes de Bluebird}}
"""

PHRASES = """\
misunderstood: [{en: Sorry?, es: Perdona?}]
fallback: {en: I did not understand., es: No entiendo.}
handed_over: {en: A person reads this., es: Alguien lo lee.}
resume: {en: "Back to: {question}", es: "Sigamos: {question}"}
crash: {en: Something broke., es: Algo se rompe.}
picture: {en: Nice picture., es: Linda foto.}
"""

STOP = """\
flow: stop
title: Stop
kind: service
start:
  - {compliance: stop, called: true, to: out}
states:
  out: {do: {unsubscribe: true}, say: {en: "{shop.name}: you are out.", es: "{shop.name}: listo."}, final: true}
"""
START = """\
flow: join
title: Join
kind: service
start:
  - {compliance: start, keywords: [JOIN], takes: code, to: asking}
states:
  asking:
    do: {request_consent: join}
    say: {en: "{wording.join} Reply YES", es: "{wording.join} Responde SI"}
    ask: yes_no
    on: {yes: in, no: end}
    after: {24h: end}
  in:
    do: [{subscribe: join}, {award: welcome}]
    say: {en: "You have {points, points}.", es: "Tienes {points, points}."}
    final: true
"""
HELP = """\
flow: help
title: Help
kind: service
start:
  - {compliance: help, to: shown}
states:
  shown: {say: {en: Help is here., es: Ayuda.}, final: true}
"""
UNSURE = """\
flow: unsure
title: Unsure
kind: service
start:
  - {compliance: unsure, to: asking}
states:
  asking:
    do: {pause_marketing: true}
    say: {en: Shall we stop?, es: Paramos?}
    ask: yes_no
    on: {yes: {do: {start: stop}, to: end}, no: {do: {settle_doubt: true}, to: end}}
    after: {24h: end}
"""
GOOD: Mapping[str, str] = {"stop": STOP, "join": START, "help": HELP, "unsure": UNSURE}


def programme() -> Programme:
    """Return the small shop's programme."""
    found, findings = read_programme(PROGRAMME, "programme.yaml")
    assert found is not None, findings
    return found


def phrases() -> Phrases:
    """Return the small shop's phrases."""
    found, findings = read_phrases(PHRASES, "phrases.yaml")
    assert found is not None, findings
    return found


def check(files: Mapping[str, str]) -> list[Finding]:
    """Read and prove the good flows with some added or replaced, as `flows check` does."""
    flows: dict[str, Flow] = {}
    findings: list[Finding] = []
    broken: set[str] = set()
    for name, text in {**GOOD, **files}.items():
        flow, found = read_flow_leniently(text, f"{name}.yaml")
        findings += found
        if any(finding.severity == "error" for finding in found):
            broken.add(name)
        if flow is not None:
            flows[name] = flow
    return [*findings, *prove(flows, programme(), phrases(), broken)]


def lines(findings: list[Finding], file: str) -> list[str]:
    """Write the findings of one file as `line:column severity code -> suggestion`."""
    return [
        f"{f.place.line}:{f.place.column} {f.severity} {f.code}" + (f" -> {f.suggestion}" if f.suggestion else "")
        for f in findings
        if f.place.file == file
    ]
