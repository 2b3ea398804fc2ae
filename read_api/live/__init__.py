"""Live: one WebSocket at `/v1/live`; snapshots first, then what changes, with its log position.

`destinations` says what a destination is, `registry` which there are; `audience` asks for everybody
at once and tells each subscription; `session` is one client; the two dialects are `json_dialect`
and `stomp_dialect`.
"""
