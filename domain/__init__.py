"""The domain: events, aggregates, rules, money and lots; pure, no input or output, no clock."""
