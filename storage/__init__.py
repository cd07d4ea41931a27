"""SQLAlchemy tables and their named queries. Never imports bot; sessions are passed in; nothing commits here."""
