"""Tests of contests: deciding and ranking."""
