"""Events, aggregates, rules, money and lots: pure, without I/O, clock, ids or floats in money."""
