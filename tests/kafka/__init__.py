"""Tests of the wire as readers outside this system meet it."""
