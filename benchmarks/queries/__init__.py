"""`pms bench query`: how long every read endpoint takes on a large state, alone and under load."""
