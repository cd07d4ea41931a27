"""Settings from the environment or a `.env` file, read once at start and frozen.

Every setting is documented in `.env.example`. Demo mode invents what it lacks; otherwise every missing
secret is named in one error.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dotenv import dotenv_values
from sqlalchemy.exc import ArgumentError

from bot.environment import Environment
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
    env = Environment(source | dict(environ if environ is not None else os.environ))
    carrier = env.one_of("CARRIER", CARRIERS)
    tokens = tuple(token for token in (part.strip() for part in env.text("TWILIO_AUTH_TOKEN").split(",")) if token)
    demo = _demo(env, carrier, tokens)
    database_url = _database_url(env)
    secret_key = env.text("SECRET_KEY") or _demo_secret(database_url)
    settings = Settings(
        database_url=database_url,
        secret_key=secret_key,
        carrier=carrier,
        auth_tokens=tokens or (_derived(secret_key, "demo auth token"),),
        demo=demo,
        **_process(env),
        **_twilio(env),
        **_bird(env),
        **_sending(env),
        **_staff(env),
    )
    if env.problems:
        raise SettingsError("Cannot start: " + "; ".join(env.problems) + ". See .env.example.")
    return settings


def _demo(env: Environment, carrier: CarrierName, tokens: tuple[str, ...]) -> bool:
    """Say whether this is the demo; what else is missing is a problem."""
    word = env.text("REGULARS_DEMO", "0").lower()
    if word not in {"0", "1", "auto"}:
        env.problems.append("REGULARS_DEMO must be 1, 0 or auto")
    required = _BIRD if carrier == "bird" else _REQUIRED
    given = {name: env.text(name) for name in required} | {"TWILIO_AUTH_TOKEN": "".join(tokens)}
    configured = all(env.text(name) for name in required if name not in {"SECRET_KEY", "PUBLIC_URL"})
    demo = word == "1" or (word == "auto" and not configured)
    if not demo:
        env.problems += [f"{name} is missing" for name in required if not given[name]]
    return demo


def _database_url(env: Environment) -> str:
    url = env.text("DATABASE_URL", f"sqlite:///{ROOT / 'var' / 'regulars.db'}")
    try:
        normal_url(url)
    except (ValueError, ArgumentError):  # its words may quote the password
        env.problems.append("DATABASE_URL must look like sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
    return url


def _process(env: Environment) -> dict[str, Any]:
    """What this process does, and where it is found."""
    flows_dir = Path(env.text("FLOWS_DIR", str(ROOT / "flows"))).resolve()
    if not flows_dir.is_dir():
        env.problems.append(f"FLOWS_DIR: there is no folder {flows_dir}")
    public_url = env.address("PUBLIC_URL")
    if public_url and not public_url.startswith(("http://", "https://")):
        env.problems.append("PUBLIC_URL must begin with https:// (or http:// on your own machine)")
    return {
        "broker_url": env.text("BROKER_URL"),
        "role": env.one_of("REGULARS_ROLE", ROLES),
        "public_url": public_url,
        "trust_proxy": env.text("TRUST_PROXY") == "1",
        "host": env.text("HOST", "127.0.0.1"),
        "port": env.number("PORT", 8000, range(65536), "at most 65535"),
        "flows_dir": flows_dir,
        "log_level": env.text("LOG_LEVEL", "INFO").upper(),
    }


def _twilio(env: Environment) -> dict[str, Any]:
    keywords = env.text("TWILIO_KEYWORDS", "regulars")
    if keywords not in {"regulars", "twilio"}:
        env.problems.append("TWILIO_KEYWORDS must be regulars (we answer STOP, START, HELP) or twilio (Twilio does)")
    return {
        "account_sid": env.text("TWILIO_ACCOUNT_SID"),
        "api_key": env.text("TWILIO_API_KEY"),
        "api_secret": env.text("TWILIO_API_SECRET"),
        "sender": env.text("TWILIO_FROM"),
        "api_base_url": env.address("TWILIO_API_BASE_URL", TWILIO_API),
        "keywords": keywords,
    }


def _bird(env: Environment) -> dict[str, Any]:
    return {
        "bird_access_key": env.text("BIRD_ACCESS_KEY"),
        "bird_workspace": env.text("BIRD_WORKSPACE"),
        "bird_channel": env.text("BIRD_CHANNEL"),
        "bird_signing_key": env.text("BIRD_SIGNING_KEY"),
        "bird_base_url": env.address("BIRD_API_BASE_URL", "https://api.bird.com"),
    }


def _sending(env: Environment) -> dict[str, Any]:
    """How fast messages go out."""
    account = env.number("ACCOUNT_CONCURRENCY", 0, range(sys.maxsize), "1 or more, or 0 for no limit")
    return {
        "sending_rate": env.text("SENDING_RATE"),
        "sending_daily_cap": env.number("SENDING_DAILY_CAP", 0) if env.text("SENDING_DAILY_CAP") else None,
        "sending_concurrency": env.number("SENDING_CONCURRENCY", 16, range(1, 257), "between 1 and 256"),
        "account_concurrency": account or None,
    }


def _staff(env: Environment) -> dict[str, Any]:
    """How staff sign in, and how long what they did is kept."""
    if env.text("OIDC_ISSUER") and not (env.text("OIDC_CLIENT_ID") and env.text("OIDC_CLIENT_SECRET")):
        env.problems.append("OIDC_ISSUER needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET beside it")
    return {
        "oidc_issuer": env.address("OIDC_ISSUER"),
        "oidc_client_id": env.text("OIDC_CLIENT_ID"),
        "oidc_client_secret": env.text("OIDC_CLIENT_SECRET"),
        "audit_keep_days": env.number("AUDIT_KEEP_DAYS", 730, range(36501), "between 0 (for ever) and 36500"),
    }


def _demo_secret(database_url: str) -> str:
    """Return a secret for the demo that is the same at every start on this machine's database."""
    return _derived(database_url + str(ROOT), "demo secret")


def _derived(secret: str, purpose: str) -> str:
    return hashlib.sha256(f"{purpose}:{secret}".encode()).hexdigest()[:32]
