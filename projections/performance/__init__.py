"""Performance: daily NAV with its status and time-weighted return, as struck and as known now."""
