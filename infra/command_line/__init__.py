"""The commands of `pms`, one file per family; `infra.cli` puts them together."""
