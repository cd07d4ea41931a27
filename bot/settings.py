"""Settings from the environment or a `.env` file, read once at start and frozen.

Every setting is documented in `.env.example`. Demo mode invents what it lacks; otherwise every missing
secret is named in one error.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from sqlalchemy.exc import ArgumentError

from bot.errors import SettingsError
from storage.database import normal_url

ROOT = Path(__file__).resolve().parent.parent
Keywords = Literal["regulars", "twilio"]
CarrierName = Literal["twilio", "bird", "simulated"]
Role = Literal["all", "web", "worker", "scheduler"]
ROLES: tuple[Role, ...] = ("all", "web", "worker", "scheduler")
CARRIERS: tuple[CarrierName, ...] = ("twilio", "bird", "simulated")
_BIRD = ("SECRET_KEY", "BIRD_ACCESS_KEY", "BIRD_WORKSPACE", "BIRD_CHANNEL", "BIRD_SIGNING_KEY", "PUBLIC_URL")
TWILIO_API = "https://api.twilio.com"
_REQUIRED = ("SECRET_KEY", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM", "PUBLIC_URL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the environment decides. URLs carry no trailing slash."""

    database_url: str
    broker_url: str = ""
    role: Role = "all"  #: what this process does; `all` is the embedded default
    public_url: str = ""  #: empty: whatever address the request came to (demo only)
    trust_proxy: bool = False  #: believe X-Forwarded-Proto and -Host of the proxy in front
    host: str = "127.0.0.1"
    port: int = 8000
    secret_key: str
    account_sid: str = ""
    auth_tokens: tuple[str, ...]
    api_key: str = ""
    api_secret: str = ""
    sender: str = ""
    api_base_url: str = TWILIO_API
    keywords: Keywords = "regulars"
    carrier: CarrierName = "twilio"
    bird_access_key: str = ""
    bird_workspace: str = ""
    bird_channel: str = ""
    bird_signing_key: str = ""
    bird_base_url: str = "https://api.bird.com"
    sending_rate: str = ""  #: a class, N/s, N/min or unlimited; empty: what the number is
    sending_daily_cap: int | None = None  #: segments a day for the whole brand; 0: none; None: the class's
    sending_concurrency: int = 16  #: requests to the carrier at once, of this process
    account_concurrency: int | None = None  #: the same of all processes together; None: no limit of ours
    oidc_issuer: str = ""  #: sign-in of staff by OpenID Connect; empty: by password only
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    audit_keep_days: int = 730  #: how long the audit log keeps an entry; 0: for ever
    demo: bool = False
    flows_dir: Path = ROOT / "flows"
    log_level: str = "INFO"

    @property
    def sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def live(self) -> bool:
        """Whether texts go out through a real carrier rather than the simulated one.

        The demo's customers have made-up numbers: it never reaches the real Twilio, only a stand-in of its API.
        """
        if self.demo and self.api_base_url == TWILIO_API:
            return False
        if self.carrier != "twilio":
            return self.carrier == "bird"
        return bool(self.account_sid and self.sender and self.auth_tokens)


def load_settings(environ: dict[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """Read the settings.

    `environ` wins over `.env`. REGULARS_DEMO is `1`, `0` or `auto` (demo exactly when Twilio's account or
    sender is not configured). Raises SettingsError naming every missing or wrong setting at once.
    """
    source = {k: v for k, v in dotenv_values(env_file or ROOT / ".env").items() if v is not None}
    source.update(environ if environ is not None else os.environ)

    def get(name: str, default: str = "") -> str:
        return source.get(name, default).strip()

    problems: list[str] = []

    demo_word = get("REGULARS_DEMO", "0").lower()
    if demo_word not in {"0", "1", "auto", ""}:
        problems.append("REGULARS_DEMO must be 1, 0 or auto")
    carrier = next((each for each in CARRIERS if each == (get("CARRIER") or "twilio")), None)
    if carrier is None:
        problems.append(f"CARRIER must be one of {', '.join(CARRIERS)}")
    required = _BIRD if carrier == "bird" else _REQUIRED
    configured = all(get(name) for name in required if name not in {"SECRET_KEY", "PUBLIC_URL"})
    demo = demo_word == "1" or (demo_word == "auto" and not configured)
    tokens = tuple(token for token in (part.strip() for part in get("TWILIO_AUTH_TOKEN").split(",")) if token)
    if not demo:
        given = {name: get(name) for name in required} | {"TWILIO_AUTH_TOKEN": "".join(tokens)}
        problems += [f"{name} is missing" for name in required if not given[name]]

    port = _number("PORT", get("PORT", "8000") or "8000", problems)
    if not 0 <= port <= 65535:
        problems.append(f"PORT must be at most 65535, not {port}")
    keywords = get("TWILIO_KEYWORDS", "regulars") or "regulars"
    if keywords not in {"regulars", "twilio"}:
        problems.append("TWILIO_KEYWORDS must be regulars (we answer STOP, START, HELP) or twilio (Twilio does)")
    flows_dir = Path(get("FLOWS_DIR") or ROOT / "flows").resolve()
    if not flows_dir.is_dir():
        problems.append(f"FLOWS_DIR: there is no folder {flows_dir}")
    public_url = get("PUBLIC_URL").rstrip("/")
    if public_url and not public_url.startswith(("http://", "https://")):
        problems.append("PUBLIC_URL must begin with https:// (or http:// on your own machine)")
    database_url = get("DATABASE_URL") or f"sqlite:///{ROOT / 'var' / 'regulars.db'}"
    try:
        normal_url(database_url)
    except (ValueError, ArgumentError):  # its words may quote the password
        problems.append("DATABASE_URL must look like sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
    role = next((each for each in ROLES if each == (get("REGULARS_ROLE") or "all")), None)
    if role is None:
        problems.append(f"REGULARS_ROLE must be one of {', '.join(ROLES)}")
    daily_cap = _number("SENDING_DAILY_CAP", get("SENDING_DAILY_CAP"), problems) if get("SENDING_DAILY_CAP") else None
    concurrency = _number("SENDING_CONCURRENCY", get("SENDING_CONCURRENCY") or "16", problems)
    if not 1 <= concurrency <= 256:
        problems.append("SENDING_CONCURRENCY must be between 1 and 256")
    account = _number("ACCOUNT_CONCURRENCY", get("ACCOUNT_CONCURRENCY") or "0", problems)
    if account < 0:
        problems.append("ACCOUNT_CONCURRENCY must be 1 or more, or 0 for no limit")
    if get("OIDC_ISSUER") and not (get("OIDC_CLIENT_ID") and get("OIDC_CLIENT_SECRET")):
        problems.append("OIDC_ISSUER needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET beside it")
    audit_keep_days = _number("AUDIT_KEEP_DAYS", get("AUDIT_KEEP_DAYS") or "730", problems)
    if not 0 <= audit_keep_days <= 36500:
        problems.append("AUDIT_KEEP_DAYS must be between 0 (for ever) and 36500")
    if problems:
        raise SettingsError("Cannot start: " + "; ".join(problems) + ". See .env.example.")

    secret_key = get("SECRET_KEY") or _demo_secret(database_url)
    return Settings(
        database_url=database_url,
        broker_url=get("BROKER_URL"),
        role=role or "all",
        public_url=public_url,
        trust_proxy=get("TRUST_PROXY", "0") == "1",
        host=get("HOST") or "127.0.0.1",
        port=port,
        secret_key=secret_key,
        account_sid=get("TWILIO_ACCOUNT_SID"),
        auth_tokens=tokens or (_derived(secret_key, "demo auth token"),),
        api_key=get("TWILIO_API_KEY"),
        api_secret=get("TWILIO_API_SECRET"),
        sender=get("TWILIO_FROM"),
        api_base_url=(get("TWILIO_API_BASE_URL") or TWILIO_API).rstrip("/"),
        keywords="twilio" if keywords == "twilio" else "regulars",
        carrier=carrier or "twilio",
        bird_access_key=get("BIRD_ACCESS_KEY"),
        bird_workspace=get("BIRD_WORKSPACE"),
        bird_channel=get("BIRD_CHANNEL"),
        bird_signing_key=get("BIRD_SIGNING_KEY"),
        bird_base_url=(get("BIRD_API_BASE_URL") or "https://api.bird.com").rstrip("/"),
        sending_rate=get("SENDING_RATE"),
        sending_daily_cap=daily_cap,
        sending_concurrency=concurrency,
        account_concurrency=account or None,
        oidc_issuer=get("OIDC_ISSUER").rstrip("/"),
        oidc_client_id=get("OIDC_CLIENT_ID"),
        oidc_client_secret=get("OIDC_CLIENT_SECRET"),
        audit_keep_days=audit_keep_days,
        demo=demo,
        flows_dir=flows_dir,
        log_level=(get("LOG_LEVEL") or "INFO").upper(),
    )


def _number(name: str, text: str, problems: list[str]) -> int:
    try:
        return int(text)
    except ValueError:
        problems.append(f"{name} must be a number, not {text!r}")
        return 0


def _demo_secret(database_url: str) -> str:
    """Return a secret for the demo that is the same at every start on this machine's database."""
    return _derived(database_url + str(ROOT), "demo secret")


def _derived(secret: str, purpose: str) -> str:
    return hashlib.sha256(f"{purpose}:{secret}".encode()).hexdigest()[:32]
