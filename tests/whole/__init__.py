"""Tests of a whole PMS: real servers, real processes, commands and queries over HTTP."""
