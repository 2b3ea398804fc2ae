"""`pms bench capture`: trades through the HTTP endpoints of a real write process."""
