"""Twilio's Messages API. The only file, with the signature check, that knows Twilio's library."""

from __future__ import annotations

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from bot.carrier.port import Accepted, Outgoing
from bot.errors import CarrierError, CarrierUnreachable, OutcomeUnknown
from bot.settings import Settings

TIMEOUT_SECONDS = 10.0
_VALIDITY_LIMITS = (5, 36_000)  # seconds, https://www.twilio.com/docs/messaging/api/message-resource


class TwilioCarrier:
    """Sends through a number or a Messaging Service (a sender that begins with MG)."""

    def __init__(self, settings: Settings) -> None:
        user = settings.api_key or settings.account_sid
        password = settings.api_secret if settings.api_key else settings.auth_tokens[0]
        # The library waits for ever unless told otherwise, and never repeats a POST by itself: good.
        self.client = Client(
            user, password, account_sid=settings.account_sid, http_client=TwilioHttpClient(timeout=TIMEOUT_SECONDS)
        )
        self.client.api.base_url = settings.api_base_url

    def send(self, message: Outgoing) -> Accepted:
        """Create the message at Twilio; see `Carrier` for the errors."""
        service = message.sender.startswith("MG")
        optional: dict[str, object] = {}
        if message.valid_for is not None:
            low, high = _VALIDITY_LIMITS
            optional["validity_period"] = min(high, max(low, int(message.valid_for.total_seconds())))
        try:
            created = self.client.messages.create(
                to=message.to,
                body=message.body,
                status_callback=message.status_callback,
                **({"messaging_service_sid": message.sender} if service else {"from_": message.sender}),
                **optional,
            )
        except TwilioRestException as refused:
            raise _translated(refused) from refused
        except requests.exceptions.ConnectTimeout as trouble:
            raise CarrierUnreachable(str(trouble)) from trouble
        except requests.exceptions.ConnectionError as trouble:
            if "NewConnectionError" in repr(trouble) or "Connection refused" in repr(trouble):
                raise CarrierUnreachable("Twilio cannot be reached") from trouble
            raise OutcomeUnknown("the connection to Twilio broke after the request") from trouble
        except (requests.exceptions.RequestException, TwilioException) as trouble:
            raise OutcomeUnknown(f"Twilio's answer never came: {type(trouble).__name__}") from trouble
        return Accepted(sid=str(created.sid), state=str(created.status))


def _translated(refused: TwilioRestException) -> CarrierError:
    """Say what a refusal means: 429 was never processed, 5xx may have been, the rest is final.

    Source: https://www.twilio.com/docs/api/errors/20429 ("safe to retry").
    """
    text = f"{refused.code}: {refused.msg}"
    if refused.status == 429:
        return CarrierError(text, code=20429, permanent=False)
    if refused.status >= 500:
        return OutcomeUnknown(text, code=refused.code)
    return CarrierError(text, code=refused.code, permanent=True)
