"""What became of a source's trades: the drop copy, what has arrived, and control totals."""
