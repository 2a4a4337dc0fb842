"""A viewer's request to be erased: out of every row, file and log, with the totals of posts left as they were."""
