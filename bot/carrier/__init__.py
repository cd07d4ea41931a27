"""Carriers: who takes our texts to the customers' phones."""
