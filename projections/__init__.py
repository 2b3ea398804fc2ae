"""The projector engine, then one file per read model: its tables, its fold, its queries."""
