"""Spark: the session, Java and JARs, class data sharing, files, locks, temporary files and the layout of files."""
