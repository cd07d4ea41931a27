"""The form of an evidence file: entries chained by digests, one signature over the head; and its offline check.

`docs/consent-evidence.md` says what it proves. A digest is the SHA-256 of an entry's canonical JSON, the digest of the
entry before it included. The signature is Ed25519 (RFC 8032) with a key that comes from SECRET_KEY.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bot.desk.sealing import FIRST, canonical, derived

FORMAT = "regulars-consent-evidence/1"
_ALGORITHM = "Ed25519"
_PARTS = {"format", "entries", "head", "signature"}
_SIGNATURE = {"algorithm", "public_key", "fingerprint", "value"}
LARGEST = 50_000_000  #: bytes; a larger file is none of ours

Entry = dict[str, Any]


class _Unreadable(Exception):
    """It is no evidence file."""


@dataclass(slots=True)
class _Problems:
    all: list[str] = field(default_factory=list)

    def add(self, words: str) -> None:
        self.all.append(words)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found. `entries` are those of the file as far as it could be read."""

    problems: Sequence[str]
    entries: Sequence[Entry] = ()
    fingerprint: str = ""  #: of the key in the file

    @property
    def good(self) -> bool:
        return not self.problems


def attachment_name(about: Entry) -> str:
    """Return the name of the signed file, without the number's plus: `consent-12015550123-20260302.json`."""
    digits = "".join(filter(str.isdigit, about["number"]))
    return f"consent-{digits}-{about['made_at']['local'][:10].replace('-', '')}.json"


def public_key(secret_key: str) -> str:
    """Return the installation's public key, base64."""
    return base64.b64encode(_private(secret_key).public_key().public_bytes_raw()).decode()


def fingerprint(public: str) -> str:
    """Return the SHA-256 of a base64 public key in groups of four. Raises ValueError when it is none."""
    raw = base64.b64decode(public, validate=True)
    if len(raw) != 32 or base64.b64encode(raw).decode() != public:
        raise ValueError("an Ed25519 public key is 32 bytes in base64")
    digest = hashlib.sha256(raw).hexdigest()
    return " ".join(digest[at : at + 4] for at in range(0, len(digest), 4))


def signed(entries: Sequence[Entry], secret_key: str) -> str:
    """Return the text of an evidence file with these entries, in their order."""
    chained: list[Entry] = []
    previous = FIRST
    for number, entry in enumerate(entries):
        whole = {"entry": number, **entry, "previous": previous}
        previous = _digest(whole)
        chained.append({**whole, "digest": previous})
    head = {"entries": len(chained), "digest": previous}
    public = public_key(secret_key)
    signature = {
        "algorithm": _ALGORITHM,
        "public_key": public,
        "fingerprint": fingerprint(public),
        "value": base64.b64encode(_private(secret_key).sign(_to_sign(head))).decode(),
    }
    return _written({"format": FORMAT, "entries": chained, "head": head, "signature": signature})


def verify(content: bytes, key: str | None = None) -> Verdict:
    """Check chain, signature and form; `key` is the public key, or its fingerprint, that must have signed."""
    try:
        data = _read(content)
        entries = _entries(data)
    except _Unreadable as trouble:
        return Verdict([str(trouble)])
    found = _Problems()
    try:
        signer = _check(data, entries, key, content, found)
    except (ValueError, RecursionError) as trouble:  # numbers or nesting that no file of ours has
        return Verdict([*found.all, f"The file holds what no evidence file holds: {trouble}"], entries)
    return Verdict(found.all, entries, signer)


def _check(data: dict[str, Any], entries: Sequence[Entry], key: str | None, content: bytes, found: _Problems) -> str:
    last = _check_chain(entries, found)
    _check_head(data.get("head"), len(entries), last, found)
    signer = _check_signature(data.get("signature"), data.get("head"), key, found)
    if set(data) != _PARTS:
        found.add("The file has other parts than format, entries, head and signature.")
    if not found.all and _written(data).encode(errors="surrogatepass") != content:
        found.add(
            "The content is as it was signed, but its form was changed (spaces, line ends or the order of names). "
            "Ask for the original file."
        )
    return signer


def _read(content: bytes) -> dict[str, Any]:
    if len(content) > LARGEST:
        raise _Unreadable("This is no evidence file: it is too large.")
    try:
        data = json.loads(content.decode(), object_pairs_hook=_without_twins, parse_constant=_no_number)
    except (ValueError, RecursionError) as trouble:
        raise _Unreadable(f"The file cannot be read as JSON: {trouble}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _Unreadable(f"This is no evidence file: it does not begin with the format {FORMAT!r}.")
    return data


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object, so that two readers may see different things")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _entries(data: dict[str, Any]) -> list[Entry]:
    entries = data.get("entries")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise _Unreadable("This is no evidence file: it has no list of entries.")
    return entries


def _check_chain(entries: Sequence[Entry], found: _Problems) -> str:
    """Check every entry against its own digest and the one before; return the last digest."""
    previous = FIRST
    for place, entry in enumerate(entries):
        name = named(entry, place)
        number = entry.get("entry")
        if type(number) is not int or number != place:
            found.add(f"Place {place} holds entry {number!r}: entries were removed, added or put in another order.")
        if entry.get("previous") != previous:
            found.add(f"{name} does not follow what stands before it: that was changed, removed or moved.")
        if entry.get("digest") != _digest({key: value for key, value in entry.items() if key != "digest"}):
            found.add(f"{name} was changed: it does not fit its digest.")
        previous = str(entry.get("digest"))
    return previous


def named(entry: Entry, place: int) -> str:
    """Return how messages call an entry: `Entry 2 (subscribed, record 123)`."""
    about = [str(entry[key]) for key in ("status",) if entry.get(key)]
    about += [f"record {entry['record']}"] if entry.get("record") else []
    return f"Entry {place}" + (f" ({', '.join(about)})" if about else "")


def _check_head(head: Any, count: int, last: str, found: _Problems) -> None:
    if not isinstance(head, dict) or set(head) != {"entries", "digest"}:
        found.add("The head is not as it was made.")
        return
    if type(head["entries"]) is not int or head["entries"] != count:
        found.add(f"The head names {head['entries']!r} entries, the file has {count}.")
    if head["digest"] != last:
        found.add("The head does not fit the last entry: entries at the end were changed or removed.")


def _check_signature(signature: Any, head: Any, key: str | None, found: _Problems) -> str:
    """Check the signature over the head; return the fingerprint of the key in the file."""
    if not isinstance(signature, dict) or set(signature) != _SIGNATURE or signature["algorithm"] != _ALGORITHM:
        found.add("The signature is not as it was made.")
        return ""
    public = str(signature["public_key"])
    try:
        signer = fingerprint(public)
        value = base64.b64decode(str(signature["value"]), validate=True)
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public)).verify(value, _to_sign(head))
        canonical_value = base64.b64encode(value).decode()
    except (ValueError, InvalidSignature, RecursionError):
        found.add("The signature does not belong to this head and this public key.")
        return ""
    if signature["fingerprint"] != signer or signature["value"] != canonical_value:
        found.add("The signature or the fingerprint of its key was changed.")
    if key is not None and _bare(key) not in (public, _bare(signer)):
        found.add(f"Another key signed this file. Its fingerprint is {signer}.")
    return signer


def _bare(key: str) -> str:
    """Return a key or fingerprint as somebody may have copied it, without spaces and colons."""
    words = "".join(key.split()).replace(":", "")
    return words.lower() if len(words) == 64 else words


def _private(secret_key: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(derived(secret_key, "regulars consent evidence 1"))


def _digest(entry: Entry) -> str:
    return hashlib.sha256(canonical(entry).encode(errors="surrogatepass")).hexdigest()


def _to_sign(head: Any) -> bytes:
    return canonical({"format": FORMAT, "head": head}).encode(errors="surrogatepass")


def _written(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"
