"""What staff do: each action in one transaction with its entry in the audit log, whoever asks for it.

The console and the command line call these; SQL stays in `storage`, pages in `bot.console`.
"""
