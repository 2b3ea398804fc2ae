"""What both HTTP interfaces share: problem documents, tokens, access table, limits, correlation."""
