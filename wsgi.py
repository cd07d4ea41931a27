"""The WSGI application: `app = create_app()`."""

from bot.app import create_app

app = create_app()
