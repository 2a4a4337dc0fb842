"""OpenLineage events of runs: what each job read and wrote, its exact column lineage, and what its audit found.

The client of the OpenLineage project sends them. Without a configuration of the client they go to a file in the lake.
"""

FOLDER = "_lineage"
"""The folder of event files in a lake."""
