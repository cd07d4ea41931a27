"""The pure core: flow definitions, routing and decisions. See README.md for what it may not do."""
