"""Tests that kill processes at random points and then look for what was lost or done twice."""
