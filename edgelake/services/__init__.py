"""What runs in the background: one life-cycle, one registry, one room for each service.

What it is: everything with a thread of its own above the wire. What it is
not: it does not read commands (`edgelake.commands` starts services) and does
not know how bytes or rows are stored.
"""
