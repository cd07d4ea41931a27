"""Thin blueprints: they check who is asking, hand an event on and render the answer."""
